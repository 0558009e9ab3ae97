"""One policy of each kind that a site could have written for itself; docs/guide/policies.md explains them."""

from collections.abc import Sequence

from haizea.model.lease import LeaseType
from haizea.model.units import DAY, HOUR, MINUTE, Instant
from haizea.policy.money import Money, share
from haizea.policy.pricing import Pricing
from haizea.policy.protocols import HostOrder, PolicyContext, PolicyError, QueueOrder
from haizea.policy.views import HostView, LeaseView, SiteView


class NoWeekends:
    """Nothing may be promised for a weekend.

    Setting: ``utc-offset-hours``, how many whole hours local time is ahead of UTC (0).
    """

    def __init__(self, context: PolicyContext) -> None:
        """Take the offset."""
        offset = context.settings.get("utc-offset-hours", 0)
        if not isinstance(offset, int) or not -12 <= offset <= 14:
            raise PolicyError(f"utc-offset-hours: expected a whole number from -12 to 14, not {offset!r}")
        self._offset = offset * HOUR

    def admit(self, lease: LeaseView, site: SiteView, now: Instant, /) -> str | None:
        """Refuse a reservation that touches a Saturday or Sunday."""
        if lease.type is not LeaseType.ADVANCE_RESERVATION or lease.terms.start is None:
            return None
        start = lease.terms.start + self._offset
        weekday = (start // DAY + 3) % 7  # day 0, the first of January 1970, was a Thursday
        until_saturday = (5 - weekday) * DAY - start % DAY
        duration = lease.terms.duration
        if until_saturday <= 0 or duration is None or duration > until_saturday:
            return "the site is closed at weekends; ask for a time from Monday to Friday"
        return None


class PreferLabel:
    """Hosts with a label are filled first, the fullest of them before the others.

    Settings: ``label`` and ``value``, such as ``"power"`` and ``"solar"``.
    """

    order = HostOrder.SCORED

    def __init__(self, context: PolicyContext) -> None:
        """Take the label."""
        self._label = context.settings.get("label", "power")
        self._value = context.settings.get("value", "solar")

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return what is in use, and more than that can be for a host with the label."""
        preferred = host.labels.get(str(self._label)) == self._value
        return host.used_permille + (1001 if preferred else 0)


class LeastProgress:
    """A reservation or an immediate lease preempts the best-effort leases that have come least far.

    A lease that is nearly done is left alone. Setting: ``safe-percent``, from which share of its duration on (90).
    """

    def __init__(self, context: PolicyContext) -> None:
        """Take the share."""
        percent = context.settings.get("safe-percent", 90)
        if not isinstance(percent, int) or not 0 <= percent <= 100:
            raise PolicyError(f"safe-percent: expected a whole number from 0 to 100, not {percent!r}")
        self._safe_permille = percent * 10

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Return how much of the victim's duration is left, in thousandths."""
        if preemptor.type not in (LeaseType.ADVANCE_RESERVATION, LeaseType.IMMEDIATE):
            return None
        if victim.type is not LeaseType.BEST_EFFORT or not victim.terms.preemptible:
            return None
        duration, left = victim.terms.duration, victim.remaining_at(at)
        if not duration or left is None:
            return 1000
        left_permille = left * 1000 // duration
        return left_permille if 1000 - left_permille < self._safe_permille else None


class PeakHours(Pricing):
    """Leases that are to start from 8 to 18 o'clock UTC cost more.

    Settings, in the section ``[pricing]``: ``rate``, and ``max-rate`` for those hours (one and a half times as much).
    """

    def __init__(self, context: PolicyContext) -> None:
        """Take both rates."""
        super().__init__(context)
        self._rate = self.amount("rate")
        self._peak_rate = self.amount("max-rate", share(self._rate, 3, 2))

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return the price at the hour's rate, with the surcharge for preemption."""
        start = lease.submitted if lease.terms.start is None else lease.terms.start
        rate = self._peak_rate if 8 <= start % DAY // HOUR < 18 else self._rate
        return self.base_price(lease, rate) + self.surcharge(preempted, rate)


class WaitedForWhatItAsks:
    """Whoever has waited longest, measured by how long they want to run, comes first.

    Setting: ``least-minutes``, what the shortest leases count as (10).
    """

    order = QueueOrder.CHANGING

    def __init__(self, context: PolicyContext) -> None:
        """Take the least."""
        minutes = context.settings.get("least-minutes", 10)
        if not isinstance(minutes, int) or not 1 <= minutes <= 1440:
            raise PolicyError(f"least-minutes: expected a whole number from 1 to 1440, not {minutes!r}")
        self._least = minutes * MINUTE

    def score(self, lease: LeaseView, now: Instant, /) -> int:
        """Return the time that a lease has waited, in thousandths of what it asks for."""
        left = DAY if lease.remaining is None else lease.remaining
        return (now - lease.submitted) * 1000 // max(left, self._least)

    def used(self, lease: LeaseView, amount: int, start: Instant, end: Instant, /) -> None:
        """Learn nothing: what was used before does not count here."""
