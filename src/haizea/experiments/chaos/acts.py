"""How each act of a plan is carried out: requests, orders, and faults of every class."""

from collections.abc import Callable, Sequence
from typing import Final

from haizea.backends.pretence import ACTS, Impossible
from haizea.experiments.chaos.ordering import ORDERERS
from haizea.experiments.chaos.plan import OPERATIONS, REQUEST, Act
from haizea.experiments.chaos.requests import terms
from haizea.experiments.chaos.world import World
from haizea.model.events import Observed
from haizea.model.lease import LeaseState
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import MINUTE, SECOND

LABELS: Final = ("begin", "begun", "jobs", "decided", "written", "committed", "answered", "sent", "reserved", "resent")
"""Points at which the daemon is killed."""

PACES: Final = ("3x", "0.3x", "10x", "1.5x", "40x", "1x")
_DOWNTIMES: Final = (0, SECOND, 20 * SECOND, 5 * MINUTE, 30 * MINUTE)
_JUMP_MOST: Final = 600


def perform(world: World, act: Act) -> None:
    """Carry out an act, where there is something that it can happen to."""
    if act.kind == REQUEST:
        hosts = len(world.settings.site.hosts)
        world.request(f"key-{act.number}", terms(act.draws, world.now, hosts))
        return
    family, _, what = act.kind.partition("-")
    if family == "order" and what not in ORDERERS:
        world.front.order(what, act.draws)
        return
    if family == "order":
        ORDERERS[what](world, act.draws)
        return
    if _FAMILIES[family](world, what, act.draws):
        world.counts[act.kind] += 1


def _vm(world: World, what: str, draws: Sequence[int]) -> bool:
    """Something happens to a VM, or to all of a lease."""
    act = ACTS[what]
    can = [
        one for one in world.fate.vms() if one.observed in act.when and one.lease in world.live.scheduler.desk.leases
    ]
    if not can:
        return False
    one = can[draws[0] % len(can)]
    hosts = world.settings.site.hosts
    to = hosts[draws[2] % len(hosts)].name if what == "migrate" else None
    whole = draws[1] % 3 == 0
    try:
        world.fate.act(one.lease, None if whole else one.vm, what, "ann", to)
    except Impossible:
        world.fate.act(one.lease, one.vm, what, "ann", to)
    world.advance()
    return True


