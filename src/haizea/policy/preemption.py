"""The built-in preemption policies.

A lease that its owner did not declare preemptible is never given away, and neither is an advance reservation. Of
several best-effort leases the oldest goes first, however old it is: a suspended or requeued lease keeps its place
by submission time, so the oldest is the first to come back and loses least. (Haizea 1.x took them in the same
order, but spared leases older than seven days; a lease that can no longer be preempted may block reservations for
as long as it runs.)
"""

from haizea.model.lease import LeaseType
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.policy.protocols import PolicyContext
from haizea.policy.views import LeaseView


class NoPreemption:
    """No lease gives way to another."""

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Refuse."""
        return None


class ARPreemptsBestEffort:
    """An advance reservation may preempt preemptible best-effort leases, the oldest first."""

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Return the victim's age in ms."""
        if (
            preemptor.type is LeaseType.ADVANCE_RESERVATION
            and victim.type is LeaseType.BEST_EFFORT
            and victim.terms.preemptible
        ):
            return _age(victim, at)
        return None


class ARPreemptsEverything:
    """An advance reservation may preempt every preemptible lease that was not promised a time, the oldest first.

    That is best-effort leases and immediate ones. Other reservations and deadline leases were accepted with a
    promise, and keep what they have.
    """

    def __init__(self, context: PolicyContext) -> None:
        """Need nothing from the site."""

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Return the victim's age in ms."""
        if preemptor.type is LeaseType.ADVANCE_RESERVATION and _unpromised(victim):
            return _age(victim, at)
        return None


class DeadlineSlack:
    """A reservation or a deadline lease may preempt whatever can wait.

    Preemptible best-effort and immediate leases go first, the oldest before the others; they were promised nothing.
    Then come preemptible deadline leases, those with the most slack first: slack is how long before its deadline
    the victim would still end after it had been suspended, had waited for the whole preemptor, and had been resumed.
    Where it may not be suspended it starts over, so that its whole duration counts; where nothing of it has been
    delivered there is nothing to suspend. A lease without slack is not preempted.
    """

    def __init__(self, context: PolicyContext) -> None:
        """Keep what the site says about suspension."""
        self._context = context

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Return the victim's slack in ms, or more than any slack for a lease that was promised nothing."""
        if preemptor.type not in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE):
            return None
        if _unpromised(victim):
            return FAR_FUTURE + _age(victim, at)
        if victim.type is LeaseType.DEADLINE and victim.terms.preemptible:
            return self._slack(preemptor, victim, at)
        return None

    def _slack(self, preemptor: LeaseView, victim: LeaseView, at: Instant) -> Span | None:
        """Return how long before its deadline the victim would end, None where it would be late."""
        deadline, duration, remaining = victim.terms.deadline, victim.terms.duration, victim.remaining_at(at)
        wait = preemptor.remaining
        if deadline is None or duration is None or remaining is None or wait is None:
            return None
        if preemptor.delivered:
            wait += preemptor.resume_time
        if not self._context.suspends(victim):
            remaining = duration
        elif remaining < duration:
            wait += victim.suspend_time + victim.resume_time
        slack = deadline - (at + wait + remaining)
        return slack if slack >= 0 else None


def _unpromised(victim: LeaseView) -> bool:
    """Whether a lease is preemptible and was promised neither a start nor an end."""
    return victim.terms.preemptible and victim.type in (LeaseType.BEST_EFFORT, LeaseType.IMMEDIATE)


def _age(lease: LeaseView, at: Instant) -> Span:
    return at - lease.submitted
