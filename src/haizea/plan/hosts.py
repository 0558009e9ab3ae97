"""Which hosts may take new VMs, and which of them a lease's constraints allow."""

from typing import Final

from haizea.model.lease import NO_CONSTRAINTS, Constraints
from haizea.model.site import Host, HostState
from haizea.plan.packing import Mask
from haizea.plan.slottable import SlotTable

_GRAVITY: Final = (HostState.UP, HostState.SUSPECT, HostState.DRAINING, HostState.DISABLED, HostState.DOWN)


class Hosts:
    """The states of the hosts of a slot table, by their numbers.

    ``observed`` is what was reported of each host that is not UP, ``ordered`` what an administrator has said of some;
    ``states`` is the graver of the two: a host that is up again is not used against orders.
    """

    def __init__(self, table: SlotTable) -> None:
        self._table = table
        self.states = [HostState.UP] * len(table.site.hosts)
        self.observed: dict[int, HostState] = {}
        self.ordered: dict[int, HostState] = {}
        self._masks: dict[Constraints, list[Mask]] = {}
        self._all: list[Mask] | None = None

    def set_state(self, host: int, state: HostState) -> None:
        """Take note of what was reported of a host."""
        self._set(self.observed, host, state)

    def order(self, host: int, state: HostState) -> None:
        """Take note of what an administrator wants a host to be used for; UP is as it was found."""
        self._set(self.ordered, host, state)

    def _set(self, known: dict[int, HostState], host: int, state: HostState) -> None:
        if state is HostState.UP:
            known.pop(host, None)
        else:
            known[host] = state
        both = self.observed.get(host, HostState.UP), self.ordered.get(host, HostState.UP)
        self.states[host] = max(both, key=_GRAVITY.index)
        self.forget()

    def forget(self) -> None:
        """Have masks made anew: hosts, or what masks look like, have changed."""
        self._masks.clear()
        self._all = None

    def usable(self, constraints: Constraints = NO_CONSTRAINTS) -> list[Mask]:
        """Return the hosts that are up and have the labels wanted, as one mask for each block."""
        if constraints is NO_CONSTRAINTS and self._all is not None:
            return self._all
        known = self._masks.get(constraints)
        if known is None:
            chosen = {i for i, h in enumerate(self._table.site.hosts) if self.allowed(i, h, constraints)}
            known = self._masks[constraints] = self._table.masks(chosen)
            if constraints is NO_CONSTRAINTS:
                self._all = known
        return known

    def labelled(self, constraints: Constraints) -> list[Mask]:
        """Return the hosts that have the labels wanted, up or not, as one mask for each block."""
        if not constraints.require and not constraints.exclude:
            return self._table.everything()
        return self._table.masks({i for i, h in enumerate(self._table.site.hosts) if labelled(h, constraints)})

    def allowed(self, number: int, host: Host, constraints: Constraints) -> bool:
        """Whether a host is up and has the labels wanted."""
        return self.states[number] is HostState.UP and labelled(host, constraints)


def labelled(host: Host, constraints: Constraints) -> bool:
    """Whether a host has every label that is required and none that is excluded."""

    def has(name: str, value: str) -> bool:
        found = host.labels.get(name)
        return found is not None and value in ("*", found)

    return all(has(*label) for label in constraints.require) and not any(has(*label) for label in constraints.exclude)
