"""Distributions that values are drawn from, each from a generator that it is handed.

All of them are bounded: what is drawn lies between two numbers that whoever described the distribution knows.
"""

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

TAIL: Final = 10.0
"""Where a truncated Pareto distribution is cut off, before it is stretched over its range; as in Haizea 1.x."""


class Distribution(Protocol):
    """Something that numbers are drawn from."""

    def draw(self, random: Random, /) -> float:
        """Return a number that follows from the generator alone."""


class Uniform(NamedTuple):
    """All numbers from ``low`` to ``high`` alike."""

    low: float
    high: float

    def draw(self, random: Random, /) -> float:
        """Return a number."""
        return random.uniform(self.low, self.high)


class Normal(NamedTuple):
    """A normal distribution of mean ``mu`` and standard deviation ``sigma``; what is beyond a bound is the bound."""

    low: float
    high: float
    mu: float
    sigma: float

    def draw(self, random: Random, /) -> float:
        """Return a number."""
        return min(max(random.normalvariate(self.mu, self.sigma), self.low), self.high)


class BoundedPareto(NamedTuple):
    """The Pareto distribution of shape ``alpha`` between two positive bounds; ``invert`` mirrors it: ``high`` - x."""

    low: float
    high: float
    alpha: float
    invert: bool = False

    def draw(self, random: Random, /) -> float:
        """Return a number, by inversion of the cumulative distribution."""
        # Relative to the lower bound, so that no power of a large bound is ever taken.
        ratio: float = (self.low / self.high) ** self.alpha
        found: float = min(self.low * (1 - random.random() * (1 - ratio)) ** (-1 / self.alpha), self.high)
        return self.high - found if self.invert else found


class TruncatedPareto(NamedTuple):
    """The Pareto distribution moved to begin at 0, cut off at :data:`TAIL`, and stretched from ``low`` to ``high``.

    ``invert`` mirrors it within the bounds.
    """

    low: float
    high: float
    scale: float
    alpha: float
    invert: bool = False

    def draw(self, random: Random, /) -> float:
        """Return a number, by inversion of the cumulative distribution."""
        rest: float = (1 + TAIL / self.scale) ** -self.alpha
        found: float = self.scale * ((1 - random.random() * (1 - rest)) ** (-1 / self.alpha) - 1)
        part = min(max(found / TAIL, 0.0), 1.0)
        return self.low + (1 - part if self.invert else part) * (self.high - self.low)


class Share(NamedTuple):
    """Where between two bounds the numbers of another distribution lie, from 0 to 1."""

    inner: Distribution
    low: float
    high: float

    def draw(self, random: Random, /) -> float:
        """Return a share."""
        return (self.inner.draw(random) - self.low) / (self.high - self.low)


class Whole(NamedTuple):
    """The whole numbers below those of another distribution."""

    inner: Distribution

    def draw(self, random: Random, /) -> float:
        """Return a whole number."""
        return float(self.inner.draw(random) // 1)


class Choice(NamedTuple):
    """One of several texts or numbers; ``place``, from 0 to 1, says where in their order."""

    values: Sequence[str | int]
    place: Distribution

    def pick(self, random: Random, /) -> str | int:
        """Return one of the values."""
        return self.values[min(int(self.place.draw(random) * len(self.values)), len(self.values) - 1)]

    def draw(self, random: Random, /) -> float:
        """Return one of the values, as a number.

        Raises:
            ValueError: it is none.
        """
        return float(self.pick(random))
