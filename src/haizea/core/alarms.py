"""What is to be looked at again at an instant, beside the stays and transfers of the plan.

Grace periods, delays before something is tried again, the ends of times that were promised. An alarm is known by what
it is for, the number of a lease or of a host, and the number of a VM, 0 where that does not matter; setting it again
moves it. In a simulation in which nothing unexpected happens there is none.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

from haizea.model.units import FAR_FUTURE, Instant, Span


class Bell(StrEnum):
    """What an alarm is for. Those that begin with ``host`` are about hosts, all others about a lease."""

    UNKNOWN = "unknown"
    RESTART = "restart"
    RETRY = "retry"
    WINDOW = "window"
    MOVED = "moved"
    EXTEND = "extend"
    KEPT = "kept"
    HOST_SUSPECT = "host-suspect"
    HOST_DRAIN = "host-drain"
    HOST_CLAIM = "host-claim"
    MAINTENANCE = "host-maintenance"
    MAINTENANCE_OVER = "host-maintenance-over"


WAITS: Final = frozenset({Bell.UNKNOWN, Bell.RESTART, Bell.RETRY, Bell.HOST_SUSPECT})
"""These wait for time to really pass, not for an hour of the day."""

HOURS: Final = frozenset(Bell) - WAITS
"""All others: what was set for an hour of the day."""

Key = tuple[Bell, int, int]


class Alarms:
    """Alarms by what they are for. ``next_at`` is when the next one is due."""

    __slots__ = ("_at", "next_at")

    def __init__(self) -> None:
        self._at: dict[Key, Instant] = {}
        self.next_at: Instant = FAR_FUTURE

    def set(self, bell: Bell, number: int, at: Instant, vm: int = 0) -> None:
        """Set an alarm, or move it."""
        self._at[bell, number, vm] = at
        self.next_at = min(self._at.values())

    def cancel(self, bell: Bell, number: int, vm: int = 0) -> bool:
        """Take an alarm back; return whether there was one."""
        found = self._at.pop((bell, number, vm), None) is not None
        if found:
            self._look_ahead()
        return found

    def get(self, bell: Bell, number: int, vm: int = 0) -> Instant | None:
        """Return when an alarm is due; None where there is none."""
        return self._at.get((bell, number, vm))

    def forget(self, lease: int) -> None:
        """Take back all alarms of a lease."""
        gone = [key for key in self._at if key[1] == lease and not key[0].startswith("host")]
        for key in gone:
            del self._at[key]
        self._look_ahead()

    def due(self, now: Instant, bells: Collection[Bell] = frozenset(Bell)) -> list[Key]:
        """Return the alarms of some kinds that are due by an instant, in order of time, and take them back."""
        found = sorted([(at, key) for key, at in self._at.items() if at <= now and key[0] in bells])
        for _at, key in found:
            del self._at[key]
        self._look_ahead()
        return [key for _at, key in found]

    def put_off(self, by: Span) -> None:
        """The clock was set: what waits for time to pass has to wait for as long as before."""
        for key in self._at:
            if key[0] in WAITS:
                self._at[key] += by
        self._look_ahead()

    def remember(self) -> list[list[Any]]:
        """Return all of them, as a tree of what JSON has."""
        return [[bell.value, number, vm, at] for (bell, number, vm), at in sorted(self._at.items())]

    def recall(self, remembered: Iterable[Sequence[Any]]) -> None:
        """Take back what was remembered."""
        self._at = {(Bell(bell), number, vm): at for bell, number, vm, at in remembered}
        self._look_ahead()

    def _look_ahead(self) -> None:
        self.next_at = min(self._at.values(), default=FAR_FUTURE)
