"""VMs that ask to be leases: PENDING and HOLD ones with a HAIZEA attribute, and by configuration those without.

What is found here is as the users wrote it, put together by group; what it means as a lease, and whether it may be one,
is decided by the service like any other request.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from haizea.backends.opennebula.belonging import LEASE, demand_of, number_said
from haizea.backends.opennebula.pools import Machine
from haizea.backends.opennebula.states import HOLD, PENDING, waits_to_resume
from haizea.model.resources import CPU, MEMORY, Capacity

STATE: Final = "HAIZEA_STATE"
START: Final = "HAIZEA_START"
END: Final = "HAIZEA_END"
REASON: Final = "HAIZEA_REASON"
REJECTED: Final = "rejected"

KNOWN: Final = ("START", "DURATION", "PREEMPTIBLE", "GROUP", "DEADLINE")
GROUP_MAX: Final = 10_000
"""Most VMs of a group."""

_YES_NO: Final = {"YES": True, "TRUE": True, "NO": False, "FALSE": False}
_BEST_EFFORT: Final = "best_effort"


class Wish(NamedTuple):
    """What a VM's HAIZEA attribute says. ``start`` None is best effort, ``preemptible`` None as usual for its type."""

    start: str | None
    duration: str
    deadline: str | None
    preemptible: bool | None


class Request(NamedTuple):
    """VMs that are to be one lease, in the order of their numbers there.

    ``submitted`` is when the last of them was made, in seconds since the epoch; ``before`` the lease that was asked for
    with them before and rejected, 0 where there is none; ``wrong`` says what is wrong with what they say.
    """

    vms: tuple[Machine, ...]
    owner: str
    group: str
    label: str
    wish: Wish
    submitted: int
    before: int
    wrong: str

    def key(self) -> str:
        """Return what is the same for this request whenever it is found, and never for another one.

        VMs of an OpenNebula that was set up anew have the numbers of others before them, but were made at another time.
        """
        ids = ",".join(str(vm.id) for vm in self.vms[:12])
        return f"opennebula:{ids}:{len(self.vms)}:{self.submitted}:{self.before}"


class Found(NamedTuple):
    """What there is of requests. ``waiting``: some VMs of a group may be still to come."""

    requests: tuple[Request, ...]
    waiting: bool


IMMEDIATE: Final = Wish("now", "unlimited", None, False)
"""What a VM without the attribute asks for."""


def find(vms: Iterable[Machine], now: int, owner: Callable[[Machine], str], *, without: bool, group_wait: int) -> Found:
    """Return the requests among VMs at ``now``, in order of the lowest number in each.

    ``owner`` says whose lease a VM would be. ``without``: VMs without the attribute count as well, unless somebody
    holds them. A group is complete when no VM has come for ``group_wait`` seconds.
    """
    groups: dict[tuple[str, str], list[Machine]] = {}
    for vm in vms:
        if not _asks(vm, without):
            continue
        label = "" if vm.asked is None else vm.asked.get("GROUP", "")
        key = (owner(vm), f"group {label}") if label else (owner(vm), f"vm {vm.id}")
        groups.setdefault(key, []).append(vm)
    found, waiting = [], False
    for (user, name), members in groups.items():
        if name.startswith("group ") and max(vm.since for vm in members) + group_wait > now:
            waiting = True
        else:
            found.append(_request(user, members))
    return Found(tuple(sorted(found, key=lambda each: min(vm.id for vm in each.vms))), waiting)


def _asks(vm: Machine, without: bool) -> bool:
    if vm.state not in (PENDING, HOLD) or (vm.state == PENDING and waits_to_resume(vm)):
        return False
    if vm.asked is None and (not without or vm.state == HOLD):
        return False
    rejected = vm.said.get(STATE) == REJECTED
    if number_said(vm, LEASE) and not rejected:
        return False
    # One that was rejected is on hold; its owner who releases it asks again.
    return not (rejected and vm.state == HOLD)


def _request(owner: str, members: Sequence[Machine]) -> Request:
    wishes = {vm.id: _wish(vm.asked) for vm in members}
    first = members[0]
    wish, wrong = wishes[first.id]
    for vm in members:
        if not wrong and wishes[vm.id][1]:
            wrong = f"VM {vm.id}: {wishes[vm.id][1]}"
        elif not wrong and wishes[vm.id][0] != wish:
            wrong = f"VMs {first.id} and {vm.id} are of one group, but ask for different times"
    if len(members) > GROUP_MAX:
        wrong = f"a group has at most {GROUP_MAX} VMs, this one has {len(members)}"
    return Request(
        tuple(sorted(members, key=lambda vm: (vm.cpu, vm.cores, vm.memory, vm.id))),
        owner,
        first.group,
        "" if first.asked is None else first.asked.get("GROUP", "")[:128],
        wish,
        max(vm.since for vm in members),
        max(number_said(vm, LEASE) for vm in members),
        wrong,
    )


def _wish(asked: Mapping[str, str] | None) -> tuple[Wish, str]:
    """Return what an attribute asks for, and what is wrong with it."""
    if asked is None:
        return IMMEDIATE, ""
    unknown = [name for name in asked if name not in KNOWN]
    start: str | None = asked.get("START", _BEST_EFFORT)
    if start is not None and start.lower().replace("-", "_") == _BEST_EFFORT:
        start = None
    preemptible = asked.get("PREEMPTIBLE", "")
    wish = Wish(
        start, asked.get("DURATION", "") or "unlimited", asked.get("DEADLINE") or None, _YES_NO.get(preemptible.upper())
    )
    if unknown:
        return wish, f"HAIZEA: there is no {unknown[0][:32]}; there are {', '.join(KNOWN)}"
    if preemptible and wish.preemptible is None:
        return wish, f"HAIZEA: PREEMPTIBLE is yes or no, not {preemptible[:32]!r}"
    return wish, ""


def node_sets(vms: Sequence[Machine], *, by_cores: bool) -> list[tuple[int, Capacity]]:
    """Return what VMs need, neighbours that need the same taken together."""
    found: list[tuple[int, Capacity]] = []
    for vm in vms:
        demand = demand_of(vm, by_cores=by_cores)
        if found and found[-1][1] == demand:
            found[-1] = found[-1][0] + 1, demand
        else:
            found.append((1, demand))
    return found


def lacking(vms: Sequence[Machine], *, by_cores: bool) -> str:
    """Say what is missing of what VMs must say of themselves, empty where nothing is."""
    for vm in vms:
        demand = demand_of(vm, by_cores=by_cores)
        if not demand[CPU] or not demand[MEMORY]:
            return f"VM {vm.id} says neither how much CPU nor how much MEMORY it needs, or only one of them"
    return ""
