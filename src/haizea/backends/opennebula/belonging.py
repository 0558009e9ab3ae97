"""Which VM of OpenNebula is which VM of a lease.

A lease that was asked for in OpenNebula carries the numbers of its VMs in its terms, which nobody can change there. VMs
that Haizea makes for a lease, and those that it adopts, carry the lease's number in their user template. Their owners
can write to that, so what it says is believed only where it fits the lease.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from haizea.backends.opennebula.pools import Machine
from haizea.model.lease import LeaseTerms
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.runtime.ports import Terms

VMS: Final = "opennebula-vms"
"""The extra value of a lease that names its VMs: their numbers in OpenNebula, in order, with commas."""

TEMPLATE: Final = "opennebula-template"
"""The extra value of a lease that names the template (its number) that its VMs are made of."""

LEASE: Final = "HAIZEA_LEASE"
VM: Final = "HAIZEA_VM"
COMMAND: Final = "HAIZEA_COMMAND"
ADOPTED: Final = "HAIZEA_ADOPTED"

_KNOWN_MAX: Final = 100_000


class Wanted(NamedTuple):
    """What must be known of a lease: its user, the VMs it was made of, or template and demand of those to be made."""

    user: str
    vms: tuple[int, ...]
    template: str
    demands: tuple[tuple[int, Capacity], ...]

    def demand(self, vm: int) -> Capacity | None:
        """Return what a VM of a lease asks for, by its number from 1."""
        for count, demand in self.demands:
            if vm <= count:
                return demand
            vm -= count
        return None


def wanted(terms: LeaseTerms) -> Wanted:
    """Return what must be known of a lease."""
    return Wanted(
        terms.user,
        numbers(terms.extra.get(VMS, "")),
        terms.extra.get(TEMPLATE, ""),
        tuple((nodes.count, nodes.demand) for nodes in terms.nodes),
    )


def numbers(text: str) -> tuple[int, ...]:
    """Read numbers with commas; anything else is none at all."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9}){0,9999}", text):
        return ()
    return tuple(int(each) for each in text.split(","))


def number_said(vm: Machine, name: str) -> int:
    """Return a number that a VM's user template says, 0 where it says none."""
    text = vm.said.get(name, "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else 0


class Belonging:
    """Tells which VM is whose. For one thread at a time."""

    def __init__(self, terms: Terms, ours: str, owners: dict[str, str]) -> None:
        """``ours`` is the user that Haizea is in OpenNebula; ``owners`` are users of leases by OpenNebula's users."""
        self._terms = terms
        self._ours = ours
        self._owners = owners
        self._known: dict[int, Wanted] = {}

    def owner(self, vm: Machine) -> str:
        """Return which user of leases a VM's owner is."""
        return self._owners.get(vm.owner, vm.owner)

    def wanted(self, lease: int) -> Wanted | None:
        """Return what must be known of a lease, None where there is no such lease.

        Raises:
            Exception: whatever keeps it from being looked up.
        """
        known = self._known.get(lease)
        if known is None:
            terms = self._terms(lease)
            if terms is None:
                return None
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[lease] = wanted(terms)
        return known

    def key(self, vm: Machine) -> tuple[int, int] | None:
        """Return the lease, and the number within it, that a VM is; None where it is no lease's."""
        lease, number = number_said(vm, LEASE), number_said(vm, VM)
        if not lease or not number:
            return None
        known = self.wanted(lease)
        if known is None:
            return None
        if known.vms:
            fits = number <= len(known.vms) and known.vms[number - 1] == vm.id and self.owner(vm) == known.user
        else:
            fits = vm.owner == self._ours or self.owner(vm) == known.user or vm.said.get(ADOPTED) == "yes"
        return (lease, number) if fits else None

    def index(self, machines: Iterable[Machine], in_hand: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Machine]:
        """Return the VMs of leases; ``in_hand`` are some that may not say yet whose they are.

        Where several claim to be the same one, it is the oldest.
        """
        by_id = {each.id: each for each in machines}
        found: dict[tuple[int, int], Machine] = {}
        for each in by_id.values():
            key = self.key(each)
            if key is not None:
                found.setdefault(key, each)
        for key in in_hand:
            if key not in found:
                known = self.wanted(key[0])
                vm = by_id.get(known.vms[key[1] - 1]) if known is not None and key[1] <= len(known.vms) else None
                if vm is not None and known is not None and self.owner(vm) == known.user:
                    found[key] = vm
        return found


def demand_of(vm: Machine, *, by_cores: bool) -> Capacity:
    """Return what a VM of OpenNebula asks for; ``by_cores`` where VCPU counts, not CPU."""
    cpu = vm.cores * 100 if by_cores and vm.cores else vm.cpu
    return Capacity({CPU: cpu, MEMORY: vm.memory})
