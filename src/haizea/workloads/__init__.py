"""Workloads: what leases are requested and when, read from files, made up by models, changed, counted and written.

:func:`haizea.workloads.load.load` reads any of them. Nothing is imported here, so that each module costs no more than
its own needs.
"""
