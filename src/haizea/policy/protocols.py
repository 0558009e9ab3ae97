"""What a policy of each kind must offer, and what it is made from.

Policies are called with positional arguments, so that an implementation may name its parameters as it likes. A
policy is deterministic: its answers follow from what it is handed, and from what it has been told before.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from haizea.model.lease import NO_EXTRA
from haizea.model.units import Instant
from haizea.policy.money import Money
from haizea.policy.views import HostView, LeaseView, SiteView


class PolicyError(ValueError):
    """A policy that cannot be used: not found, of the wrong kind, wrongly configured, or wrong in what it returns."""


class PolicyContext(NamedTuple):
    """What the constructor of every policy is handed.

    ``suspension`` tells whether leases may be suspended at all, ``serial_only`` whether only those of a single VM.
    ``settings`` are the options that the site gives this policy: the table ``[policy.NAME]``, or ``[pricing]`` for
    a pricing policy. Whatever a policy draws at random follows from ``seed``.
    """

    suspension: bool = True
    settings: Mapping[str, object] = NO_EXTRA
    seed: int = 0
    serial_only: bool = False

    def suspends(self, lease: LeaseView) -> bool:
        """Whether the site's rules let this lease be suspended."""
        return self.suspension and not (self.serial_only and lease.terms.node_count > 1)


class AdmissionPolicy(Protocol):
    """Decides whether a request may be scheduled at all, before anything is known about free resources."""

    def admit(self, lease: LeaseView, site: SiteView, now: Instant, /) -> str | None:
        """Return None to accept the request, otherwise a sentence that tells its owner why not."""


class HostOrder(Enum):
    """The order in which the planner looks at hosts.

    FIRST_FIT is the site's own order; MOST_FREE where the fewest leases must be preempted, then where it stays
    undisturbed longest; LEAST_FREE the fullest first; SPREAD the emptiest first. SCORED asks the policy.
    """

    FIRST_FIT = "first-fit"
    MOST_FREE = "most-free"
    LEAST_FREE = "least-free"
    SPREAD = "spread"
    SCORED = "scored"


class HostSelectionPolicy(Protocol):
    """Says which hosts are preferred for the VMs of a lease.

    The planner implements every :attr:`order` but SCORED by itself, without asking for scores, which is faster.
    """

    @property
    def order(self) -> HostOrder:
        """The order in which hosts are looked at; SCORED for a policy that users write."""

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return how good the host is for the lease from ``start`` on; higher is better.

        At equal scores the hosts keep the site's order.
        """


class PreemptionPolicy(Protocol):
    """Says which leases may be preempted for which, and which of them are to be taken first."""

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Return how willingly ``victim`` is preempted for ``preemptor`` at the instant ``at``.

        None: it may not be, which is the only answer for an advance reservation and for a lease that is not
        preemptible. Otherwise higher is taken first, and at equal scores the one submitted earliest. The policy
        decides what is allowed; the planner finds out whether it is possible.
        """


class Quote(NamedTuple):
    """The price of a lease, and whether its user takes it.

    ``price`` and ``user_limit`` (None where the user has said none) are in billionths, see
    :mod:`haizea.policy.money`. For a lease of unlimited duration both are for an hour. ``reason`` is a sentence,
    given if and only if the quote is not accepted.
    """

    price: Money
    user_limit: Money | None
    accepted: bool
    reason: str | None = None


class PricingPolicy(Protocol):
    """Prices leases. :class:`haizea.policy.pricing.Pricing` implements all but the price."""

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return what the lease costs if it takes the place of the leases ``preempted``, in billionths."""

    def quote(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Quote:
        """Return the price and whether the lease's user takes it. Asking any number of times changes nothing.

        Raises:
            PolicyError: the policy's price is no amount of money.
        """

    def feedback(self, lease: LeaseView, accepted: bool, /) -> None:
        """Learn whether the user of a lease took the price quoted last for it.

        The core calls this once for each lease whose price was decided upon, before it asks for another quote;
        not after a what-if, and not for a lease that could not be scheduled anyhow.
        """


class QueueOrder(Enum):
    """How the order of leases that wait for room comes about.

    SUBMITTED: as they were submitted; the policy is never asked. FIXED: by score, which is asked for when a lease comes
    to the queue and when its terms change. CHANGING: by score, which is asked for whenever the queue is looked at, and
    what leases use is told before.
    """

    SUBMITTED = "submitted"
    FIXED = "fixed"
    CHANGING = "changing"


class QueuePolicy(Protocol):
    """Says in which order leases wait for room.

    The order says who is looked at first. Who needs less than those in front still starts before them where
    backfilling allows it. What an administrator moved to the top or bottom of the queue stays there.
    """

    @property
    def order(self) -> QueueOrder:
        """How the order comes about; it must not change."""

    def score(self, lease: LeaseView, now: Instant, /) -> int:
        """Return how urgent a lease is; higher comes first, and at equal scores the one submitted earlier."""

    def used(self, lease: LeaseView, amount: int, start: Instant, end: Instant, /) -> None:
        """Learn that a lease's VMs have run during ``[start, end)``. Only told where the order is CHANGING.

        ``amount`` is how much of the site they took up, in millionths of the resource type of which that is most.
        Nothing is told twice; a lease that still runs is told of up to now.
        """
