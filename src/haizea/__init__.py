"""Haizea: a lease manager for virtual machines."""

__version__ = "2.0.0.dev0"
