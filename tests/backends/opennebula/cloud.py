"""What oned does with VMs and hosts: its states, delays, refusals and traps, as they were measured on OpenNebula 7.

Nothing happens by itself: whoever looks or calls has everything happen that is due by then. So there are no threads
here, and a delay is exactly as long as a test says.
"""

import time
from collections.abc import Callable
from typing import Final

ACTION: Final = 0x0800
NO_EXISTS: Final = 0x0400
AUTHORIZATION: Final = 0x0200

ACTIONS: Final = {
    "undeploy": 5, "undeploy-hard": 6, "hold": 7, "release": 8, "stop": 9, "suspend": 10, "resume": 11,
    "poweroff": 19, "poweroff-hard": 20, "terminate": 27, "terminate-hard": 28,
}  # fmt: skip
MIGRATE, LIVE_MIGRATE, DELETE, RECREATE, MONITOR = 1, 2, 13, 14, 44
FAILURES: Final = (36, 37, 38, 39, 40, 41, 42, 44, 46, 47, 48, 49, 50, 61)


class Refusal(Exception):
    """What oned answers instead of doing something."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Record:
    """An entry of a VM's history."""

    def __init__(self, number: int, host: int) -> None:
        self.number, self.host = number, host
        self.action, self.by, self.ended = 0, -1, 0


class VM:
    """A VM, and what is to happen to it and when."""

    def __init__(self, number: int, name: str, owner: tuple[int, str, int, str], said: dict[str, object]) -> None:
        self.id, self.name = number, name
        self.uid, self.owner, self.gid, self.group = owner
        self.state, self.lcm = 1, 0
        self.template = {"CPU": "1", "MEMORY": "128"}
        self.said = said
        self.since = int(time.time())
        self.history: list[Record] = []
        self.plan: list[tuple[float, Callable[[], None]]] = []

    @property
    def here(self) -> Record:
        """The last entry of its history."""
        return self.history[-1]

    def at(self, state: int, lcm: int = 0) -> bool:
        """Whether it is in a state."""
        return (self.state, self.lcm) == (state, lcm)


class Host:
    """A host; capacity 0 is what an unmonitored one shows."""

    def __init__(self, number: int, name: str, cpu: int, memory: int) -> None:
        self.id, self.name, self.cpu, self.memory = number, name, cpu, memory
        self.state = 2


