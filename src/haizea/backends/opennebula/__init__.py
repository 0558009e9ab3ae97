"""OpenNebula as a platform, with Haizea as its scheduler.

:mod:`client` speaks to oned, :mod:`pools` reads what it answers, :mod:`states` says what its states mean,
:mod:`operations` what is to be done next with a VM, :mod:`errands` does it, :mod:`polling` looks, :mod:`platform` puts
these behind the port, and :mod:`requests` finds VMs that ask to be leases.
"""
