"""OpenNebula behind the port that all platforms stand behind.

One thread looks at OpenNebula every few seconds, and after each look tells what changed by itself and does what is to
be done next for each VM of a command in hand. Commands are only put into a queue, whatever OpenNebula is doing.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.backends.opennebula.belonging import ADOPTED, COMMAND, LEASE, VM, Belonging, demand_of
from haizea.backends.opennebula.client import Client, OneError, OneUnreachable
from haizea.backends.opennebula.errands import Errand, Errands, Key, Task
from haizea.backends.opennebula.hands import Hands
from haizea.backends.opennebula.operations import Aim, Call, Done, Failed, Goal, Rules, Wait, next_step
from haizea.backends.opennebula.polling import INTERVAL_S, Polling, Publisher
from haizea.backends.opennebula.pools import Machine, Server, machine, machines, people, person, servers
from haizea.backends.opennebula.sightings import Sightings
from haizea.backends.opennebula.site import Numbers
from haizea.backends.opennebula.states import DONE, host_of, look, observed
from haizea.model.events import Observed
from haizea.model.lease import LeaseTerms
from haizea.runtime.ports import HostSeen, PlatformUnavailable, Report, Said, Seen, Shown, Stranger, Terms
from haizea.runtime.rows import CommandRow

NO_OWNERS: Final[Mapping[str, str]] = MappingProxyType({})


class Setup(NamedTuple):
    """How an OpenNebula is used.

    ``owners`` are users of leases by OpenNebula's users, where names differ. ``template`` is the number of the template
    that VMs of leases are made of that name none. ``by_cores``: VCPU says how much CPU a VM has, not CPU. ``publisher``
    is the address of the event publisher, empty where it is not listened to.
    """

    rules: Rules = Rules()
    interval_s: float = INTERVAL_S
    owners: Mapping[str, str] = NO_OWNERS
    template: str = ""
    by_cores: bool = False
    publisher: str = ""


WAIT_S: Final = 3.0
"""So long one who asks waits for a look that is recent enough."""

WORK_S: Final = 1.0
"""So long calls are made between two looks at most."""

OLD_S: Final = 10.0


class Snapshot(NamedTuple):
    """What OpenNebula has shown at ``at`` (monotonic seconds); ``leases`` are the VMs of leases."""

    at: float
    vms: Mapping[int, Machine]
    leases: Mapping[Key, Machine]
    servers: tuple[Server, ...]


class View(NamedTuple):
    """A look at OpenNebula, and what commands in hand are to make of VMs."""

    snapshot: Snapshot
    aims: Mapping[Key, Aim]


_GOALS: Final = {
    "start": Goal.START,
    "resume": Goal.RESUME,
    "unpause": Goal.RESUME,
    "suspend": Goal.SUSPEND,
    "pause": Goal.PAUSE,
    "migrate": Goal.MOVE,
    "shut-down": Goal.END,
    "destroy": Goal.REMOVE,
}


class OpenNebulaPlatform:
    """Runs the VMs of leases on OpenNebula."""

    def __init__(
        self,
        client: Client,
        hosts: Sequence[str],
        terms: Terms,
        setup: Setup = Setup(),  # noqa: B008  a tuple of constants
        *,
        over: Callable[[int], bool] = lambda _lease: False,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """``hosts`` are the site's hosts by name, in order.

        ``over`` says whether a lease has ended for good: VMs of one that has not are not thrown away, but made anew
        and kept on hold. ``warn`` tells an operator something.
        """
        self._client = client
        self._setup = setup
        self._over = over
        self._warn = warn
        self._terms = terms
        self._changed = threading.Condition()
        self._numbers = Numbers(tuple(hosts))
        self._belonging = Belonging(self._looked_up, client.user, dict(setup.owners))
        self._hands = Hands(client, setup.template)
        self._tell: Callable[[Said], None] = lambda _said: None
        self._errands = Errands(self._report)
        self._sightings = Sightings(self._numbers, self._gone, self._name)
        self._outbox: list[Said] = []
        self._view: View | None = None
        self._problem = "it has not been looked at yet"
        self._ours: int | None = None
        self._users: dict[int, str] = {}
        self._waiting: list[CommandRow] = []
        self._polling = Polling(self._look, self._trouble, setup.interval_s)
        self._publisher = Publisher(setup.publisher, self._polling.wake) if setup.publisher else None

    # The port ------------------------------------------------------------------------------------------------

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin to look, to work and to tell."""
        self._tell = tell
        self._polling.start()
        if self._publisher is not None:
            self._publisher.start()

    def stop(self) -> None:
        """Let go; VMs run on, and what was not done yet is done by whoever comes next."""
        if self._publisher is not None:
            self._publisher.stop()
        self._polling.stop()
        self._tell = lambda _said: None

    def submit(self, command: CommandRow, /) -> None:
        """Put a command into the queue."""
        with self._changed:
            self._waiting.append(command)
        self._polling.wake()

    def observe(self) -> Shown[Seen]:
        """Return all VMs of leases, as they are, or as commands in hand are about to make them.

        OpenNebula tells of VMs on hosts that it cannot look at too, as unknown: no host is ever away.
        """
        snapshot, aims = self._seen()
        found = []
        for key, vm in sorted(snapshot.leases.items()):
            seen = self._as_it_will_be(key, vm, aims[key]) if key in aims else self._as_it_is(key, vm)
            if seen is not None:
                found.append(seen)
        for key, aim in sorted(aims.items()):
            if key not in snapshot.leases and aim.goal is Goal.START:
                found.append(Seen(*key, Observed.RUNNING, self._numbers.ours(aim.host)))
        return Shown(found)

    def hosts(self) -> list[HostSeen]:
        """Return all hosts of the site."""
        return self._numbers.seen(self._seen().snapshot.servers)

    def strangers(self) -> Shown[Stranger]:
        """Return the VMs that are no lease's and hold capacity, by number: suspended ones keep theirs."""
        snapshot = self._seen().snapshot
        ours = {vm.id for vm in snapshot.leases.values()}
        found = []
        for vm in snapshot.vms.values():
            host = self._numbers.ours(host_of(vm))
            if vm.id not in ours and host is not None:
                demand = demand_of(vm, by_cores=self._setup.by_cores)
                labels = {"name": vm.name, "owner": vm.owner, "group": vm.group, **vm.said}
                found.append(Stranger(str(vm.id), host, demand, labels))
        return Shown(found)

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a VM, by its number in OpenNebula, to be a lease's from now on."""
        snapshot = self._seen().snapshot
        found = snapshot.vms.get(int(name)) if name.isdigit() and len(name) < 10 else None
        if found is None or found.id in {each.id for each in snapshot.leases.values()}:
            raise LookupError(f"OpenNebula has no VM {name[:32]} that is no lease's")
        try:
            self._hands.annotate(found.id, {LEASE: str(lease), VM: str(vm), COMMAND: "0", ADOPTED: "yes"})
        except (OneError, OneUnreachable) as problem:
            raise PlatformUnavailable(str(problem)) from problem
        self._polling.wake()

    # For those who find requests -----------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return what OpenNebula shows.

        Raises:
            PlatformUnavailable: it shows nothing.
        """
        return self._seen(fresh=False).snapshot

    def busy_with(self, key: Key) -> bool:
        """Whether a command about a VM of a lease is in hand."""
        return key in self._seen(fresh=False).aims

    def wake(self) -> None:
        """Look soon."""
        self._polling.wake()

    def owner(self, vm: Machine) -> str:
        """Return which user of leases a VM's owner is."""
        return self._belonging.owner(vm)

    # Looking -------------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Look, tell what changed by itself, and do what is next; return whether something is in hand."""
        with self._changed:
            waiting = list(self._waiting)
        snapshot = self._poll([(row.lease, vm) for row in waiting for vm in _numbers_of(row)])
        self._take_commands(waiting, snapshot)
        self._outbox += self._sightings.changes(snapshot.leases, snapshot.servers, self._my_number(), self._errands)
        # What is still to be done is known before it is: whoever asks need not wait for it.
        aims = {key: errand.aim for key, errand in self._errands.newest()}
        with self._changed:
            self._view = View(snapshot, aims)
            del self._waiting[: len(waiting)]
            self._changed.notify_all()
        try:
            called = self._work(snapshot)
        finally:
            said, self._outbox = self._outbox, []
            for each in said:
                self._tell(each)
        return called or len(self._errands) > 0

    def _poll(self, waiting: Sequence[Key]) -> Snapshot:
        begun = time.monotonic()
        # Hosts first: a VM is never on one that is not known yet.
        found_servers = servers(self._client.hosts())
        found = machines(self._client.vms())
        self._numbers.update(found_servers)
        index = self._belonging.index(found, [*self._errands, *waiting])
        return Snapshot(begun, {vm.id: vm for vm in found}, index, tuple(found_servers))

    def _seen(self, *, fresh: bool = True) -> "View":
        """Return a look that was begun just now, or with ``fresh`` off a recent one; with what commands make of it."""
        asked = time.monotonic()
        oldest = asked if fresh else asked - max(OLD_S, 3 * self._setup.interval_s)
        with self._changed:
            if self._view is None or self._view.snapshot.at < oldest:
                self._polling.wake()
            recent = self._changed.wait_for(lambda: self._view is not None and self._view.snapshot.at >= oldest, WAIT_S)
            view, waiting = self._view, list(self._waiting)
        if view is None or not recent:
            raise PlatformUnavailable(f"OpenNebula cannot be looked at: {self._problem}")
        aims = dict(view.aims)
        for row in waiting:
            aims.update(self._aims(row, view.snapshot))
        return View(view.snapshot, aims)

    def _my_number(self) -> int:
        if self._ours is None:
            self._ours = person(self._client.myself()).id
        return self._ours

    def _name(self, user: int) -> str:
        """Return a user's name, as OpenNebula has it."""
        if user not in self._users:
            self._users = {each.id: each.name for each in people(self._client.users())}
        return self._users.get(user, f"user {user}")

    def _gone(self, number: int) -> Machine | None:
        """Return a VM that the pool does not show any more; None where there is no trace of it."""
        try:
            return machine(self._client.vm(number))
        except OneError:
            return None

    def _trouble(self, problem: Exception | None) -> None:
        self._problem = str(problem)
        if problem is None:
            self._warn("OpenNebula answers again")
        else:
            self._warn(f"OpenNebula cannot be looked at, and is tried again: {problem}")

    def _looked_up(self, lease: int) -> LeaseTerms | None:
        try:
            return self._terms(lease)
        except Exception as problem:
            # The store may be out of reach, which is told elsewhere; such a lease is over, or it would be at hand.
            self._warn(f"lease {lease} cannot be looked up: {problem}")
            return None

    # Saying what is ------------------------------------------------------------------------------------------

    def _as_it_is(self, key: Key, vm: Machine) -> Seen | None:
        state = observed(vm, self._my_number())
        return None if state is None else Seen(*key, state, self._numbers.ours(host_of(vm)))

    def _as_it_will_be(self, key: Key, vm: Machine, aim: Aim) -> Seen | None:
        goal = aim.goal
        if goal in (Goal.END, Goal.REMOVE, Goal.REMAKE):
            return None
        host = self._numbers.ours(aim.host if aim.host is not None else host_of(vm))
        if goal in (Goal.START, Goal.RESUME):
            return Seen(*key, Observed.RUNNING, host)
        if goal is Goal.MOVE:
            state = observed(vm, self._my_number())
            return None if state is None else Seen(*key, state, host)
        return Seen(*key, Observed.PAUSED if goal is Goal.PAUSE else Observed.SUSPENDED, host)

    def _report(self, report: Report) -> None:
        self._outbox.append(report)

    # Doing ---------------------------------------------------------------------------------------------------

    def _take_commands(self, waiting: Sequence[CommandRow], snapshot: Snapshot) -> None:
        now = time.monotonic()
        for row in waiting:
            try:
                self._errands.take(row, self._tasks(row, snapshot), now)
            except LookupError as problem:
                self._errands.refuse(row, str(problem))

    def _aims(self, row: CommandRow, snapshot: Snapshot) -> dict[Key, Aim]:
        try:
            return {task.key: task.aim for task in self._tasks(row, snapshot)}
        except LookupError:
            # It will be refused, and change nothing.
            return {}

    def _tasks(self, row: CommandRow, snapshot: Snapshot) -> list[Task]:
        """Return what a command makes of which VM; nothing where it is about images, which OpenNebula brings along.

        Raises:
            LookupError: a host is not there.
        """
        goal = _GOALS.get(row.verb)
        if goal is None:
            return []
        if goal is Goal.REMOVE and not self._is_over(row.lease) and self._came_from_opennebula(row.lease):
            goal = Goal.REMAKE
        if goal in (Goal.REMOVE, Goal.REMAKE) and not row.vms:
            keys = [key for key in snapshot.leases if key[0] == row.lease]
            keys += [key for key in self._errands if key[0] == row.lease and key not in snapshot.leases]
            return [Task(key, Aim(goal)) for key in sorted(set(keys))]
        tasks = []
        for place, vm in enumerate(_numbers_of(row)):
            host: int | None = None
            if goal in (Goal.START, Goal.RESUME, Goal.MOVE):
                host = self._host_for(row, place, vm)
            tasks.append(Task((row.lease, vm), Aim(goal, host)))
        return tasks

    def _host_for(self, row: CommandRow, place: int, vm: int) -> int:
        """Return OpenNebula's number of the host that a VM is to be on.

        Raises:
            LookupError: OpenNebula has none of that name.
        """
        number = row.hosts[place] if len(row.hosts) == len(row.vms) else row.hosts[vm - 1]
        theirs = self._numbers.theirs(number)
        if theirs is None:
            raise LookupError(f"OpenNebula has no host of the name that Haizea's host {number} has")
        return theirs

    def _is_over(self, lease: int) -> bool:
        try:
            return self._over(lease)
        except Exception as problem:
            # What is not known is not thrown away.
            self._warn(f"whether lease {lease} is over cannot be looked up, its VMs are kept: {problem}")
            return False

    def _came_from_opennebula(self, lease: int) -> bool:
        wanted = self._belonging.wanted(lease)
        return wanted is not None and bool(wanted.vms)

    def _work(self, snapshot: Snapshot) -> bool:
        """Do what is next for every VM of a command; return whether OpenNebula was told anything."""
        called, until = False, time.monotonic() + WORK_S
        acted: list[tuple[Errand, Machine | None]] = []
        for errand in self._errands.at_hand():
            now = time.monotonic()
            if now > until:
                break
            vm = snapshot.leases.get(errand.key)
            if vm is not None and not errand.stamped and self._hands.overtaken(vm, errand):
                self._finish(errand, vm, "")
                continue
            if vm is not None:
                record = -1 if vm.record is None else vm.record.number
                errand.seen(vm.state, vm.lcm, record, not look(vm).settled, now)
            step = next_step(errand.aim, vm, errand.past, now, self._setup.rules)
            if isinstance(step, Done):
                self._finish(errand, vm, "")
            elif isinstance(step, Failed):
                self._finish(errand, vm, step.why)
            elif not isinstance(step, Wait):
                called = True
                self._call(errand, vm, step)
                acted.append((errand, vm))
        # What has to be in time comes first: writing takes oned as long as doing.
        for errand, vm in acted:
            if vm is not None and not errand.stamped and errand.aim.goal not in (Goal.END, Goal.REMOVE):
                self._stamp(errand, vm)
        return called

    def _stamp(self, errand: Errand, vm: Machine) -> None:
        try:
            self._hands.stamp(vm, errand)
        except OneError as problem:
            # It may be gone by now, or locked; the next call about it tries again.
            self._warn(f"VM {vm.id} of OpenNebula cannot be written on: {problem.message}")

    def _call(self, errand: Errand, vm: Machine | None, call: Call) -> None:
        try:
            self._hands.do(call, errand, vm, self._belonging.wanted(errand.key[0]))
        except LookupError as problem:
            self._finish(errand, vm, str(problem))
        except OneError as problem:
            if not self._hands.may_be_tried_again(problem):
                self._finish(errand, vm, problem.message)
                return
            errand.refused(problem.message, time.monotonic())
            if call is Call.MIGRATE_LIVE:
                errand.past = errand.past._replace(calls=(*errand.past.calls, call))
        else:
            errand.called(call, time.monotonic())

    def _finish(self, errand: Errand, vm: Machine | None, why: str) -> None:
        now = time.monotonic()
        if why:
            self._sightings.forget(errand.key)
            self._errands.failed(errand, why, now)
            return
        state = None if vm is None or vm.state == DONE else observed(vm, self._my_number())
        self._sightings.expected(errand.key, vm, state)
        self._errands.done(errand, now)


def _numbers_of(row: CommandRow) -> Sequence[int]:
    return row.vms or range(1, len(row.hosts) + 1)
