"""What is said when a policy that a user wrote raises something, or returns what its kind does not allow."""

from collections.abc import Callable
from typing import Any

import pytest

from haizea.policy.guarded import (
    SENTENCE_MAX,
    GuardedAdmission,
    GuardedPreemption,
    GuardedPricing,
    GuardedSelection,
)
from haizea.policy.protocols import HostOrder, PolicyError, Quote
from tests.policy.fakes import SITE, best_effort, deadline_lease, host, immediate, reservation

NAME = "admission policy 'mine:Odd'"


class Odd:
    """A policy whose every method answers the same, or raises it."""

    order = HostOrder.SCORED

    def __init__(self, answer: object) -> None:
        """Take the answer."""
        self.answer = answer

    def _answer(self, *_arguments: object) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    admit = score = price = quote = feedback = _answer


def asked(kind: str, answer: object) -> object:
    """Return what a guard makes of the answer of a policy of some kind."""
    policy = Odd(answer)
    calls: dict[str, Callable[[], object]] = {
        "admit": lambda: GuardedAdmission(NAME, policy).admit(best_effort(), SITE, 0),
        "host": lambda: GuardedSelection(NAME, policy).score(host(), best_effort(), 0),
        "victim": lambda: GuardedPreemption(NAME, policy).score(reservation(), best_effort(7), 0),
        "price": lambda: GuardedPricing(NAME, policy).price(best_effort(), ()),
        "quote": lambda: GuardedPricing(NAME, policy).quote(best_effort(), ()),
        "feedback": lambda: GuardedPricing(NAME, policy).feedback(best_effort(), True),
    }
    return calls[kind]()


def refused(kind: str, answer: object) -> str:
    """Return the message with which an answer is refused."""
    with pytest.raises(PolicyError) as raised:
        asked(kind, answer)
    message = str(raised.value)
    assert message.startswith(f"{NAME}: ")
    assert "\n" not in message
    return message.removeprefix(f"{NAME}: ")


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("admit", None),
        ("admit", "not on Sundays"),
        ("host", -3),
        ("victim", None),
        ("victim", 10**30),
        ("price", 0),
        ("quote", Quote(5, None, True)),
        ("quote", Quote(5, 4, False, "too dear")),
        ("feedback", None),
    ],
)
def test_what_is_allowed_is_handed_on(kind: str, answer: object) -> None:
    """A guard changes nothing in the answers of a policy that keeps to its protocol."""
    assert asked(kind, answer) == answer


@pytest.mark.parametrize(
    ("kind", "answer", "message"),
    [
        ("admit", True, "admit() returned True (of type bool); allowed: None to accept the request, or a sentence"),
        ("admit", "", "admit() returned '' (of type str); allowed: None to accept"),
        ("admit", "x" * (SENTENCE_MAX + 1), "admit() returned a value of type str; allowed: None to accept"),
        ("admit", "\udc80", "admit() returned '\\udc80' (of type str)"),
        ("host", 0.5, "score() returned 0.5 (of type float); allowed: a whole number, higher for a better host"),
        ("host", None, "score() returned None; allowed: a whole number"),
        ("victim", "high", "score() returned 'high' (of type str); allowed: None where the lease may not be preempted"),
        ("victim", True, "score() returned True (of type bool)"),
        ("price", 0.1, "price() returned 0.1 (of type float); allowed: a whole number of billionths"),
        ("quote", 7, "quote() returned 7 (of type int); allowed: a haizea.policy.protocols.Quote"),
        ("quote", (5, None, True, None), "quote() returned (5, None, True, None) (of type tuple); allowed: a haizea"),
        ("quote", Quote(0.5, None, True), "returned 0.5 (of type float); allowed: as its price a whole"),  # type: ignore[arg-type]
        ("quote", Quote(5, "4", True), "returned '4' (of type str); allowed: as its user_limit"),  # type: ignore[arg-type]
        ("quote", Quote(5, None, 1), "returned 1 (of type int); allowed: as accepted True or False"),  # type: ignore[arg-type]
        ("quote", Quote(5, 4, False), "returned None; allowed: as its reason a sentence"),
        ("quote", Quote(5, 4, True, "yes"), "returned 'yes' (of type str); allowed: as its reason None"),
    ],
)
def test_what_is_not_allowed_is_told_with_what_is(kind: str, answer: object, message: str) -> None:
    """The message names the policy, the method, what it returned and what it may return."""
    assert message in refused(kind, answer)


@pytest.mark.parametrize("kind", ["admit", "host", "victim", "price", "quote", "feedback"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ZeroDivisionError("division\nby zero"), "failed with ZeroDivisionError: division by zero"),
        (KeyError(), "failed with KeyError"),
        (SystemExit(0), "failed with SystemExit: 0"),
        (PolicyError("no rate for today"), "no rate for today"),
    ],
    ids=["an error", "one without a word", "an exit", "its own words"],
)
def test_what_a_policy_raises_is_told_as_its_fault(kind: str, error: BaseException, message: str) -> None:
    """Whatever a method raises becomes one line that names the policy, and the line that raised it."""
    told = refused(kind, error)
    assert message in told
    assert isinstance(error, PolicyError) or f"({__file__}:" in told


def test_an_interruption_is_not_the_policys_fault() -> None:
    """Who presses Ctrl-C while a policy judges still ends the run."""
    with pytest.raises(KeyboardInterrupt):
        asked("victim", KeyboardInterrupt())


def test_a_value_that_cannot_be_shown_is_told_by_its_type() -> None:
    """An object whose own description fails does not hide the message."""

    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "score() returned a value of type Mute" in refused("host", Mute())
    assert "score() failed with Silent" in refused("host", Silent())


@pytest.mark.parametrize(
    ("victim", "message"),
    [
        (reservation(0, 12), "score() returned 1 (of type int) for lease 12, which is an advance reservation, as a"),
        (best_effort(12, preemptible=False), "for lease 12, which is not preemptible, as a victim of lease 2; allowed"),
        (immediate(12, preemptible=False), "for lease 12, which is not preemptible"),
    ],
)
def test_a_promise_may_not_be_given_away(victim: Any, message: str) -> None:
    """A preemption policy that names a reservation, or a lease that is not preemptible, as a victim is refused."""
    policy = GuardedPreemption("preemption policy 'mine:Ruthless'", Odd(1))
    with pytest.raises(PolicyError, match="preemption policy 'mine:Ruthless'") as raised:
        policy.score(reservation(), victim, 0)
    assert message in str(raised.value)
    assert GuardedPreemption("", Odd(None)).score(reservation(), victim, 0) is None


def test_a_lease_with_a_deadline_may_be_a_victim() -> None:
    """A preemptible deadline lease may be named: the planner finds out whether it still ends in time."""
    assert GuardedPreemption("", Odd(3)).score(reservation(), deadline_lease(0, 60_000, 900_000), 0) == 3


def test_an_order_without_scores_needs_no_method() -> None:
    """A host selection policy that names one of the planner's orders is never asked for scores."""

    class Fullest:
        order = HostOrder.LEAST_FREE

    assert GuardedSelection("", Fullest()).order is HostOrder.LEAST_FREE  # type: ignore[arg-type]
