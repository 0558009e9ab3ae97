"""Clocks that are set while the daemon runs."""

from haizea.live.clock import HOLD_MAX, LiveClock, Scale
from haizea.model.units import HOUR, MINUTE, SECOND, Instant, Span


class Hands:
    """A clock on the wall that can be set, and one that cannot."""

    def __init__(self, factor: float = 1.0) -> None:
        self.wall: Instant = 1_000_000
        self.since: Span = 0
        self.warnings: list[str] = []
        scale = Scale(self.wall, self.wall, factor)
        self.clock = LiveClock(scale, lambda: self.wall, lambda: self.since, self.warnings.append)

    def passes(self, span: Span) -> Instant:
        """Let time pass; return what time it is."""
        self.wall += span
        self.since += span
        return self.clock.now()

    def set(self, by: Span) -> Instant:
        """Set the clock on the wall; return what time it is."""
        self.wall += by
        return self.clock.now()


def test_a_clock_that_is_right_has_not_jumped() -> None:
    """Time passes, and is slewed a little now and then, as NTP does."""
    hands = Hands()
    for _ in range(100):
        hands.wall += 1
        hands.passes(SECOND)
    assert hands.clock.jumps() == []
    assert hands.clock.now() == hands.wall


def test_a_clock_set_forward_is_followed_and_told_of_once() -> None:
    """The machine was suspended for an hour: it is an hour later."""
    hands = Hands()
    before = hands.passes(SECOND)
    assert hands.set(HOUR) == before + HOUR
    assert hands.clock.jumps() == [HOUR]
    assert hands.clock.jumps() == []
    assert hands.passes(SECOND) == before + HOUR + SECOND
    assert "forward" in hands.warnings[0]


def test_a_clock_set_back_a_little_stands_still_until_it_has_caught_up() -> None:
    """Nobody sees time go back, and it ends up right."""
    hands = Hands()
    before = hands.passes(MINUTE)
    assert hands.set(-30 * SECOND) == before
    assert hands.passes(29 * SECOND) == before
    assert hands.passes(2 * SECOND) == before + SECOND == hands.wall
    assert hands.clock.jumps() == [-30 * SECOND]


def test_a_clock_set_back_far_is_not_waited_for() -> None:
    """Time goes on, ahead of the clock, until the clock is set right; that is said loudly."""
    hands = Hands()
    before = hands.passes(MINUTE)
    assert hands.set(-2 * HOUR) == before
    assert hands.passes(SECOND) == before + SECOND
    assert "SET BACK BY 7200 s" in hands.warnings[0]
    assert hands.set(2 * HOUR) == before + SECOND == hands.wall
    assert HOLD_MAX < 2 * HOUR


def test_jumps_are_told_in_the_time_that_is_shown() -> None:
    """A site that lives sixty times faster has jumped by sixty times as much."""
    hands = Hands(60.0)
    before = hands.passes(SECOND)
    assert hands.set(MINUTE) == before + HOUR
    assert hands.clock.jumps() == [HOUR]
