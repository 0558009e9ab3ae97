"""Orders that were refused are kept in the journal, in bounded space."""

from collections.abc import Callable
from typing import Any

import pytest

from haizea.runtime.changes import Change
from haizea.runtime.rows import Entry
from haizea.service.errors import Conflict, Invalid, ServiceError, Unavailable
from haizea.service.journal import may_read
from haizea.service.principal import Principal
from haizea.service.refusals import BURST, BURST_ALL, PER_MINUTE, Attempt, Refusals
from tests.service.fakes import ADMIN, ANNA, BOB, OPERATOR, VIEWER, Clock, world

OVER = Conflict("lease 7 is over", code="lease-over")


class Desk:
    """Refuses whatever is wanted."""

    def __init__(self) -> None:
        self.world = world()
        self.seconds = Clock(0)
        self.refusals = Refusals(self.change, clock=self.seconds)
        self.reachable = True

    def change(self, job: Callable[[Change], None]) -> None:
        """Have a job done, where the store can be written."""
        if not self.reachable:
            raise Unavailable("the store is out of reach")
        self.world.writer.change(job)

    def refuse(self, who: Principal, attempt: Attempt, error: ServiceError = OVER) -> None:
        """Refuse an order."""
        with pytest.raises(type(error)) as raised, self.refusals.kept(who, attempt):
            raise error
        assert raised.value is error

    @property
    def entries(self) -> list[Any]:
        """What is in the journal."""
        return self.world.writer.notes


def test_a_refusal_says_who_wanted_what_and_why_not() -> None:
    """The entry has the user, the verb, what it was about, the reason given, and the one it was refused for."""
    desk = Desk()
    desk.refuse(ANNA, Attempt("lease.extend", "one more day", lease=7))
    desk.refuse(OPERATOR, Attempt("host.drain", host="h9"), Invalid("until: that is past", field="until"))
    lease, host = desk.entries
    assert (lease.kind, lease.actor) == ("order-refused", "anna")
    assert lease.text == "anna wanted to give a lease more time (lease 7): one more day; refused: lease 7 is over"
    assert lease.data == {"verb": "lease.extend", "code": "lease-over", "reason": "one more day"}
    assert host.text == "olga wanted to let a host run empty (host h9); refused: until: that is past"


def test_what_is_carried_out_tried_or_out_of_reach_is_no_refusal() -> None:
    """Nothing is kept of an order that was taken, of a dry run, and where nobody has decided against it."""
    desk = Desk()
    with desk.refusals.kept(ANNA, Attempt("lease.cancel", lease=7)):
        pass
    desk.refuse(ANNA, Attempt("lease.cancel", lease=7, tried=True))
    desk.refuse(ANNA, Attempt("lease.cancel", lease=7), Unavailable("the store is out of reach"))
    assert desk.entries == []


def test_who_is_refused_again_and_again_does_not_fill_the_journal() -> None:
    """Of one user so many are written and then so many a minute; how many were not is written with the next."""
    desk = Desk()
    for _ in range(BURST + 50):
        desk.refuse(ANNA, Attempt("lease.cancel", lease=7))
    assert len(desk.entries) == BURST
    desk.refuse(BOB, Attempt("lease.cancel", lease=7))
    assert [note.actor for note in desk.entries].count("bob") == 1
    desk.seconds.now = 60
    for _ in range(10):
        desk.refuse(ANNA, Attempt("lease.cancel", lease=7))
    later = desk.entries[BURST + 1 :]
    assert len(later) == PER_MINUTE
    assert [note.data.get("left_out") for note in later] == [50, None]


def test_many_who_are_refused_do_not_fill_it_either() -> None:
    """There is a limit over all users, too."""
    desk = Desk()
    for number in range(2 * BURST_ALL):
        desk.refuse(ANNA._replace(user=f"user{number}"), Attempt("lease.cancel", lease=7))
    assert len(desk.entries) == BURST_ALL


def test_an_entry_is_of_limited_size() -> None:
    """However much is sent, an entry has only the beginning of it."""
    desk = Desk()
    desk.refuse(ANNA, Attempt("host.drain", "x" * 100_000, host="h" * 100_000), Invalid("y" * 100_000))
    assert len(desk.entries[0].text) < 3_000


def test_a_refusal_is_answered_although_it_cannot_be_kept() -> None:
    """Where the store is out of reach, the refusal is the answer, and the next entry counts it."""
    desk = Desk()
    desk.reachable = False
    desk.refuse(ANNA, Attempt("lease.cancel", lease=7))
    desk.reachable = True
    desk.refuse(ANNA, Attempt("lease.cancel", lease=8))
    assert [note.data["left_out"] for note in desk.entries] == [1]


def test_what_was_refused_is_read_by_operators_and_whom_it_was_refused() -> None:
    """A refusal may tell what somebody's quota is, so others do not read it."""
    entry = Entry(1, 0, "order-refused", None, None, "anna", "", {})
    readers = [who.user for who in (VIEWER, ANNA, BOB, OPERATOR, ADMIN) if may_read(who, entry)]
    assert readers == ["anna", "olga", "adam"]
