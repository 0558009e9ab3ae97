"""Policies that users write, watched: whatever one raises, or returns against its protocol, is told as its fault.

Only such policies are wrapped. The built-in ones are called directly, so that nothing is paid for what the project's
own tests already hold them to.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from haizea.model.lease import LeaseType
from haizea.model.units import Instant
from haizea.policy.money import Money
from haizea.policy.protocols import (
    AdmissionPolicy,
    HostOrder,
    HostSelectionPolicy,
    PolicyError,
    PreemptionPolicy,
    PricingPolicy,
    QueueOrder,
    QueuePolicy,
    Quote,
)
from haizea.policy.views import HostView, LeaseView, SiteView

SENTENCE_MAX: Final = 1000
"""Longest sentence that a policy may return, in characters."""

_SENTENCE: Final = f"a sentence of at most {SENTENCE_MAX} characters"
_ADMIT: Final = f"None to accept the request, or {_SENTENCE} that says why not"
_HOST_SCORE: Final = "a whole number, higher for a better host"
_VICTIM_SCORE: Final = "None where the lease may not be preempted, or a whole number"
_VICTIM: Final = "None for a lease that was promised its time"
_QUEUE_SCORE: Final = "a whole number, higher for a lease that comes first"
_MONEY: Final = "a whole number of billionths, which haizea.policy.money.money() makes from any number"


class _Guard:
    """What the guards of all kinds share: the policy's name in messages, and how its methods are called."""

    def __init__(self, what: str) -> None:
        self._what = what

    def _call(self, method: str, function: Callable[..., object], *arguments: object) -> object:
        """Return what a method of the policy returns.

        Raises:
            PolicyError: it raises anything.
        """
        try:
            return function(*arguments)
        except PolicyError as error:
            raise PolicyError(f"{self._what}: {error}") from error
        except (Exception, SystemExit) as error:
            raise PolicyError(f"{self._what}: {method}() failed with {told(error)}{_where(error)}") from error

    def _wrong(self, method: str, returned: object, allowed: str) -> PolicyError:
        return PolicyError(f"{self._what}: {method}() returned {_shown(returned)}; allowed: {allowed}")


class GuardedAdmission(_Guard):
    """An admission policy that a user wrote."""

    def __init__(self, what: str, policy: AdmissionPolicy) -> None:
        """Watch a policy, called ``what`` in messages."""
        super().__init__(what)
        self._admit: Callable[..., object] = policy.admit

    def admit(self, lease: LeaseView, site: SiteView, now: Instant, /) -> str | None:
        """Return what the policy answers.

        Raises:
            PolicyError: it is neither None nor a sentence.
        """
        found = self._call("admit", self._admit, lease, site, now)
        if found is None:
            return None
        if not _is_sentence(found):
            raise self._wrong("admit", found, _ADMIT)
        return str(found)


class GuardedSelection(_Guard):
    """A host selection policy that a user wrote."""

    def __init__(self, what: str, policy: HostSelectionPolicy) -> None:
        """Watch a policy, called ``what`` in messages."""
        super().__init__(what)
        self._order = policy.order
        # The planner asks for scores only where the order says so, and a policy of another order need not have any.
        self._score: Callable[..., object] = getattr(policy, "score", _no_score)

    @property
    def order(self) -> HostOrder:
        """The order that the policy named when it was made."""
        return self._order

    def score(self, host: HostView, lease: LeaseView, start: Instant, /) -> int:
        """Return the policy's score.

        Raises:
            PolicyError: it is no whole number.
        """
        found = self._call("score", self._score, host, lease, start)
        if type(found) is not int:
            raise self._wrong("score", found, _HOST_SCORE)
        return found


class GuardedPreemption(_Guard):
    """A preemption policy that a user wrote."""

    def __init__(self, what: str, policy: PreemptionPolicy) -> None:
        """Watch a policy, called ``what`` in messages."""
        super().__init__(what)
        self._score: Callable[..., object] = policy.score

    def score(self, preemptor: LeaseView, victim: LeaseView, at: Instant, /) -> int | None:
        """Return the policy's score.

        Raises:
            PolicyError: it is neither None nor a whole number, or it gives away what was promised.
        """
        found = self._call("score", self._score, preemptor, victim, at)
        if found is None:
            return None
        if type(found) is not int:
            raise self._wrong("score", found, _VICTIM_SCORE)
        promised = ""
        if victim.type is LeaseType.ADVANCE_RESERVATION:
            promised = "is an advance reservation"
        elif not victim.terms.preemptible:
            promised = "is not preemptible"
        if promised:
            raise PolicyError(
                f"{self._what}: score() returned {_shown(found)} for lease {victim.id}, which {promised}, as a victim "
                f"of lease {preemptor.id}; allowed: {_VICTIM}"
            )
        return found


