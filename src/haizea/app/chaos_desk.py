"""What people ask the service for in a chaos run: reservations that recur, and leases that start together.

The service of a daemon is put together around the stack of a run; it is killed and started anew with it.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from haizea.app.chaos_post import Post
from haizea.experiments.chaos.world import Killed, Violation, World
from haizea.model.lease import LeaseState
from haizea.model.resources import CPU, MEMORY
from haizea.model.site import Site
from haizea.model.units import MINUTE, SECOND, Instant
from haizea.runtime.changes import Change
from haizea.service.accounts import Accounts
from haizea.service.errors import ServiceError, Unavailable
from haizea.service.instants import iso
from haizea.service.keys import Keys
from haizea.service.ledger import Ledger
from haizea.service.live import Live
from haizea.service.lookup import Lookup
from haizea.service.models import LeaseRequestIn, NodeSetIn, RecurrenceChangeIn, RecurrenceIn, RecurrenceOut
from haizea.service.order_models import TogetherIn
from haizea.service.principal import Principal, Role
from haizea.service.recurrences import Recurrences
from haizea.service.refusals import Refusals
from haizea.service.together import Together

T = TypeVar("T")

RECUR_EVERY: Final = 5 * MINUTE
ZONES: Final = ("UTC", "Europe/Madrid", "America/New_York")
_ANN: Final = Principal("ann", Role.ADMIN)
_STATES_OVER: Final = frozenset(state.label for state in LeaseState if state.final)


class _Loop:
    """The loop of whichever daemon runs at the moment."""

    def __init__(self, world: World) -> None:
        self._world = world

    def change(self, job: Callable[[Change], T], /) -> T:
        """Have something done that may change something."""
        return self._world.live.change(job)

    def look(self, job: Callable[[Change], T], /) -> T:
        """Have something looked at."""
        return self._world.live.look(job)

    @property
    def site(self) -> Site:
        """The hosts there are at present."""
        return self._world.live.scheduler.desk.site


class ServiceDesk:
    """Carries out what the service is asked for, and has it go on as time passes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._next_look: Instant = 0
        self._groups: dict[str, tuple[int, ...]] = {}
        self.post = Post(world)
        self.renew()

    def renew(self) -> None:
        """Begin anew with a daemon that was started."""
        world = self._world
        loop, store = _Loop(world), world.store
        accounts = Accounts(Ledger(store, loop), lambda: world.now, daemon_uid=0)
        live = Live(loop, store, accounts, lambda: world.now)
        # Limits are to count the time that is pretended to pass.
        live.refusals = Refusals(live.change, clock=lambda: world.now / SECOND)
        self._live = live
        self.post.renew()
        world.live.assembly.chores += [self._book, self.post.look_ahead]
        self.recurrences = Recurrences(live)
        self.together = Together(live, Lookup(live), Keys(live), clock=lambda: world.now / SECOND)

    def _book(self, now: Instant) -> None:
        """Book what of recurring reservations has come near, as a daemon does now and then."""
        if now < self._next_look:
            return
        self._next_look = now + RECUR_EVERY
        if self.recurrences.due():
            self._world.live.assembly.inbox.put(self.recurrences.go_on, writes=True)

    def between(self) -> None:
        """Send notices."""
        self.post.send()

    def fail(self, times: int) -> bool:
        """Have the next notices not be sent at once."""
        self.post.fails = times
        return True

    # What is asked for ---------------------------------------------------------------------------------------

    def order(self, what: str, draws: Sequence[int]) -> None:
        """Have something done, and count what came of it."""
        orders = self._world.orders
        try:
            done = self._do(what, draws)
        except Killed:
            orders[f"{what}: killed over it"] += 1
            self._world.restart_killed()
        except Unavailable:
            orders[f"{what}: not kept"] += 1
        except ServiceError:
            orders[f"{what}: refused"] += 1
        else:
            orders[f"{what}: {'taken' if done else 'nothing to be done'}"] += 1

    def _do(self, what: str, draws: Sequence[int]) -> bool:
        if what == "together":
            return self._ask_together(draws)
        if what == "recurring":
            return self._ask_recurring(draws)
        there = self.recurrences.list(_ANN)
        if not there:
            return False
        one = there[draws[0] % len(there)]
        if what == "recurring-over":
            self.recurrences.remove(_ANN, one.id, reason="it was wanted")
            return True
        days = [each.local[:10] for each in one.occurrences]
        day = days[draws[1] % len(days)] if days else "2001-09-09"
        if what == "skip-occurrence":
            self.recurrences.change(_ANN, one.id, RecurrenceChangeIn(leave_out=[day]))
        else:
            self.recurrences.change(_ANN, one.id, RecurrenceChangeIn(take_in=list(one.exceptions)[:1] or [day]))
        return True

    def _ask_recurring(self, draws: Sequence[int]) -> bool:
        """A reservation for today and tomorrow, at the same hour; sometimes not for today."""
        first = _wall_clock(self._world.now + (5 + draws[0] % 90) * MINUTE)
        exceptions = [first[:10]] if draws[1] % 5 == 0 else []
        wanted = RecurrenceIn(
            lease=self._lease(draws[2:]).model_copy(update={"start": first}),
            rule="FREQ=DAILY;COUNT=2",
            zone=ZONES[draws[3] % len(ZONES)] if draws[4] % 4 == 0 else "UTC",
            exceptions=exceptions,
            all_or_none=draws[5] % 6 == 0,
        )
        self.recurrences.add(_ANN, wanted)
        return True

    def _ask_together(self, draws: Sequence[int]) -> bool:
        key = f"together-{draws[0]}"
        leases = [self._lease(draws[n:]) for n in range(1, 3 + draws[1] % 2)]
        if draws[6] % 3 == 0:
            leases[0] = leases[0].model_copy(update={"start": f"+00:{draws[7] % 50 + 10}:00"})
        found = self.together.request(_ANN, TogetherIn(leases=leases), key=key)
        numbers = tuple([each.id for each in found.leases])
        if self._groups.setdefault(key, numbers) != numbers:
            raise Violation("key", f"The key {key} led to leases {self._groups[key]}, and now to {numbers}.")
        return True

    def _lease(self, draws: Sequence[int]) -> LeaseRequestIn:
        nodes = NodeSetIn(count=1 + draws[0] % 2, resources={CPU: 100 + draws[1] % 2 * 100, MEMORY: 512})
        return LeaseRequestIn(nodes=[nodes], duration=float(300 + draws[2] % 2400))

    # What must hold ------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Check what recurs and what was to start together, when everything has come to rest.

        Raises:
            Violation: an occurrence has no lease and no reason, or one that was left out has a lease that goes on.
        """
        self.post.check()
        for each in self.recurrences.list(_ANN, ended=True):
            self._check_recurring(each)
        for numbers in self._groups.values():
            rows = [self._world.store.lease(number) for number in numbers]
            if any(row is None for row in rows):
                raise Violation("together", f"Of leases {numbers}, acknowledged together, there are not all.")

    def _check_recurring(self, one: RecurrenceOut) -> None:
        leases = [each.lease for each in one.occurrences if each.lease is not None]
        if len(set(leases)) != len(leases):
            raise Violation("recurring", f"Recurring reservation {one.id} has a lease for two occurrences: {leases}.")
        for each in one.occurrences:
            out = each.local[:10] in one.exceptions
            if each.lease is not None and self._world.store.lease(each.lease) is None:
                raise Violation("recurring", f"Lease {each.lease} of recurring reservation {one.id} is not there.")
            if out and each.lease is not None and each.state not in _STATES_OVER:
                raise Violation("recurring", f"{each.local} was left out of {one.id}, and lease {each.lease} goes on.")
            due = not one.ended and each.start > iso(self._world.now)
            if due and each.lease is None and not out and not each.reason:
                raise Violation("recurring", f"Nothing was booked for {each.local} of recurring reservation {one.id}.")


def _wall_clock(at: Instant) -> str:
    return iso(at // MINUTE * MINUTE).removesuffix("Z")
