"""What changed by itself: VMs and hosts that are not as they were, though no command made them so."""

from collections.abc import Callable, Container, Mapping, Sequence

from haizea.backends.opennebula.errands import Key
from haizea.backends.opennebula.pools import Machine, Server
from haizea.backends.opennebula.site import Numbers
from haizea.backends.opennebula.states import DONE, ENDED_BY_SOMEBODY, Place, actor, host_of, look, observed
from haizea.model.events import Observed
from haizea.model.site import HostState
from haizea.runtime.ports import HostSeen, Said, Seen


class Sightings:
    """Compares each look with the one before. For one thread at a time."""

    def __init__(self, numbers: Numbers, gone: Callable[[int], Machine | None], name: Callable[[int], str]) -> None:
        """``gone`` looks up a VM that is not shown any more, ``name`` a user's name."""
        self._numbers = numbers
        self._gone = gone
        self._name = name
        self._known: dict[Key, tuple[Observed | None, int | None, int]] = {}
        self._hosts: dict[int, HostState] = {}
        self._begun = False

    def expected(self, key: Key, vm: Machine | None, state: Observed | None) -> None:
        """A command has brought a VM to a state: that is nothing to be told."""
        if vm is None or state is None:
            self._known.pop(key, None)
            if vm is not None:
                self._known[key] = None, None, vm.id
        else:
            self._known[key] = state, host_of(vm), vm.id

    def forget(self, key: Key) -> None:
        """A command has failed: whatever a VM is now is something to be told."""
        known = self._known.get(key)
        if known is not None:
            self._known[key] = None, None, known[2]

    def changes(
        self, vms: Mapping[Key, Machine], servers: Sequence[Server], ours: int, in_hand: Container[Key]
    ) -> list[Said]:
        """Return what is to be told. The first look tells of no VM: whoever has just come asks."""
        found: list[Said] = []
        for key, vm in vms.items():
            if key not in in_hand:
                found += self._changed(key, vm, ours)
        for key in [key for key in self._known if key not in vms and key not in in_hand]:
            found += self._missing(key, ours)
        found += self._host_changes(servers)
        self._begun = True
        return found

    def _changed(self, key: Key, vm: Machine, ours: int) -> list[Said]:
        seen = look(vm)
        if not seen.settled:
            return []
        state, host = observed(vm, ours), host_of(vm)
        known = self._known.get(key)
        if known is not None and known[:2] == (state, host):
            return []
        self._known[key] = state, host, vm.id
        if not self._begun or (known is None and state is None):
            return []
        by = self._by(vm, ours)
        if state is None:
            # It was there, and waits to be started again: somebody has thrown away what it had done.
            gone = known is not None and known[0] is not None
            return [Seen(*key, Observed.VANISHED, None, by)] if gone and seen.place is Place.WAITING else []
        return [Seen(*key, state, self._numbers.ours(host), by)]

    def _missing(self, key: Key, ours: int) -> list[Said]:
        state, _host, number = self._known.pop(key)
        vm = self._gone(number)
        if state is None and vm is not None and vm.state != DONE:
            return []
        by = "" if vm is None else self._by(vm, ours)
        wanted = vm is not None and vm.record is not None and vm.record.action in ENDED_BY_SOMEBODY
        return [Seen(*key, Observed.DELETED if wanted else Observed.VANISHED, None, by)]

    def _by(self, vm: Machine, ours: int) -> str:
        user = actor(vm, ours)
        if user is None and look(vm).place is Place.RUNNING and vm.record is not None and vm.record.number:
            # The record of a VM that was moved or resumed is a new one; who did it stands in the one before.
            whole = self._gone(vm.id)
            before = None if whole is None else whole.before
            user = None if whole is None or before is None else actor(whole._replace(record=before), ours)
        return "" if user is None else self._name(user)

    def _host_changes(self, servers: Sequence[Server]) -> list[HostSeen]:
        found = []
        for seen in self._numbers.seen(servers):
            known = self._hosts.get(seen.host)
            self._hosts[seen.host] = seen.state
            if known is not seen.state and not (known is None and seen.state is HostState.UP):
                found.append(seen)
        return found
