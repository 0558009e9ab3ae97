"""A few instants of a timeline, and what changes at each of them."""

from haizea.model.units import Instant

CHUNK_MAX = 32

Step = tuple[int, int, bool]
"""What changes at an instant: the packed difference, its amount of the key resource type, and whether it is a claim."""


class Chunk:
    """Instants in ascending order, each with its step; ``base`` is the state before the first of them."""

    __slots__ = ("base", "steps", "times")

    def __init__(self, base: int, times: list[Instant], steps: list[Step]) -> None:
        self.base = base
        self.times = times
        self.steps = steps

    def split(self) -> "Chunk":
        """Give the later half of the instants to a new chunk."""
        half = len(self.times) // 2
        other = Chunk(self.base + sum([step[0] for step in self.steps[:half]]), self.times[half:], self.steps[half:])
        del self.times[half:], self.steps[half:]
        return other