def _host(world: World, what: str, draws: Sequence[int]) -> bool:
    """Something happens to a host."""
    site = world.settings.site
    number = draws[0] % len(site.hosts)
    if what == "resize":
        share = (50, 75, 100, 150)[draws[1] % 4]
        amounts = {name: amount * share // 100 for name, amount in site.hosts[number].capacity.items()}
        world.fate.set_capacity(site.hosts[number].name, Capacity(amounts))
        return True
    if what in ("recover", "enable"):
        wrong = [one.host for one in world.fate.hosts() if one.state.value != "up"]
        if not wrong:
            return False
        number = wrong[draws[0] % len(wrong)]
    world.fate.act_on_host(site.hosts[number].name, what)
    world.advance()
    return True


def _stray(world: World, _what: str, draws: Sequence[int]) -> bool:
    """There is a VM of a lease that there is not."""
    over = [number for number in world.acknowledged if number not in world.live.scheduler.desk.leases]
    lease = over[draws[1] % len(over)] if over and draws[2] % 2 else 100_000 + draws[1] % 50
    if world.fate.vm(lease, 1) is not None:
        return False
    world.fate.put(lease, 1, Observed.RUNNING, draws[0] % len(world.settings.site.hosts))
    return True


def _stranger(world: World, what: str, draws: Sequence[int]) -> bool:
    """Somebody starts or ends a VM that is no lease's."""
    there = world.fate.strangers()
    if what == "gone":
        if there:
            world.fate.remove_stranger(there[draws[0] % len(there)].name)
        return bool(there)
    hosts = world.settings.site.hosts
    host = hosts[draws[0] % len(hosts)]
    world.fate.put_stranger(f"vm-{draws[1] % 1000}", host.name, Capacity({CPU: 100, MEMORY: 1024}))
    return True


def _pace(world: World, _what: str, draws: Sequence[int]) -> bool:
    """Operations of a kind are slow or fast from now on."""
    world.fate.set_pace(OPERATIONS[draws[0] % len(OPERATIONS)], PACES[draws[1] % len(PACES)])
    return True


def _operation(world: World, _what: str, draws: Sequence[int]) -> bool:
    """The next operations of a kind fail."""
    world.fate.set_fault(OPERATIONS[draws[0] % len(OPERATIONS)], 1 + draws[1] % 4)
    return True


def _transfer(world: World, what: str, draws: Sequence[int]) -> bool:
    """Images take long to come from now on, or the next ones do not come."""
    if what == "slow":
        world.fate.set_pace("transfer", PACES[draws[0] % 4])
    else:
        world.fate.set_fault("transfer", 1 + draws[0] % 3)
    return world.live.scheduler.desk.images is not None


def _courier(world: World, _what: str, draws: Sequence[int]) -> bool:
    """The next notices cannot be sent at once."""
    return world.front.fail(1 + draws[0] % 5)


def _platform(world: World, what: str, draws: Sequence[int]) -> bool:
    """The platform misbehaves for a while."""
    permille = 1000 if what == "away" else 50 + draws[0] % 450
    world.misbehave(what, permille, (1 + draws[1] % 10) * MINUTE)
    return True


def _clock(world: World, what: str, draws: Sequence[int]) -> bool:
    """The clock is set."""
    by = (1 + draws[0] % _JUMP_MOST) * SECOND
    world.jump(by if what == "forward" else -by)
    return True


def _store(world: World, _what: str, draws: Sequence[int]) -> bool:
    """The store cannot be reached for a while."""
    span = (1 + draws[0] % 900) * SECOND
    world.store.away_until = max(world.store.away_until, world.now + span)
    world.disturb(span)
    return True


def _kill(world: World, what: str, draws: Sequence[int]) -> bool:
    """The daemon is killed, between steps or within one."""
    downtime = _DOWNTIMES[draws[1] % len(_DOWNTIMES)]
    if what == "in-transfer":
        if world.live.scheduler.desk.images is None:
            return False
        world.arm_transfer(downtime)
    elif what == "within":
        world.arm(LABELS[draws[0] % len(LABELS)], draws[2] % 6, downtime)
    else:
        world.restart(downtime)
    return True


_FAMILIES: Final[dict[str, Callable[[World, str, Sequence[int]], bool]]] = {
    "vm": _vm,
    "host": _host,
    "stray": _stray,
    "stranger": _stranger,
    "pace": _pace,
    "operation": _operation,
    "transfer": _transfer,
    "courier": _courier,
    "platform": _platform,
    "clock": _clock,
    "store": _store,
    "kill": _kill,
}


def _put_back(world: World) -> None:
    """Whoever resumed VMs of suspended leases on hold suspends them again: nobody waits for what is left to people."""
    leases = world.live.scheduler.desk.leases
    for one in world.fate.vms():
        lease = leases.get(one.lease)
        if lease is None or lease.state is not LeaseState.HELD or not lease.images or lease.stays:
            continue
        if one.observed in (Observed.RUNNING, Observed.PAUSED):
            world.fate.act(one.lease, one.vm, "suspend", "ann")


def calm(world: World) -> None:
    """Have nothing go wrong any more, and undo what people ordered about hosts and the scheduler."""
    site = world.settings.site
    world.windows.clear()
    world.store.away_until = 0
    world.disarm()
    for kind in OPERATIONS:
        world.fate.set_pace(kind, "1x")
        world.fate.set_fault(kind, 0)
    for number, host in enumerate(site.hosts):
        if world.fate.hosts()[number].state.value != "up":
            world.fate.act_on_host(host.name, "recover")
        world.fate.set_capacity(host.name, host.capacity)
    for stranger in world.fate.strangers():
        world.fate.remove_stranger(stranger.name)
    for one in world.fate.vms():
        if one.observed is Observed.UNKNOWN:
            world.fate.act(one.lease, one.vm, "find", "")
    _put_back(world)
    world.advance()
    # A store that is back is written again with the next steps, and takes orders then.
    world.run(world.now + 2 * MINUTE)
    for number in range(len(site.hosts)):
        ORDERERS["enable"](world, (number,))
        ORDERERS["overcommit"](world, (number, 0, 0))
    for what in ("resume-scheduling", "resume-intake"):
        ORDERERS[what](world, ())
    for window in list(world.live.scheduler.desk.claims.windows):
        ORDERERS["maintenance-over"](world, (window, 1))
