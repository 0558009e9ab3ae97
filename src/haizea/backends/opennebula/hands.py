"""The calls themselves: what is said to OpenNebula for each step, and what is written on a VM for who comes later."""

from collections.abc import Mapping
from typing import Final

from haizea.backends.opennebula.belonging import COMMAND, LEASE, VM, Wanted, number_said
from haizea.backends.opennebula.client import ACTION, Client, OneError
from haizea.backends.opennebula.errands import Errand
from haizea.backends.opennebula.operations import Call, Goal
from haizea.backends.opennebula.pools import Machine
from haizea.backends.opennebula.states import PAUSED_BY_US
from haizea.model.resources import CPU, MEMORY, Capacity

LOCKED: Final = 0x8000

_ACTIONS: Final = {
    Call.SUSPEND: "suspend",
    Call.STOP: "stop",
    Call.RESUME: "resume",
    Call.TERMINATE: "terminate",
    Call.TERMINATE_HARD: "terminate-hard",
    Call.HOLD: "hold",
}
_RECOVERIES: Final = {Call.GIVE_UP: 0, Call.RETRY: 2, Call.DELETE: 3, Call.RECREATE: 4}


class Hands:
    """Does things to VMs."""

    def __init__(self, client: Client, template: str) -> None:
        """``template`` is the number of the one that VMs are made of where a lease names none."""
        self._client = client
        self._template = template

    def annotate(self, vm: int, values: Mapping[str, str]) -> None:
        """Write on a VM."""
        self._client.annotate(vm, values)

    @staticmethod
    def may_be_tried_again(problem: OneError) -> bool:
        """Whether a refusal may be for the moment only: something else is under way, or the VM is locked."""
        return problem.code in (ACTION, LOCKED)

    @staticmethod
    def overtaken(vm: Machine, errand: Errand) -> bool:
        """Whether a later command about a VM was begun already, by whoever was here before."""
        return number_said(vm, LEASE) == errand.key[0] and number_said(vm, COMMAND) > errand.command

    def do(self, call: Call, errand: Errand, vm: Machine | None, wanted: Wanted | None) -> None:
        """Make a call.

        Raises:
            LookupError: it cannot be made; the message says what is missing.
            OneError: OpenNebula refused it.
            OneUnreachable: whether it was made is not known.
        """
        if vm is None:
            self._make(errand, wanted)
            errand.stamped = True
            return
        if call is Call.DEPLOY:
            self._client.deploy(vm.id, _host(errand))
        elif call in (Call.MIGRATE_LIVE, Call.MIGRATE_SAVED):
            self._client.migrate(vm.id, _host(errand), live=call is Call.MIGRATE_LIVE)
        elif call in _RECOVERIES:
            self._client.recover(vm.id, _RECOVERIES[call])
        else:
            self._client.act(vm.id, _ACTIONS[call])

    def stamp(self, vm: Machine, errand: Errand) -> None:
        """Write on a VM which command is in hand, so that no earlier one is carried out again after a restart.

        Raises:
            OneError: OpenNebula refused it.
            OneUnreachable: whether it was written is not known.
        """
        lease, number = errand.key
        said = {LEASE: str(lease), VM: str(number), COMMAND: str(errand.command)}
        paused = "yes" if errand.aim.goal is Goal.PAUSE else "no"
        if vm.said.get(PAUSED_BY_US, "no") != paused:
            said[PAUSED_BY_US] = paused
        if any(vm.said.get(name) != value for name, value in said.items()):
            self._client.annotate(vm.id, said)
        errand.stamped = True

    def _make(self, errand: Errand, wanted: Wanted | None) -> None:
        lease, number = errand.key
        demand = None if wanted is None else wanted.demand(number)
        if wanted is None or demand is None:
            raise LookupError(f"lease {lease} has no VM {number}")
        if wanted.vms:
            raise LookupError("OpenNebula does not have the VM any more that asked for the lease")
        template = wanted.template or self._template
        if not template.isdigit():
            raise LookupError(
                "it is not said which template of OpenNebula its VMs are made of: by the lease's extra value "
                "opennebula-template, or opennebula.template of the configuration"
            )
        said = {**_capacity(demand), LEASE: str(lease), VM: str(number), COMMAND: str(errand.command)}
        self._client.instantiate(int(template), f"lease-{lease}-{number}", said)


def _host(errand: Errand) -> int:
    host = errand.aim.host
    if host is None:
        raise LookupError("it is not said on which host")
    return host


def _capacity(demand: Capacity) -> dict[str, str]:
    """Return capacity as a template has it: CPU in cores with decimals, whole virtual cores, MiB."""
    cpu = demand[CPU]
    said = {"CPU": f"{cpu // 100}.{cpu % 100:02}", "VCPU": str(max(1, -(-cpu // 100)))} if cpu else {}
    return {**said, "MEMORY": str(demand[MEMORY])} if demand[MEMORY] else said
