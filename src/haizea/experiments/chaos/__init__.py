"""Deterministic fault simulation: the whole stack in simulated time, with everything going wrong that can."""
