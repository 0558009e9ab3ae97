"""What is known of VMs: where each is, what its domain is called, what was said or done last. For any thread.

It is a hint where to look, and what there is no need to tell again; the hosts are what is true.
"""

import threading
from collections.abc import Iterable
from typing import NamedTuple

from haizea.model.events import Observed

Vm = tuple[int, int]
"""A lease's number, and a VM's number there."""


class Known(NamedTuple):
    """A VM as it was seen or made last on a host."""

    name: str
    observed: Observed


class Book:
    """All VMs that are known of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vms: dict[Vm, dict[int, Known]] = {}
        self._names: dict[tuple[int, str], Vm] = {}
        self._ended_by_host: set[tuple[int, str]] = set()

    def put(self, vm: Vm, host: int, known: Known) -> Known | None:
        """Note what a VM is; return what was known of it on that host."""
        with self._lock:
            there = self._vms.setdefault(vm, {})
            before = there.get(host)
            there[host] = known
            self._names[host, known.name] = vm
            return before

    def drop(self, vm: Vm, host: int) -> Known | None:
        """Note that a VM is not on a host; return what was known of it there."""
        with self._lock:
            there = self._vms.get(vm, {})
            before = there.pop(host, None)
            if before is not None:
                self._names.pop((host, before.name), None)
                self._ended_by_host.discard((host, before.name))
            if not there:
                self._vms.pop(vm, None)
            return before

    def get(self, vm: Vm, host: int) -> Known | None:
        """Return what is known of a VM on a host."""
        with self._lock:
            return self._vms.get(vm, {}).get(host)

    def hosts(self, vm: Vm) -> list[int]:
        """Return the hosts that a VM is known to be on."""
        with self._lock:
            return sorted(self._vms.get(vm, ()))

    def vms_of(self, lease: int) -> list[int]:
        """Return the numbers of a lease's VMs that are known of."""
        with self._lock:
            return sorted({vm for number, vm in self._vms if number == lease})

    def on(self, host: int) -> list[tuple[Vm, Known]]:
        """Return the VMs that are known to be on a host."""
        with self._lock:
            return [(vm, there[host]) for vm, there in self._vms.items() if host in there]

    def who(self, host: int, name: str) -> Vm | None:
        """Return the VM that a domain is, as far as is known."""
        with self._lock:
            return self._names.get((host, name))

    def note_end(self, host: int, name: str, by_host: bool) -> None:
        """Note whether it was somebody on the host who ended a domain's QEMU last."""
        with self._lock:
            if by_host:
                self._ended_by_host.add((host, name))
            else:
                self._ended_by_host.discard((host, name))

    def ended_by_host(self, host: int, name: str) -> bool:
        """Whether it was."""
        with self._lock:
            return (host, name) in self._ended_by_host

    def elsewhere(self, vm: Vm, host: int, observed: Iterable[Observed]) -> bool:
        """Whether a VM is known to be so on another host."""
        with self._lock:
            wanted = set(observed)
            return any(known.observed in wanted for other, known in self._vms.get(vm, {}).items() if other != host)