class GuardedPricing(_Guard):
    """A pricing policy that a user wrote."""

    def __init__(self, what: str, policy: PricingPolicy) -> None:
        """Watch a policy, called ``what`` in messages."""
        super().__init__(what)
        self._price: Callable[..., object] = policy.price
        self._quote: Callable[..., object] = policy.quote
        self._feedback: Callable[..., object] = policy.feedback

    def price(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Money:
        """Return the policy's price.

        Raises:
            PolicyError: it is no whole number.
        """
        found = self._call("price", self._price, lease, preempted)
        if type(found) is not int:
            raise self._wrong("price", found, _MONEY)
        return found

    def quote(self, lease: LeaseView, preempted: Sequence[LeaseView], /) -> Quote:
        """Return the policy's quote.

        Raises:
            PolicyError: it is no :class:`Quote`, or what is in it is of the wrong type.
        """
        found = self._call("quote", self._quote, lease, preempted)
        if not isinstance(found, Quote):
            raise self._wrong("quote", found, "a haizea.policy.protocols.Quote")
        fields: tuple[object, ...] = found
        price, limit, accepted, reason = fields
        if type(price) is not int:
            raise self._wrong("quote", price, f"as its price {_MONEY}")
        if limit is not None and type(limit) is not int:
            raise self._wrong("quote", limit, f"as its user_limit None, or {_MONEY}")
        if type(accepted) is not bool:
            raise self._wrong("quote", accepted, "as accepted True or False")
        if not (reason is None if accepted else _is_sentence(reason)):
            allowed = "None where the quote is accepted" if accepted else f"{_SENTENCE} where it is not accepted"
            raise self._wrong("quote", reason, f"as its reason {allowed}")
        return found

    def feedback(self, lease: LeaseView, accepted: bool, /) -> None:
        """Tell the policy what the user answered."""
        self._call("feedback", self._feedback, lease, accepted)


class GuardedQueue(_Guard):
    """A queue policy that a user wrote."""

    def __init__(self, what: str, policy: QueuePolicy) -> None:
        """Watch a policy, called ``what`` in messages."""
        super().__init__(what)
        self._order = policy.order
        # A policy need only have the methods that its order asks for.
        self._score: Callable[..., object] = getattr(policy, "score", _no_score)
        self._used: Callable[..., object] = getattr(policy, "used", _no_score)

    @property
    def order(self) -> QueueOrder:
        """The order that the policy named when it was made."""
        return self._order

    def score(self, lease: LeaseView, now: Instant, /) -> int:
        """Return the policy's score.

        Raises:
            PolicyError: it is no whole number.
        """
        found = self._call("score", self._score, lease, now)
        if type(found) is not int:
            raise self._wrong("score", found, _QUEUE_SCORE)
        return found

    def used(self, lease: LeaseView, amount: int, start: Instant, end: Instant, /) -> None:
        """Tell the policy what a lease has used."""
        self._call("used", self._used, lease, amount, start, end)


class LearningQueue(GuardedQueue):
    """A queue policy that a user wrote and that has methods to remember what it has learnt."""

    def __init__(self, what: str, policy: Any) -> None:
        """Watch a policy, called ``what`` in messages."""
        super().__init__(what, policy)
        self._remember: Callable[..., object] = policy.remember
        self._recall: Callable[..., object] = policy.recall

    def remember(self) -> object:
        """Return what the policy has learnt, as a tree of what JSON has."""
        return self._call("remember", self._remember)

    def recall(self, remembered: object, /) -> None:
        """Give the policy back what it had learnt."""
        self._call("recall", self._recall, remembered)


def guarded_queue(what: str, policy: Any) -> GuardedQueue:
    """Return what watches a queue policy that a user wrote."""
    learns = callable(getattr(policy, "remember", None)) and callable(getattr(policy, "recall", None))
    return LearningQueue(what, policy) if learns else GuardedQueue(what, policy)


def told(error: BaseException) -> str:
    """Return an error's type and message on one line."""
    try:
        message = " ".join(str(error).split())[:200]
    except Exception:
        # An error of the user's own may not even be able to say what it is.
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _where(error: BaseException) -> str:
    """Return the file and line that raised an error."""
    trace = error.__traceback__
    # The first frame is the guard's own.
    trace = trace.tb_next if trace is not None else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"


def _shown(value: object) -> str:
    """Return a value as a message shows it: its type, and what it is where that is short."""
    if value is None:
        return "None"
    try:
        text = repr(value)
    except Exception:
        text = ""
    text = " ".join(text.split())
    kind = type(value).__name__
    return f"{text} (of type {kind})" if 0 < len(text) <= 60 else f"a value of type {kind}"


def _is_sentence(value: object) -> bool:
    """Whether a value is text that can be shown: not blank, not endless, and of characters that can be written."""
    if type(value) is not str or not 0 < len(value) <= SENTENCE_MAX or not value.strip():
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _no_score(host: object, lease: object, start: object) -> object:
    raise TypeError("the policy has no method score")
