"""What every platform must do, whatever runs the VMs behind it: one suite, a world for each.

A world is made by a fixture in :mod:`tests.backends.test_contract`; a new back end adds one there.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from haizea.model.events import Observed
from haizea.model.lease import DiskImage, LeaseTerms, NodeSet
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.site import HostState
from haizea.model.units import HOUR
from haizea.runtime.ports import HostSeen, Platform, PlatformUnavailable, Report, Said, Seen
from haizea.runtime.rows import CommandRow

WITHIN_S = 60.0


class World(ABC):
    """Something that VMs run on, which outlives the platform objects that are made for it."""

    hosts = 2
    """How many hosts there are; at least two."""

    knows = frozenset({"some", "pause", "migrate", "resume-elsewhere", "strangers", "silence"})
    """What it can do beside starting, suspending, resuming and ending VMs."""

    image: DiskImage | None = None
    """The disk image that leases start from, where VMs need one."""

    def __init__(self) -> None:
        self.leases: dict[int, LeaseTerms] = {}
        self._numbers = count(1)

    def lease(self, vms: int = 1) -> int:
        """Invent a lease of tiny VMs; return its number."""
        number = next(self._numbers)
        demand = Capacity({CPU: 100, MEMORY: 16})
        self.leases[number] = LeaseTerms((NodeSet(vms, demand),), HOUR, software=self.image)
        return number

    @abstractmethod
    def platform(self) -> Platform:
        """Return a new platform object for this world."""

    @abstractmethod
    def stranger(self) -> None:
        """Have a VM run that no lease has asked for."""

    def silence(self, host: int, *, silent: bool) -> None:
        """Have a host not answer any more, or answer again; only where the world knows "silence"."""
        raise NotImplementedError(f"host {host} cannot be {'silenced' if silent else 'heard'} here")

    def left(self) -> list[str]:
        """Return what is on the hosts although no lease is: domains, files, anything."""
        return []

    @abstractmethod
    def close(self) -> None:
        """End everything."""


class Operator:
    """Drives a platform, and hears what it tells."""

    _ids = count(1)

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.said: list[Said] = []
        self._condition = threading.Condition()
        platform.start(self._take)

    def _take(self, said: Said) -> None:
        with self._condition:
            self.said.append(said)
            self._condition.notify_all()

    def wait(self, so: Callable[[], bool], what: str = "", within_s: float = WITHIN_S) -> None:
        """Wait until something is so, looking whenever something is told, and now and then."""
        end = time.monotonic() + within_s
        while not so():
            assert time.monotonic() < end, f"not within {within_s:g} s: {what}; told: {self.said[-10:]}"
            with self._condition:
                self._condition.wait(0.05)

    def send(
        self, verb: str, lease: int, hosts: tuple[int, ...], vms: tuple[int, ...] = (), number: int = 0, grace: int = 0
    ) -> int:
        """Send a command; return its number."""
        number = number or next(self._ids)
        self.platform.submit(CommandRow(number, 0, grace, verb, lease, hosts, "sent", 1, "", vms))
        return number

    def reports(self, number: int) -> list[Report]:
        """Return what was told of a command."""
        with self._condition:
            return [one for one in self.said if isinstance(one, Report) and one.command == number]

    def do(
        self, verb: str, lease: int, hosts: tuple[int, ...], vms: tuple[int, ...] = (), number: int = 0, grace: int = 0
    ) -> Report:
        """Send a command and wait for its outcome."""
        before = len(self.reports(number)) if number else 0
        number = self.send(verb, lease, hosts, vms, number, grace)
        self.wait(lambda: len(self.reports(number)) > before, f"{verb} of lease {lease} is over")
        return self.reports(number)[-1]

    def well(self, verb: str, lease: int, hosts: tuple[int, ...], vms: tuple[int, ...] = (), grace: int = 0) -> Report:
        """Send a command that must go well."""
        report = self.do(verb, lease, hosts, vms, grace=grace)
        assert not report.error, report
        assert (report.verb, report.lease) == (verb, lease)
        return report

    def seen(self, lease: int) -> list[Seen]:
        """Return a lease's VMs as the platform shows them."""
        return [one for one in self.observed() if one.lease == lease]

    def observed(self) -> list[Seen]:
        """Return all VMs of leases; where the platform cannot be asked just now, ask again."""
        end = time.monotonic() + WITHIN_S
        while True:
            try:
                return list(self.platform.observe())
            except PlatformUnavailable:
                assert time.monotonic() < end, "the platform cannot be asked"
                time.sleep(0.1)

    def told(self, lease: int) -> list[Seen]:
        """Return what was told of a lease's VMs unasked."""
        with self._condition:
            return [one for one in self.said if isinstance(one, Seen) and one.lease == lease]

    def states(self, lease: int) -> list[tuple[int, Observed, int | None]]:
        """Return number, state and host of a lease's VMs."""
        return [(one.vm, one.observed, one.host) for one in self.seen(lease)]


