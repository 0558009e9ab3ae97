"""The policies for the queue: submission, priority, and fair shares of what is used."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.units import DAY, HOUR, Instant
from haizea.policy.protocols import PolicyContext, PolicyError, QueueOrder
from haizea.policy.queue import FairShare
from haizea.policy.registry import resolve
from tests.policy.fakes import best_effort

ANN, BOB = best_effort(1, user="ann", group="physics"), best_effort(2, user="bob", group="biology")


def fair_share(**settings: Any) -> FairShare:
    """Fair shares with these settings."""
    return FairShare(PolicyContext(settings={key.replace("_", "-"): value for key, value in settings.items()}))


def test_first_come_first_served_never_asks() -> None:
    """The default leaves the order to submission, so that nothing is paid for it."""
    assert resolve("queue", "fcfs", PolicyContext()).order is QueueOrder.SUBMITTED


def test_priorities_are_scores() -> None:
    """A lease's score is the priority that was asked for."""
    policy = resolve("queue", "priority", PolicyContext())
    assert [policy.score(best_effort(priority=points), 0) for points in (-3, 0, 7)] == [-3, 0, 7]


def test_who_has_used_less_comes_first() -> None:
    """After an hour of the whole site Ann comes after Bob, who has used half of it for as long."""
    policy = fair_share()
    policy.used(ANN, 1_000_000, 0, HOUR)
    policy.used(BOB, 500_000, 0, HOUR)
    assert policy.score(ANN, HOUR) < policy.score(BOB, HOUR) < 0
    assert policy.score(best_effort(user="eve"), HOUR) == 0


def test_usage_counts_half_after_each_half_life() -> None:
    """What counted in full counts half a week later by half, with the default half-life of seven days."""
    policy = fair_share()
    policy.used(ANN, 1_000_000, 0, HOUR)
    fresh = policy.score(ANN, HOUR)
    assert policy.score(ANN, HOUR + 7 * DAY) == pytest.approx(fresh / 2, rel=1e-6)
    assert policy.score(ANN, HOUR + 14 * DAY) == pytest.approx(fresh / 4, rel=1e-6)
    assert policy.score(ANN, HOUR + 3650 * DAY) == 0


def test_a_share_is_what_usage_is_measured_by() -> None:
    """Who has three shares may use three times as much before others come first."""
    policy = fair_share(shares={"ann": 3})
    policy.used(ANN, 1_000_000, 0, 3 * HOUR)
    policy.used(BOB, 1_000_000, 2 * HOUR, 3 * HOUR)
    assert policy.score(ANN, 3 * HOUR) == pytest.approx(policy.score(BOB, 3 * HOUR), rel=0.01)


def test_groups_can_be_what_shares_are_counted_by() -> None:
    """By group, what Ann uses counts for everybody of physics."""
    policy = fair_share(by="group")
    policy.used(ANN, 1_000_000, 0, HOUR)
    assert policy.score(best_effort(user="eve", group="physics"), HOUR) < policy.score(BOB, HOUR) == 0


@given(st.lists(st.integers(1, 10 * DAY), min_size=1, max_size=8))
def test_usage_does_not_depend_on_when_it_is_told(pieces: list[Instant]) -> None:
    """A time that is told in pieces counts as much as when it is told as a whole."""
    in_pieces, at_once = fair_share(), fair_share()
    start = 0
    for piece in pieces:
        in_pieces.used(ANN, 700_000, start, start + piece)
        start += piece
    at_once.used(ANN, 700_000, 0, start)
    counted = at_once.score(ANN, start)
    assert in_pieces.score(ANN, start) == pytest.approx(counted, rel=1e-4, abs=10_000_000)
    assert 0 <= -counted <= 700_000 * start


def test_what_was_learnt_is_remembered() -> None:
    """A policy that is given what another one remembered goes on like it; one that counts otherwise begins anew."""
    old, new, other = fair_share(), fair_share(), fair_share(by="group")
    old.used(ANN, 1_000_000, 0, HOUR)
    remembered = json.loads(json.dumps(old.remember()))
    new.recall(remembered)
    other.recall(remembered)
    assert new.score(ANN, 9 * HOUR) == old.score(ANN, 9 * HOUR) < 0
    assert other.score(ANN, 9 * HOUR) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"half_life": "soon"}, "half-life: expected a text such as 7d"),
        ({"half_life": 0}, "half-life: expected"),
        ({"half_life": "9999999d"}, "half-life: expected"),
        ({"shares": {"ann": 0}}, "the share of 'ann': expected a whole number from 1 to 1000000, not '0'"),
        ({"shares": 3}, "shares: expected a table"),
        ({"default_share": True}, "default-share: expected a whole number"),
        ({"by": "name"}, "by: expected user or group, not 'name'"),
        ({"halflife": "7d"}, "there is no setting 'halflife'"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], message: str) -> None:
    """What cannot be a setting is refused before the run begins."""
    with pytest.raises(PolicyError, match=message):
        fair_share(**settings)


def test_shares_can_be_given_on_one_line() -> None:
    """Where a file knows no tables, shares are written as a text."""
    policy = fair_share(shares="ann=2, bob=1")
    policy.used(ANN, 1_000_000, 0, HOUR)
    policy.used(BOB, 1_000_000, 0, HOUR)
    assert policy.score(BOB, HOUR) < policy.score(ANN, HOUR)
