"""The queue policies that say more than who came first: priorities, and fair shares of what is used.

Usage is counted in millionths of the site times milliseconds, and what lies back counts half as much after each
half-life. All of it is whole numbers, so that the same run gives the same order on every machine.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any, Final

from haizea.model.units import DAY, HOUR, MINUTE, SECOND, Instant, Span
from haizea.policy.fcfs import FirstComeFirstServed
from haizea.policy.protocols import PolicyContext, PolicyError, QueueOrder
from haizea.policy.views import LeaseView

SHARE_MAX: Final = 1_000_000
_HALF_LIFE_MAX: Final[Span] = 3_650 * DAY

_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_SETTINGS: Final = ("half-life", "shares", "default-share", "by")
_BITS: Final = 62
_ONE: Final = 1 << _BITS
_LN2: Final = 3_196_577_161_300_663_914
"""The natural logarithm of 2, times 2 to the power of 62."""
_STEPS: Final = 40


class Priority(FirstComeFirstServed):
    """Leases of higher priority come first; of the same priority, those submitted earlier."""

    order = QueueOrder.FIXED

    def score(self, lease: LeaseView, now: Instant, /) -> int:
        """Return the lease's priority."""
        return lease.terms.priority


class FairShare:
    """Whoever has used least of late, measured by their share, comes first.

    Settings: ``half-life`` (``"7d"``), ``by`` (``"user"`` or ``"group"``), ``shares`` (a table of whole numbers by user
    or group), ``default-share`` of everybody else (1).
    """

    order = QueueOrder.CHANGING

    def __init__(self, context: PolicyContext) -> None:
        """Take the settings.

        Raises:
            PolicyError: one is wrong.
        """
        settings = context.settings
        unknown = sorted(set(settings) - set(_SETTINGS))
        if unknown:
            raise PolicyError(f"there is no setting {unknown[0][:64]!r}; there are {', '.join(_SETTINGS)}")
        self._half_life = _span(settings.get("half-life", "7d"))
        self._shares = _shares(settings.get("shares", {}))
        self._default = _share("default-share", settings.get("default-share", 1))
        by = settings.get("by", "user")
        if by not in ("user", "group"):
            raise PolicyError(f"by: expected user or group, not {str(by)[:64]!r}")
        self._by_group = by == "group"
        # What each had used, as it counted at an instant.
        self._used: dict[str, int] = {}
        self._at: Instant = 0

    def score(self, lease: LeaseView, now: Instant, /) -> int:
        """Return how little the lease's owner has used, for their share: less counts more."""
        self._age(now)
        who = self._whose(lease)
        return -(self._used.get(who, 0) // self._shares.get(who, self._default))

    def used(self, lease: LeaseView, amount: int, start: Instant, end: Instant, /) -> None:
        """Count what a lease has used."""
        if end > self._at:
            self._age(end)
        # The integral of what counts less and less: as much as if it was told in pieces of any size.
        weight = _decay(self._at - end, self._half_life) - _decay(self._at - start, self._half_life)
        counted = amount * self._half_life * weight // _LN2
        if counted:
            who = self._whose(lease)
            self._used[who] = self._used.get(who, 0) + counted

    def usage(self) -> Mapping[str, int]:
        """Return what counts for whom now."""
        return self._used

    def remember(self) -> dict[str, Any]:
        """Return what it has learnt."""
        return {"by-group": self._by_group, "at": self._at, "used": dict(self._used)}

    def recall(self, remembered: Mapping[str, Any], /) -> None:
        """Take back what it had learnt, if it counted for users or groups as it does now."""
        if remembered.get("by-group") is not self._by_group:
            return
        self._at = remembered["at"]
        self._used = dict(remembered["used"])

    def _whose(self, lease: LeaseView) -> str:
        return lease.terms.group if self._by_group else lease.terms.user

    def _age(self, now: Instant) -> None:
        """Have what was used count less, as time has passed."""
        if now <= self._at:
            return
        weight = _decay(now - self._at, self._half_life)
        self._at = now
        if weight < _ONE:
            aged = {who: amount * weight >> _BITS for who, amount in self._used.items()}
            self._used = {who: amount for who, amount in aged.items() if amount}


def _roots() -> tuple[int, ...]:
    """Return 2 to the power of -1/2, -1/4, -1/8, …, each times 2 to the power of 62."""
    found = [isqrt(1 << (2 * _BITS - 1))]
    while len(found) < _STEPS:
        found.append(isqrt(found[-1] << _BITS))
    return tuple(found)


_ROOTS: Final = _roots()


def _decay(age: Span, half_life: Span) -> int:
    """Return 2 to the power of -age/half_life, times 2 to the power of 62."""
    whole, rest = divmod(max(0, age), half_life)
    if whole > _BITS:
        return 0
    fraction = (rest << _STEPS) // half_life
    weight = _ONE
    for step in range(_STEPS):
        if fraction >> (_STEPS - 1 - step) & 1:
            weight = weight * _ROOTS[step] >> _BITS
    return weight >> whole


def _span(given: object) -> Span:
    text = given.strip().lower() if isinstance(given, str) else ""
    number, unit = text[:-1].strip(), _UNITS.get(text[-1:], 0)
    if unit and number.isascii() and number.isdigit() and len(number) < 12 and 0 < int(number) * unit <= _HALF_LIFE_MAX:
        return int(number) * unit
    raise PolicyError(f"half-life: expected a text such as 7d, 36h or 90m, up to 3650d, not {str(given)[:64]!r}")


def _share(name: str, given: object) -> int:
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 12:
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= SHARE_MAX:
        raise PolicyError(f"{name}: expected a whole number from 1 to {SHARE_MAX}, not {str(given)[:64]!r}")
    return given


def _shares(given: object) -> dict[str, int]:
    """Read shares: a table, or a text such as ``alice=2, bob=1``."""
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(",") if part.strip()]
        given = {name.strip(): share.strip() for name, _, share in pairs}
    if not isinstance(given, Mapping):
        raise PolicyError(f"shares: expected a table such as {{ alice = 2, bob = 1 }}, not {str(given)[:64]!r}")
    return {str(name): _share(f"the share of {str(name)[:64]!r}", share) for name, share in given.items()}
