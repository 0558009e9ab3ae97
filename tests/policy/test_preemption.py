"""Which leases the built-in preemption policies give away, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.units import DAY, FAR_FUTURE, HOUR, MINUTE, SECOND
from haizea.policy.protocols import PolicyContext
from haizea.policy.registry import resolve
from tests.policy.fakes import SeenLease, best_effort, deadline_lease, immediate, reservation, vms

NAMES = ["no-preemption", "ar-preempts-besteffort", "ar-preempts-everything", "deadline"]
AR = reservation()
SUSPENDING = PolicyContext(suspension=True)
RIGID = PolicyContext(suspension=False)


def score(
    name: str, preemptor: SeenLease, victim: SeenLease, at: int = HOUR, site: PolicyContext = SUSPENDING
) -> int | None:
    """Ask a built-in policy."""
    return resolve("preemption", name, site).score(preemptor, victim, at)


def takes(name: str, preemptor: SeenLease) -> list[str]:
    """Return the types of preemptible lease that a policy gives away for a preemptor; all could easily wait."""
    victims = [best_effort(), immediate(), reservation(0, 7), deadline_lease(0, HOUR, 50 * HOUR)]
    return [victim.type.value for victim in victims if score(name, preemptor, victim) is not None]


def test_without_preemption_nothing_is_given_away() -> None:
    """With no-preemption a reservation gets only what is free."""
    assert takes("no-preemption", AR) == []


def test_a_reservation_preempts_best_effort() -> None:
    """With ar-preempts-besteffort only best-effort leases give way, and only to reservations."""
    assert takes("ar-preempts-besteffort", AR) == ["best-effort"]
    assert takes("ar-preempts-besteffort", deadline_lease(HOUR, HOUR, 2 * HOUR)) == []


def test_a_reservation_preempts_everything_that_was_promised_nothing() -> None:
    """With ar-preempts-everything immediate leases give way too; what was accepted with a promise does not."""
    assert takes("ar-preempts-everything", AR) == ["best-effort", "immediate"]
    assert takes("ar-preempts-everything", deadline_lease(HOUR, HOUR, 2 * HOUR)) == []


def test_what_must_be_in_time_preempts_what_can_wait() -> None:
    """With deadline, reservations and deadline leases preempt all but reservations."""
    can_wait = ["best-effort", "immediate", "deadline"]
    assert takes("deadline", AR) == can_wait
    assert takes("deadline", deadline_lease(HOUR, HOUR, 2 * HOUR)) == can_wait


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preemptor", [best_effort(9), immediate(9)], ids=["best-effort", "immediate"])
def test_what_can_wait_preempts_nothing(name: str, preemptor: SeenLease) -> None:
    """No built-in policy lets a best-effort or immediate lease preempt."""
    assert takes(name, preemptor) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "victim",
    [
        best_effort(preemptible=False),
        immediate(preemptible=False),
        deadline_lease(0, HOUR, 50 * HOUR, preemptible=False),
    ],
    ids=["best-effort", "immediate", "deadline"],
)
def test_a_lease_that_is_not_preemptible_stays(name: str, victim: SeenLease) -> None:
    """No built-in policy gives away a lease whose owner did not allow it."""
    assert score(name, AR, victim) is None


@pytest.mark.parametrize("name", ["ar-preempts-besteffort", "ar-preempts-everything", "deadline"])
@given(ages=st.lists(st.integers(0, 400 * DAY), min_size=2, max_size=5, unique=True))
def test_the_oldest_goes_first_however_old(name: str, ages: list[int]) -> None:
    """Scores grow with age, past the seven days after which Haizea 1.x spared a lease."""
    now = 500 * DAY
    scores = [score(name, AR, best_effort(submitted=now - age), now) for age in sorted(ages)]
    known = [points for points in scores if points is not None]
    assert len(known) == len(ages)
    assert known == sorted(set(known))


def test_a_running_deadline_lease_with_slack_gives_way() -> None:
    """Half done at 1:00, out of the way for 30 minutes and two operations of 32 s, it ends at 2:01:04, before 2:15."""
    victim = deadline_lease(30 * MINUTE, HOUR, 2 * HOUR + 15 * MINUTE, runs_from=30 * MINUTE)
    preemptor = deadline_lease(HOUR, 30 * MINUTE, HOUR + 30 * MINUTE, 5)
    assert score("deadline", preemptor, victim, HOUR) == 14 * MINUTE - 4 * SECOND


def test_without_suspension_the_whole_duration_counts() -> None:
    """The same lease, started over at 1:30, would end at 2:30, after its deadline at 2:15: it stays."""
    victim = deadline_lease(30 * MINUTE, HOUR, 2 * HOUR + 15 * MINUTE, runs_from=30 * MINUTE)
    preemptor = deadline_lease(HOUR, 30 * MINUTE, HOUR + 30 * MINUTE, 5)
    assert score("deadline", preemptor, victim, HOUR, RIGID) is None


def test_with_serial_only_a_lease_of_several_vms_starts_over() -> None:
    """Where only single VMs may be suspended, a lease of two counts with its whole duration, one of one does not."""
    site = PolicyContext(suspension=True, serial_only=True)
    one = deadline_lease(30 * MINUTE, HOUR, 2 * HOUR + 15 * MINUTE, runs_from=30 * MINUTE)
    two = one._replace(terms=one.terms._replace(nodes=vms(2)))
    preemptor = reservation(HOUR, duration=30 * MINUTE)
    assert score("deadline", preemptor, one, HOUR, site) is not None
    assert score("deadline", preemptor, two, HOUR, site) is None


def test_a_lease_that_has_not_begun_is_only_moved() -> None:
    """Nothing of it is delivered by then, so it needs no suspension: with exactly enough time it can still wait."""
    preemptor = reservation(HOUR, duration=30 * MINUTE)
    assert score("deadline", preemptor, deadline_lease(HOUR, HOUR, 150 * MINUTE), HOUR) == 0
    assert score("deadline", preemptor, deadline_lease(HOUR, HOUR, 150 * MINUTE - 1), HOUR) is None


def test_a_suspended_preemptor_takes_its_resumption_too() -> None:
    """A deadline lease that comes back holds its place for the rest of its duration and for being resumed."""
    preemptor = deadline_lease(HOUR, HOUR, 9 * HOUR, 5, delivered=30 * MINUTE)
    assert score("deadline", preemptor, deadline_lease(HOUR, HOUR, 3 * HOUR), HOUR) == 30 * MINUTE - 32 * SECOND


def test_a_lease_without_end_is_never_waited_for() -> None:
    """A deadline lease would never come back after a preemptor of unlimited duration."""
    victim = deadline_lease(0, HOUR, FAR_FUTURE - 1)
    assert score("deadline", reservation(duration=None), victim) is None


@given(
    deadlines=st.lists(st.integers(3 * HOUR, 400 * DAY), min_size=1, max_size=5, unique=True),
    submitted=st.integers(0, HOUR),
)
def test_the_most_slack_goes_first_and_best_effort_before_all(deadlines: list[int], submitted: int) -> None:
    """Among deadline leases the later deadline scores higher, and any best-effort lease scores above them."""
    victims = [deadline_lease(0, HOUR, deadline) for deadline in sorted(deadlines)]
    victims.append(best_effort(submitted=submitted))
    scores = [score("deadline", AR, victim, HOUR) for victim in victims]
    known = [points for points in scores if points is not None]
    assert len(known) == len(victims)
    assert known == sorted(set(known))


@given(
    at=st.integers(0, 10 * HOUR),
    begun=st.integers(0, 10 * HOUR),
    duration=st.integers(1, 5 * HOUR),
    room=st.integers(0, 12 * HOUR),
    wait=st.integers(1, 5 * HOUR),
    suspends=st.booleans(),
)
def test_who_gives_way_can_still_be_in_time(
    at: int, begun: int, duration: int, room: int, wait: int, suspends: bool
) -> None:
    """A score is exactly the time that is left when the victim ends after its delay, and never negative."""
    victim = deadline_lease(begun, duration, begun + duration + room, runs_from=begun)
    left = victim.remaining_at(at)
    assert left is not None
    delay = wait + (64 * SECOND if suspends and left < duration else 0)
    spare = begun + duration + room - (at + delay + (left if suspends else duration))
    found = score("deadline", reservation(at, duration=wait), victim, at, SUSPENDING if suspends else RIGID)
    assert found == (spare if spare >= 0 else None)
