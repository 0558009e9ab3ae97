"""What a VM's state in OpenNebula means: STATE × LCM_STATE, and who brought it there.

OpenNebula has 12 states and 72 states of its life cycle within ACTIVE. A VM is *settled* where nobody is doing anything
with it, and on its way otherwise; what it is on its way to is what it is taken to be where one has to say something.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from haizea.backends.opennebula.pools import Machine
from haizea.model.events import Observed

PENDING: Final = 1
HOLD: Final = 2
ACTIVE: Final = 3
STOPPED: Final = 4
SUSPENDED: Final = 5
DONE: Final = 6
POWEROFF: Final = 8
UNDEPLOYED: Final = 9

FAILED_TO_RESTORE: Final = frozenset({48, 49})
SHUTTING_DOWN: Final = 12

BY_MONITOR: Final = 44
"""The action of a history record that the monitoring wrote, not a person: the guest did it, or the hypervisor."""

TERMINATED: Final = frozenset({27, 28})
"""Terminate and terminate-hard. The user in such a record is the VM's owner, whoever it was that terminated it."""

ENDED_BY_SOMEBODY: Final = TERMINATED | {13}
"""What leaves nothing of a VM: somebody has wanted that."""

PAUSED_BY_US: Final = "HAIZEA_PAUSED"


class Place(Enum):
    """Where a VM is in its life, as far as it matters for what can be done with it next."""

    WAITING = "not started"
    MOVING = "on its way"
    RUNNING = "running"
    SUSPENDED = "suspended on its host"
    STOPPED = "suspended on no host"
    OFF = "powered off"
    UNDEPLOYED = "powered off on no host"
    UNKNOWN = "not heard of"
    FAILED = "failed"
    DONE = "gone"


class Look(NamedTuple):
    """What a VM looks like. ``towards`` is what it is, or on its way to be; None where there is nothing of it."""

    place: Place
    towards: Observed | None

    @property
    def settled(self) -> bool:
        """Whether nobody is doing anything with it."""
        return self.place is not Place.MOVING


_P, _O = Place, Observed
_WAITING: Final = Look(_P.WAITING, None)
_RUNNING: Final = Look(_P.RUNNING, _O.RUNNING)
_SUSPENDED: Final = Look(_P.SUSPENDED, _O.SUSPENDED)
_OFF: Final = Look(_P.OFF, _O.STOPPED)
_UNDEPLOYED: Final = Look(_P.UNDEPLOYED, _O.STOPPED)
_STOPPED: Final = Look(_P.STOPPED, _O.SUSPENDED)
_UNKNOWN: Final = Look(_P.UNKNOWN, _O.UNKNOWN)
_FAILED: Final = Look(_P.FAILED, _O.CRASHED)
_DONE: Final = Look(_P.DONE, None)

STATES: Final[Mapping[int, Look]] = MappingProxyType(
    {
        0: _WAITING,
        PENDING: _WAITING,
        HOLD: _WAITING,
        STOPPED: _STOPPED,
        SUSPENDED: _SUSPENDED,
        DONE: _DONE,
        7: _FAILED,
        POWEROFF: _OFF,
        UNDEPLOYED: _UNDEPLOYED,
        10: _WAITING,
        11: _WAITING,
    }
)
"""The states but ACTIVE. 7 has not been used since OpenNebula 5; 10 and 11 are disks that are being copied."""


def _all(look: Look, *states: int) -> dict[int, Look]:
    return dict.fromkeys(states, look)


LIFE_CYCLE: Final[Mapping[int, Look]] = MappingProxyType(
    {
        # init, prolog, boot and their kin: to be running
        **_all(Look(_P.MOVING, _O.RUNNING), 0, 1, 2, 9, 19, 20, 21, 22, 31, 32, 35),
        # running, also while something is done to its disks, networks and size, or while it is backed up
        **_all(_RUNNING, 3, 17, 24, 25, 26, 57, 59, 62, 66, 69),
        # live migration; saved, moved and restored elsewhere
        **_all(Look(_P.MOVING, _O.RUNNING), 4, 7, 8, 60),
        # saved, and then left there or taken away
        **_all(Look(_P.MOVING, _O.SUSPENDED), 5, 6, 10, 45),
        # powered off, undeployed; moved while off
        **_all(Look(_P.MOVING, _O.STOPPED), 18, 29, 30, 43),
        # shut down for good, its disks removed
        **_all(Look(_P.MOVING, None), 11, 12, 13, 23),
        # thrown away and made anew; restored from a backup
        **_all(Look(_P.MOVING, None), 15, 71),
        **_all(_UNKNOWN, 16),
        # powered off, undeployed, suspended, stopped, while something is done to its disks
        **_all(_OFF, 27, 33, 34, 51, 52, 53, 63, 65, 70),
        **_all(_UNDEPLOYED, 64, 67),
        **_all(_SUSPENDED, 28, 54, 55, 56),
        **_all(_STOPPED, 68),
        **_all(_RUNNING, 58),
        # what failed on the way to running
        **_all(_FAILED, 14, 36, 37, 38, 39, 40, 41, 42, 47, 50),
        # what could not be restored, or not be moved while suspended: its memory is still there
        **_all(Look(_P.FAILED, _O.SUSPENDED), 46, 48, 49),
        **_all(Look(_P.FAILED, _O.STOPPED), 44),
        **_all(Look(_P.FAILED, _O.UNKNOWN), 61),
    }
)
"""The states of the life cycle, within ACTIVE."""


def look(vm: Machine) -> Look:
    """Return what a VM looks like; a state that no OpenNebula has had yet is one that nothing is known of."""
    if vm.state == ACTIVE:
        return LIFE_CYCLE.get(vm.lcm, _UNKNOWN)
    found = STATES.get(vm.state, _UNKNOWN)
    if found is _STOPPED or (vm.state == PENDING and waits_to_resume(vm)):
        return _STOPPED
    return found


def waits_to_resume(vm: Machine) -> bool:
    """Whether a pending VM was stopped before, and has its memory kept: somebody has asked for it to be resumed."""
    return vm.record is not None and vm.record.action == 9


def observed(vm: Machine, ours: int) -> Observed | None:
    """Return what a VM is, or is on its way to be; None where there is nothing of it.

    A guest that shut itself down, what a person did and what the platform did by itself leave the same state: the
    last history record tells them apart. ``ours`` is the user that Haizea is itself.
    """
    seen = look(vm)
    record = vm.record
    if seen.place is Place.OFF and record is not None and record.action == BY_MONITOR:
        return Observed.GUEST_SHUTDOWN
    if seen.place is Place.SUSPENDED and record is not None:
        paused_by_us = PAUSED_BY_US in vm.said and vm.said[PAUSED_BY_US] == "yes"
        if record.action == BY_MONITOR or (paused_by_us and record.by == ours):
            return Observed.PAUSED
    return seen.towards


def actor(vm: Machine, ours: int) -> int | None:
    """Return the user who brought a VM where it is; None where it was nobody, or Haizea itself, or is not known."""
    record = vm.record
    if record is None or record.by < 0 or record.by == ours or record.action in (0, BY_MONITOR):
        return None
    if record.action in TERMINATED:
        return None
    return record.by


def host_of(vm: Machine) -> int | None:
    """Return the host (OpenNebula's number) that a VM is on and holds capacity of; None where it is on none."""
    place = look(vm).place
    if vm.record is None or place in (Place.WAITING, Place.STOPPED, Place.UNDEPLOYED, Place.DONE):
        return None
    return vm.record.host
