"""The pricing policies that ask for money, and the base class for those that users write.

A rate is the price of one VM for one hour. A lease costs rate × VMs × hours of its requested duration; one of
unlimited duration is priced by the hour. Where leases are suspended to make room, the policies that set a rate
themselves add a surcharge: rate × VMs × (suspend time + resume time) of each lease that is preempted.

What the user of a lease would pay is the rate in its attribute ``simul_userrate``. The lease is refused where its
price is above that rate × VMs × hours. Without the attribute every price is accepted; an attribute that is no
amount of money accepts none.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any, Final

from haizea.model.units import HOUR
from haizea.policy.money import MONEY_MAX, Money, money, money_text, share
from haizea.policy.protocols import PolicyContext, PolicyError, Quote
from haizea.policy.views import LeaseView

USER_RATE: Final = "simul_userrate"
"""The attribute of a lease (in ``extra``) that holds the highest rate its user would pay."""

_WORD: Final = (1 << 64) - 1


def price_at(lease: LeaseView, rate: Money) -> Money:
    """Return what a lease costs at a rate, without any surcharge; for an hour where its duration is unlimited."""
    duration = lease.terms.duration
    return share(rate, lease.terms.node_count * (HOUR if duration is None else duration), HOUR)


def user_rate(lease: LeaseView) -> Money | None:
    """Return the highest rate that a lease's user would pay, None where it has said none.

    Raises:
        ValueError: what it has said is no amount of money.
    """
    given = lease.terms.extra.get(USER_RATE)
    return None if given is None else money(given)


class Pricing(ABC):
    """A pricing policy but for its price.

    Subclasses give :meth:`price`, and take feedback if they learn from it.
    """

    def __init__(self, context: PolicyContext) -> None:
        """Keep the site's rules and settings as ``self.context``."""
        self.context = context

    @abstractmethod
    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return what the lease costs if it takes the place of the leases ``preempted``, in billionths."""

    def quote(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Quote:
        """Return the price and whether the user's rate allows it.

        Raises:
            PolicyError: :meth:`price` returned something that is no whole number.
        """
        price = self.price(lease, preempted)
        if type(price) is not int:
            raise PolicyError(
                f"price() of the policy {type(self).__name__} returned {type(price).__name__}; expected a whole number "
                "of billionths, which haizea.policy.money.money() makes from any number"
            )
        try:
            rate = self.user_rate(lease)
        except ValueError as error:
            return Quote(price, None, False, f"{USER_RATE}: {error}")
        if rate is None:
            return Quote(price, None, True)
        limit = self.base_price(lease, rate)
        if price > limit:
            per_hour = " an hour" if lease.terms.duration is None else ""
            reason = f"priced at {money_text(price)}{per_hour}; its user pays at most {money_text(limit)}{per_hour}"
            return Quote(price, limit, False, reason)
        return Quote(price, limit, True)

    def feedback(self, lease: LeaseView, accepted: bool, /) -> None:  # noqa: B027 - most policies learn nothing
        """Learn nothing."""

    def base_price(self, lease: LeaseView, rate: Money, /) -> Money:
        """Return what the lease costs at a rate, without any surcharge."""
        return price_at(lease, rate)

    def surcharge(self, preempted: Sequence[LeaseView], rate: Money, /) -> Money:
        """Return what suspending and resuming the preempted leases costs at a rate; nothing for those that cannot."""
        spent = sum(
            lease.terms.node_count * (lease.suspend_time + lease.resume_time)
            for lease in preempted
            if self.context.suspends(lease)
        )
        return share(rate, spent, HOUR)

    def user_rate(self, lease: LeaseView, /) -> Money | None:
        """Return the highest rate the lease's user would pay, None where it has said none.

        Raises:
            ValueError: what it has said is no amount of money.
        """
        return user_rate(lease)

    def amount(self, name: str, default: Money | None = None, /) -> Money:
        """Return an amount of money from the settings.

        Raises:
            PolicyError: it is missing and has no default, or is no amount of money.
        """
        given = self.context.settings.get(name)
        if given is None:
            if default is None:
                raise PolicyError(f"{name} is missing: give the price of a VM for an hour, such as 0.10")
            return default
        try:
            return money(given)
        except ValueError as error:
            raise PolicyError(f"{name}: {error}") from error


class ConstantRate(Pricing):
    """The same rate for all: the setting ``rate``, plus the surcharge for preemption."""

    def __init__(self, context: PolicyContext) -> None:
        """Take the setting ``rate``.

        Raises:
            PolicyError: the rate is missing or no amount of money.
        """
        super().__init__(context)
        self._rate = self.amount("rate")

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return the price at the site's rate, with the surcharge."""
        return self.base_price(lease, self._rate) + self.surcharge(preempted, self._rate)


