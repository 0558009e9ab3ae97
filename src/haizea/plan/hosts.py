"""Which hosts may take new VMs, and which of them a lease's constraints allow."""

from haizea.model.lease import NO_CONSTRAINTS, Constraints
from haizea.model.site import Host, HostState
from haizea.plan.packing import Mask
from haizea.plan.slottable import SlotTable


class Hosts:
    """The states of the hosts of a slot table, by their numbers."""

    def __init__(self, table: SlotTable) -> None:
        self._table = table
        self.states = [HostState.UP] * len(table.site.hosts)
        self._masks: dict[Constraints, list[Mask]] = {}
        self._all: list[Mask] | None = None

    def set_state(self, host: int, state: HostState) -> None:
        """Change what a host may be used for."""
        self.states[host] = state
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
