"""Platforms that VMs run on, behind one port."""
