"""Availability over time, mapping to hosts, suspension, preparation, preemption, verification."""