@contextmanager
def operating(world: World) -> Iterator[Operator]:
    """Drive a new platform object for a world."""
    operator = Operator(world.platform())
    try:
        yield operator
    finally:
        operator.platform.stop()


RUNNING, SUSPENDED, PAUSED = Observed.RUNNING, Observed.SUSPENDED, Observed.PAUSED


class Contract:
    """The suite. Tests take the fixture ``world``."""

    def test_vms_run_where_they_are_started(self, world: World) -> None:
        """A lease's VMs run on the hosts that the command names, one for each, and the command is reported once."""
        with operating(world) as operator:
            lease = world.lease(2)
            report = operator.well("start", lease, (0, 1))
            assert operator.states(lease) == [(1, RUNNING, 0), (2, RUNNING, 1)]
            assert operator.reports(report.command) == [report]
            operator.well("destroy", lease, (0, 1))
            assert operator.states(lease) == []

    def test_suspended_vms_go_on(self, world: World) -> None:
        """A suspended VM is still there, suspended, and runs again where it was once it is resumed."""
        with operating(world) as operator:
            lease = world.lease()
            operator.well("start", lease, (0,))
            operator.well("suspend", lease, (0,))
            assert operator.states(lease) == [(1, SUSPENDED, 0)]
            operator.well("resume", lease, (0,))
            assert operator.states(lease) == [(1, RUNNING, 0)]
            operator.well("destroy", lease, (0,))

    def test_suspended_vms_resume_elsewhere(self, world: World) -> None:
        """A VM that is resumed on another host than it was suspended on runs there, and only there."""
        if "resume-elsewhere" not in world.knows:
            return
        with operating(world) as operator:
            lease = world.lease()
            operator.well("start", lease, (0,))
            operator.well("suspend", lease, (0,))
            operator.well("resume", lease, (1,))
            assert operator.states(lease) == [(1, RUNNING, 1)]
            operator.well("destroy", lease, (1,))
        assert world.left() == []

    def test_running_vms_migrate(self, world: World) -> None:
        """A VM that is migrated runs on the other host, and only there."""
        if "migrate" not in world.knows:
            return
        with operating(world) as operator:
            lease = world.lease()
            operator.well("start", lease, (0,))
            operator.well("migrate", lease, (1,))
            assert operator.states(lease) == [(1, RUNNING, 1)]
            operator.well("migrate", lease, (1,))
            operator.well("destroy", lease, (1,))
        assert world.left() == []

    def test_paused_vms_stand_still(self, world: World) -> None:
        """A paused VM is shown as paused where it is, and runs once it is unpaused."""
        if "pause" not in world.knows:
            return
        with operating(world) as operator:
            lease = world.lease()
            operator.well("start", lease, (0,))
            operator.well("pause", lease, (0,))
            assert operator.states(lease) == [(1, PAUSED, 0)]
            operator.well("unpause", lease, (0,))
            assert operator.states(lease) == [(1, RUNNING, 0)]
            operator.well("destroy", lease, (0,))

    def test_some_vms_only(self, world: World) -> None:
        """A command about some of a lease's VMs leaves the others as they are."""
        if "some" not in world.knows:
            return
        with operating(world) as operator:
            lease = world.lease(3)
            operator.well("start", lease, (0, 1, 0))
            operator.well("destroy", lease, (0, 1, 0), vms=(2,))
            assert operator.states(lease) == [(1, RUNNING, 0), (3, RUNNING, 0)]
            operator.well("start", lease, (0, 1, 0), vms=(2,))
            assert operator.states(lease) == [(1, RUNNING, 0), (2, RUNNING, 1), (3, RUNNING, 0)]
            operator.well("shut-down", lease, (0, 1, 0))
            assert operator.states(lease) == []

    def test_destroyed_vms_leave_nothing(self, world: World) -> None:
        """Nothing is left of VMs that were destroyed or shut down: running, suspended, or never there at all."""
        with operating(world) as operator:
            running, suspended, never = world.lease(2), world.lease(), world.lease()
            operator.well("start", running, (0, 1))
            operator.well("start", suspended, (1,))
            operator.well("suspend", suspended, (1,))
            operator.well("shut-down", running, (0, 1))
            operator.well("destroy", suspended, (1,))
            operator.well("destroy", never, (0,))
            assert operator.platform.observe() == []
        assert world.left() == []

    def test_a_command_that_comes_twice_is_done_once(self, world: World) -> None:
        """The same command, sent again under its number, succeeds again and changes nothing."""
        with operating(world) as operator:
            lease = world.lease()
            first = operator.well("start", lease, (0,))
            operator.well("suspend", lease, (0,))
            again = operator.do("start", lease, (0,), number=first.command)
            assert not again.error
            assert operator.states(lease) == [(1, SUSPENDED, 0)]
            operator.well("destroy", lease, (0,))

    def test_what_is_so_already_has_succeeded(self, world: World) -> None:
        """Another command that wants what is already so succeeds."""
        with operating(world) as operator:
            lease = world.lease()
            for verb in ("start", "start", "suspend", "suspend", "resume", "resume", "destroy", "destroy"):
                operator.well(verb, lease, (0,))

    def test_commands_about_a_vm_keep_their_order(self, world: World) -> None:
        """Commands that are sent all at once are carried out one after the other."""
        with operating(world) as operator:
            lease = world.lease()
            sent = [
                operator.send(verb, lease, (0,))
                for verb in ("start", "suspend", "resume", "suspend", "resume", "suspend")
            ]
            operator.wait(lambda: all(operator.reports(number) for number in sent), "all are reported")
            told = [one.command for one in operator.said if isinstance(one, Report)]
            assert told == sent
            assert [operator.reports(number)[0].error for number in sent] == [""] * len(sent)
            assert operator.states(lease) == [(1, SUSPENDED, 0)]
            operator.well("destroy", lease, (0,))

    def test_what_was_ordered_is_not_told_as_news(self, world: World) -> None:
        """A platform tells unasked only what nobody told it to bring about."""
        with operating(world) as operator:
            lease = world.lease()
            for verb in ("start", "suspend", "resume", "destroy"):
                operator.well(verb, lease, (0,))
            time.sleep(0.5)
            assert operator.told(lease) == []

    def test_hosts_are_up(self, world: World) -> None:
        """Every host is shown, by its number, and is up."""
        with operating(world) as operator:

            def up() -> list[HostSeen]:
                return [one for one in operator.platform.hosts() if one.state is HostState.UP]

            operator.wait(lambda: len(up()) == world.hosts, "all hosts are up")
            assert [one.host for one in up()] == list(range(world.hosts))

    def test_one_silent_host_hides_no_other(self, world: World) -> None:
        """While a host does not answer it is told to be away, and VMs on the others are shown; then all are again."""
        if "silence" not in world.knows:
            return
        with operating(world) as operator:
            lease = world.lease(2)
            operator.well("start", lease, (0, 1))
            assert operator.platform.observe().away == frozenset()
            world.silence(0, silent=True)
            operator.wait(lambda: operator.platform.observe().away == {0}, "it is told to be away")
            assert operator.states(lease) == [(2, RUNNING, 1)]
            assert operator.platform.strangers().away == {0}
            assert [one.host for one in operator.platform.hosts()] == list(range(world.hosts))
            world.silence(0, silent=False)
            operator.wait(lambda: not operator.platform.observe().away, "it answers again")
            assert operator.states(lease) == [(1, RUNNING, 0), (2, RUNNING, 1)]
            operator.well("destroy", lease, (0, 1))

    def test_strangers_are_told_apart(self, world: World) -> None:
        """A VM that no lease has asked for is shown as a stranger with what it uses, and not as a lease's."""
        if "strangers" not in world.knows:
            return
        with operating(world) as operator:
            world.stranger()
            lease = world.lease()
            operator.well("start", lease, (0,))
            (stranger,) = operator.platform.strangers()
            assert stranger.host == 0
            assert stranger.demand[CPU] >= 100
            assert stranger.demand[MEMORY] >= 16
            assert {one.lease for one in operator.platform.observe()} == {lease}
            operator.well("destroy", lease, (0,))

    def test_strangers_are_adopted(self, world: World) -> None:
        """A stranger that is adopted is a lease's VM from then on, for a platform object made later too."""
        if "strangers" not in world.knows:
            return
        lease = world.lease()
        with operating(world) as operator:
            world.stranger()
            (stranger,) = operator.platform.strangers()
            operator.platform.adopt(stranger.name, lease, 1)
            assert operator.platform.strangers() == []
            assert operator.states(lease) == [(1, RUNNING, 0)]
        with operating(world) as operator:
            assert operator.states(lease) == [(1, RUNNING, 0)]
            operator.well("destroy", lease, (0,))
            assert operator.states(lease) == []

    def test_nobody_adopts_what_is_not_there(self, world: World) -> None:
        """Adopting a VM that there is not is an error of whoever asks."""
        with operating(world) as operator:
            lease = world.lease()
            try:
                operator.platform.adopt("0/nobody", lease, 1)
            except LookupError:
                return
            raise AssertionError("it was adopted")

    def test_a_new_platform_object_finds_everything(self, world: World) -> None:
        """VMs run on while no platform object is there; the next one finds them, and what it is sent again is done."""
        running, suspended = world.lease(2), world.lease()
        with operating(world) as operator:
            started = operator.well("start", running, (0, 1))
            operator.well("start", suspended, (1,))
            operator.well("suspend", suspended, (1,))
            before = operator.platform.observe()
        with operating(world) as operator:
            assert operator.platform.observe() == before
            again = operator.do("start", running, (0, 1), number=started.command)
            assert not again.error
            assert operator.platform.observe() == before
            operator.well("resume", suspended, (1,))
            assert operator.states(suspended) == [(1, RUNNING, 1)]
            for lease in (running, suspended):
                operator.well("destroy", lease, ())
            assert operator.platform.observe() == []
        assert world.left() == []