class Cloud:
    """All VMs and hosts. ``delay`` says for each state of the life cycle how many seconds it lasts."""

    def __init__(self, hosts: int = 4, cpu: int = 800, memory: int = 16_384, delay: float = 0.02) -> None:
        self.hosts = {n: Host(n, f"host{n + 1:02}", cpu, memory) for n in range(hosts)}
        self.vms: dict[int, VM] = {}
        self.usual = delay
        self.delay: dict[int, float] = {}
        self.failing: dict[int, int] = {}
        self.log: list[tuple[str, int]] = []

    # Time ----------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Have everything happen that is due."""
        now = time.monotonic()
        for vm in list(self.vms.values()):
            while vm.plan and vm.plan[0][0] <= now:
                vm.plan.pop(0)[1]()

    def _go(self, vm: VM, *path: int, then: Callable[[], None], failure: Callable[[], None] | None = None) -> None:
        """Pass through states of the life cycle, and end in one of two ways; the call that began it returns first."""
        at = time.monotonic() + self.usual / 2
        vm.plan.clear()
        for lcm in path:
            vm.plan.append((at, lambda lcm=lcm: _set(vm, 3, lcm)))  # type: ignore[misc]
            at += self.delay.get(lcm, self.usual)
            if failure is not None and self.failing.get(lcm, 0):
                self.failing[lcm] -= 1
                vm.plan.append((at, failure))
                return
        vm.plan.append((at, then))

    def restart(self) -> None:
        """Forget what was under way, as oned does that is killed: VMs stay in the states they are in."""
        self.advance()
        for vm in self.vms.values():
            vm.plan.clear()

    # Calls ---------------------------------------------------------------------------------------------------

    def add(self, name: str, owner: tuple[int, str, int, str], said: dict[str, object], hold: bool) -> VM:
        """Make a VM."""
        number = max(self.vms, default=-1) + 1
        vm = self.vms[number] = VM(number, name, owner, said)
        vm.state = 2 if hold else 1
        return vm

    def find(self, number: int) -> VM:
        """Return a VM."""
        if number not in self.vms:
            raise Refusal(NO_EXISTS, f"Error getting virtual machine [{number}].")
        return self.vms[number]

    def deploy(self, vm: VM, host: int) -> None:
        """Start it on a host; one that is disabled will do."""
        if host not in self.hosts:
            raise Refusal(NO_EXISTS, f"Error getting host [{host}].")
        if self.hosts[host].state == 8:
            raise Refusal(ACTION, "Host is offline, cannot use it to deploy VM")
        if vm.state not in (1, 2, 4, 9):
            raise Refusal(ACTION, f"Deploy action is not available for state {vm.state}")
        stopped = bool(vm.history) and vm.here.action == ACTIONS["stop"]
        undeployed = vm.state == 9
        vm.history.append(Record(len(vm.history), host))
        _set(vm, 3, 0)
        if stopped:
            self._go(vm, 9, 22, then=lambda: _set(vm, 3, 3), failure=lambda: _set(vm, 3, 48))
        elif undeployed:
            self._go(vm, 31, 32, then=lambda: _set(vm, 3, 3), failure=lambda: _set(vm, 3, 47))
        else:
            self._go(vm, 1, 2, then=lambda: _set(vm, 3, 3), failure=lambda: _set(vm, 3, 36))

    def act(self, vm: VM, action: str, by: int) -> None:
        """Do what a user has asked for, or refuse."""
        if action not in ACTIONS:
            raise Refusal(ACTION, f'Action "{action}" is not supported')
        running = vm.at(3, 3)
        alive = running or vm.at(3, 16)
        kind = action.removesuffix("-hard")
        allowed = {
            "suspend": running,
            "stop": running or vm.state == 5,
            "poweroff": alive,
            "undeploy": alive or vm.state == 8,
            "resume": vm.state in (4, 5, 8, 9) or vm.at(3, 16),
            "hold": vm.state == 1,
            "release": vm.state == 2,
            "terminate": vm.state != 3 or alive or vm.lcm in FAILURES or (action == "terminate-hard" and vm.lcm == 12),
        }[kind]
        if not allowed:
            raise Refusal(
                ACTION, f'Error performing action "{action}": This action is not available for state {vm.state}'
            )
        if vm.history and kind not in ("resume", "hold", "release"):
            # Of a termination it is the owner who is written down, whoever it was.
            vm.here.action, vm.here.by = ACTIONS[action], vm.uid if kind == "terminate" else by
        getattr(self, f"_{kind}")(vm, by)

    def _hold(self, vm: VM, _by: int) -> None:
        _set(vm, 2)

    def _release(self, vm: VM, _by: int) -> None:
        _set(vm, 1)

    def _suspend(self, vm: VM, _by: int) -> None:
        self._go(vm, 6, then=lambda: _set(vm, 5), failure=lambda: _set(vm, 3, 3))

    def _stop(self, vm: VM, _by: int) -> None:
        self._go(vm, 5, 10, then=lambda: _end(vm, 4), failure=lambda: _set(vm, 3, 3))

    def _poweroff(self, vm: VM, _by: int) -> None:
        self._go(vm, 18, then=lambda: _set(vm, 8), failure=lambda: _set(vm, 3, 3))

    def _undeploy(self, vm: VM, _by: int) -> None:
        self._go(vm, 29, 30, then=lambda: _end(vm, 9), failure=lambda: _set(vm, 3, 42))

    def _terminate(self, vm: VM, _by: int) -> None:
        if vm.state in (1, 2):
            _end(vm, 6)
        elif vm.at(3, 3) or vm.at(3, 16) or vm.at(3, 12):
            if vm.here.action == ACTIONS["terminate-hard"]:
                self._go(vm, 11, then=lambda: _end(vm, 6))
            else:
                self._go(vm, 12, 11, then=lambda: _end(vm, 6), failure=lambda: _set(vm, 3, 3))
        else:
            self._go(vm, 11, then=lambda: _end(vm, 6))

    def _resume(self, vm: VM, by: int) -> None:
        if vm.state in (4, 9):
            # Its last record goes on saying what it was stopped by.
            _set(vm, 1)
            return
        was = vm.state
        through = {5: 21, 8: 20, 3: 19}[was]
        vm.here.action, vm.here.by = ACTIONS["resume"], by

        def begin() -> None:
            vm.history.append(Record(len(vm.history), vm.here.host))

        self._go(vm, through, then=lambda: _set(vm, 3, 3), failure=lambda: _set(vm, was if was != 3 else 3, 0))
        vm.plan.insert(0, (0.0, begin))

    def migrate(self, vm: VM, host: int, live: bool, by: int) -> None:
        """Move it; before it shows that it moves it shows to be on the other host already."""
        if host not in self.hosts:
            raise Refusal(NO_EXISTS, f"Error getting host [{host}].")
        if not (vm.at(3, 3) or vm.at(3, 16) or vm.state in (5, 8)):
            raise Refusal(ACTION, f"Migrate action is not available for state {vm.state}")
        if vm.here.host == host:
            raise Refusal(ACTION, f"VM is already running on host [{host}]")
        vm.here.action, vm.here.by = (LIVE_MIGRATE if live else MIGRATE), by
        came = vm.here.host
        vm.history.append(Record(len(vm.history), host))

        def back() -> None:
            vm.history.append(Record(len(vm.history), came))
            _set(vm, 3, 3)

        if vm.state == 5:
            self._go(vm, 45, then=lambda: _set(vm, 5))
        elif vm.state == 8:
            self._go(vm, 43, then=lambda: _set(vm, 8))
        elif live:
            self._go(vm, 4, then=lambda: _set(vm, 3, 3), failure=back)
        else:
            self._go(vm, 7, 8, 35, then=lambda: _set(vm, 3, 3), failure=back)

    def recover(self, vm: VM, how: int, by: int) -> None:
        """Have a VM recovered: 0 failure, 1 success, 2 retry, 3 delete, 4 recreate."""
        if vm.state == 6:
            raise Refusal(ACTION, "Could not perform recover action, wrong state DONE")
        if vm.history and how in (3, 4):
            vm.here.action, vm.here.by = (DELETE if how == 3 else RECREATE), by
        if how == 3:
            self._go(vm, 23, then=lambda: _end(vm, 6))
        elif how == 4:
            if vm.state in (1, 2, 4, 9):
                _set(vm, 1)
            else:
                self._go(vm, 15, then=lambda: _end(vm, 1))
        elif vm.state != 3:
            raise Refusal(ACTION, f"Could not perform recover action, wrong state {vm.state}")
        else:
            failed = {5: (3, 3), 6: (3, 3), 7: (3, 3), 36: (3, 36), 48: (4, 0), 47: (9, 0), 21: (5, 0)}
            done = {5: (4, 0), 6: (5, 0), 36: (3, 3), 48: (3, 3), 47: (3, 3), 21: (3, 3)}
            end = (failed if how == 0 else done).get(vm.lcm, (3, 3))
            vm.plan.clear()
            _set(vm, *end)
            if end[0] in (4, 9):
                vm.here.ended = 1
                vm.here.action = ACTIONS["stop"] if end[0] == 4 else ACTIONS["undeploy"]

    # What happens without a call -----------------------------------------------------------------------------

    def guest_shuts_down(self, number: int) -> None:
        """The guest shuts itself down."""
        vm = self.vms[number]
        vm.here.action, vm.here.by = MONITOR, -1
        self._go(vm, 18, then=lambda: _set(vm, 8))

    def paused_at_hypervisor(self, number: int) -> None:
        """Somebody pauses it with the hypervisor's own tools."""
        vm = self.vms[number]
        vm.here.action, vm.here.by = MONITOR, -1
        self._go(vm, 6, then=lambda: _set(vm, 5))

    def crashes(self, number: int) -> None:
        """Nothing is heard of it any more."""
        _set(self.vms[number], 3, 16)

    def comes_back(self, number: int) -> None:
        """It is reported running, whatever it was: a suspended one was started at the hypervisor."""
        vm = self.vms[number]
        if vm.state in (5, 8):
            vm.history.append(Record(len(vm.history), vm.here.host))
        _set(vm, 3, 3)

    def host_fails(self, number: int) -> None:
        """A host is not heard of any more."""
        self.hosts[number].state = 3
        for vm in self.vms.values():
            if vm.at(3, 3) and vm.here.host == number:
                _set(vm, 3, 16)

    def host_returns(self, number: int) -> None:
        """It is heard of again; its VMs stay unknown until they are reported."""
        self.hosts[number].state = 2


def _set(vm: VM, state: int, lcm: int = 0) -> None:
    vm.state, vm.lcm = state, lcm


def _end(vm: VM, state: int) -> None:
    """Bring a VM to a state in which it is on no host."""
    _set(vm, state)
    if vm.history:
        vm.here.ended = int(time.time())
