"""Clocks."""

from haizea.model.units import Instant


class SimulatedClock:
    """Time that passes as fast as things can be dealt with."""

    def wait_until(self, at: Instant, /) -> Instant:
        """Return at once: it is ``at`` now."""
        return at
