"""Units of time and how planned lengths are rounded.

An ``Instant`` is an integer count of milliseconds since the Unix epoch in UTC, a ``Span`` a length in
milliseconds. Both are plain ``int``; the aliases say which is meant.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

Instant = int
Span = int

MILLISECOND: Final[Span] = 1
SECOND: Final[Span] = 1_000
MINUTE: Final[Span] = 60 * SECOND
HOUR: Final[Span] = 60 * MINUTE
DAY: Final[Span] = 24 * HOUR

FAR_FUTURE: Final[Instant] = 1 << 53
"""Later than any instant a schedule can hold (285,000 years); the end of what has no end."""


def whole_seconds(amount: int, per_second: "int | Fraction") -> Span:
    """How long ``amount`` units take at ``per_second`` units a second, rounded up to a whole second.

    The planned length of every operation (suspension, resumption, transfer) is rounded this way, so that
    schedules stay comparable with those of Haizea 1.x.

    Raises:
        ValueError: the rate is not positive.
    """
    if per_second <= 0:
        raise ValueError(f"a rate must be positive, not {per_second}")
    return -(-amount // per_second) * SECOND