class RandomRate(Pricing):
    """A rate drawn evenly between ``min-rate`` and ``max-rate`` for each lease, plus the surcharge at that rate.

    The draw follows from the seed and the lease's number alone, so that asking again, or asking in another order,
    gives the same price. The seed is the setting ``seed``, or the run's.
    """

    def __init__(self, context: PolicyContext) -> None:
        """Take the settings ``min-rate``, ``max-rate`` and ``seed``.

        Raises:
            PolicyError: a rate is missing, no amount of money, or the lowest is above the highest.
        """
        super().__init__(context)
        self._lowest, self._highest = self.amount("min-rate"), self.amount("max-rate")
        if self._lowest > self._highest:
            raise PolicyError(f"min-rate {money_text(self._lowest)} is above max-rate {money_text(self._highest)}")
        seed = context.settings.get("seed")
        if seed is not None and not isinstance(seed, int):
            raise PolicyError(f"seed: expected a whole number, not a {type(seed).__name__}")
        self._seed = context.seed if seed is None else seed

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return the price at the rate drawn for this lease, with the surcharge."""
        drawn = _mixed(_mixed(self._seed) ^ lease.id)
        rate = self._lowest + (drawn * (self._highest - self._lowest + 1) >> 64)
        return self.base_price(lease, rate) + self.surcharge(preempted, rate)


class MaximumRate(Pricing):
    """The highest rate that the lease's user would pay; the setting ``rate`` (or 0) where it has said none.

    Nobody is surcharged, because nobody would pay it. This is the bound that other policies are measured against.
    """

    def __init__(self, context: PolicyContext) -> None:
        """Take the setting ``rate``, if it is given.

        Raises:
            PolicyError: the rate is no amount of money.
        """
        super().__init__(context)
        self._rate = self.amount("rate", 0)

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return the price at the user's rate."""
        try:
            rate = self.user_rate(lease)
        except ValueError:
            # The quote refuses such a lease, and says why; here it only needs a price.
            rate = None
        return self.base_price(lease, self._rate if rate is None else rate)


class _Bounds:
    """What one user has shown of the rate it would pay: the highest accepted, the lowest rejected, an estimate."""

    __slots__ = ("accepted", "estimate", "rejected", "settled")

    def __init__(self) -> None:
        self.accepted: Money | None = None
        self.rejected: Money | None = None
        self.estimate: Money = 0
        self.settled = False

    def learn(self, rate: Money, accepted: bool) -> None:
        """Narrow the bounds by one answer and, until the user's rate is found, estimate anew."""
        if not accepted:
            self.rejected = rate if self.rejected is None else min(rate, self.rejected)
        elif self.accepted is None:
            self.accepted = rate
        elif self.rejected is None:
            self.accepted = max(rate, self.accepted)
        else:
            self.settled = True
        if self.settled:
            return
        if self.rejected is None:
            self.estimate = min(share(rate if self.accepted is None else self.accepted, 3, 2), MONEY_MAX)
        elif self.accepted is None:
            self.estimate = share(self.rejected, 1, 2)
        else:
            self.estimate = share(self.accepted + self.rejected, 1, 2)


class AdaptiveRate(Pricing):
    """A rate that follows what users accept and reject, plus the surcharge for preemption.

    It begins at the setting ``rate``. For each user the rate it would pay is estimated: one and a half times the
    highest rate accepted while none was rejected, half of the lowest rejected while none was accepted, afterwards
    the middle between the two, until that is accepted too. The rate is then the median of the estimates of all
    users (the upper one of two). Leases that say nothing about what their user would pay teach nothing, since they
    accept any price. A rate of 0 stays 0, because everybody accepts it.
    """

    def __init__(self, context: PolicyContext) -> None:
        """Take the setting ``rate``.

        Raises:
            PolicyError: the rate is missing, no amount of money, or 0.
        """
        super().__init__(context)
        self._rate = self.amount("rate")
        if not self._rate:
            raise PolicyError("rate: the rate that adapts must begin above 0, because it is changed by factors")
        self._users: dict[str, _Bounds] = {}
        self._estimates: list[Money] = []

    @property
    def rate(self) -> Money:
        """The rate at which the next lease is priced."""
        return self._rate

    def remember(self) -> list[object]:
        """Return the rate and what each user has shown, as a tree of what JSON has."""
        users = {name: [u.accepted, u.rejected, u.estimate, u.settled] for name, u in self._users.items()}
        return [self._rate, users]

    def recall(self, remembered: Any, /) -> None:
        """Take back the rate and what each user has shown."""
        self._rate, users = remembered
        for name, (accepted, rejected, estimate, settled) in users.items():
            user = self._users[name] = _Bounds()
            user.accepted, user.rejected, user.estimate, user.settled = accepted, rejected, estimate, settled
        self._estimates = sorted([user.estimate for user in self._users.values()])

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return the price at the present rate, with the surcharge."""
        return self.base_price(lease, self._rate) + self.surcharge(preempted, self._rate)

    def feedback(self, lease: LeaseView, accepted: bool, /) -> None:
        """Estimate what the lease's user would pay, and set the rate anew."""
        try:
            stated = self.user_rate(lease) is not None
        except ValueError:
            stated = False
        if not stated:
            return
        user = self._users.get(lease.terms.user)
        if user is None:
            user = self._users[lease.terms.user] = _Bounds()
        else:
            del self._estimates[bisect_left(self._estimates, user.estimate)]
        user.learn(self._rate, accepted)
        insort(self._estimates, user.estimate)
        self._rate = self._estimates[len(self._estimates) // 2]


def _mixed(number: int) -> int:
    """Return 64 bits that look random and follow from a number: SplitMix64 (Steele, Lea, Flood 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _WORD
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _WORD
    return number ^ (number >> 31)
