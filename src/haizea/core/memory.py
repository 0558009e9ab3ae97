"""What the scheduler knows, as trees of what JSON has, and back.

A scheduler that is given back what another one remembered goes on exactly as that one would have: the same leases in
the same order, the same reservations, the same next instants. What can be derived is not written down. Hosts are
named by their numbers in the site, which must stay the same; each VM's host is written as runs, ``[[host, count], …]``
in order of VM numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol, cast

from haizea.core.desk import Desk
from haizea.core.layout import planned_site, site_document, site_from
from haizea.model.events import Observed
from haizea.model.lease import (
    Constraints,
    DiskImage,
    LeaseState,
    LeaseTerms,
    NodeSet,
    OnEnd,
    OnFailure,
    OnGuestShutdown,
    Reactions,
)
from haizea.model.rates import Measured, Rates
from haizea.model.reason import Cause, Reason
from haizea.model.resources import Capacity
from haizea.model.site import HostState
from haizea.model.units import FAR_FUTURE
from haizea.plan.lease import Copy, Entry, Lease, Move, Phase, Stay, Wait
from haizea.plan.need import Need
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Placement

Document = dict[str, Any]

_STATES: Final = MappingProxyType({state.label: state for state in LeaseState})
_WAITING = (LeaseState.QUEUED, LeaseState.SUSPENDED_QUEUED)


class Learning(Protocol):
    """A policy that learns, and so has something to remember."""

    def remember(self) -> Any:
        """Return what it has learnt, as a tree of what JSON has."""

    def recall(self, remembered: Any, /) -> None:
        """Take back what it had learnt."""


class Forgotten(ValueError):
    """What was remembered does not go with this site or these rules; the message says what is wrong."""


# Leases ------------------------------------------------------------------------------------------------------


def lease_document(lease: Lease, desk: Desk) -> Document:
    """Return all that is known of a lease."""
    return {
        "id": lease.id,
        "terms": terms_document(lease.terms),
        "submitted": lease.submitted,
        "order": lease.order,
        "state": lease.state.label,
        "type": lease.type.value,
        "left": None if lease.left >= FAR_FUTURE else lease.left,
        "delivered": lease.delivered,
        "started": lease.started,
        "ended": lease.ended,
        "price": lease.price,
        "reason": None if lease.reason is None else reason_document(lease.reason),
        "wait": None if lease.wait is None else _wait_document(lease.wait),
        "images": None if lease.images is None else runs_of(lease.images),
        "stays": [_stay_document(stay, desk) for stay in lease.stays],
        "log": [_entry_document(entry, desk) for entry in lease.log],
        "transfers": [[host, list(vms), start, end] for host, vms, start, end in lease.transfers],
        "suspensions": lease.suspensions,
        "resumptions": lease.resumptions,
        "migrations": lease.migrations,
        "preemptions": lease.preemptions,
        "requeued": lease.requeued,
        "restarts": lease.restarts,
        "over": sorted(lease.over),
        "retries": lease.retries,
        "seen": [[vm, observed.value] for vm, observed in sorted(lease.seen.items())],
        "down": sorted(lease.down),
        "parked": lease.parked,
        "degraded": lease.degraded,
        "contradictions": lease.contradictions,
        "foreign": lease.foreign,
        "reserved": lease.reserved,
        "place": lease.place,
        "rank": lease.rank,
        "moving": [list(move) for move in lease.moving],
        "extensions": lease.extensions,
    }


def terms_document(terms: LeaseTerms) -> Document:
    """Return what was asked for."""
    constraints, image = terms.constraints, terms.software
    return {
        "nodes": [[count, dict(demand.items())] for count, demand in terms.nodes],
        "duration": terms.duration,
        "start": terms.start,
        "immediate": terms.immediate,
        "deadline": terms.deadline,
        "preemptible": terms.preemptible,
        "software": None if image is None else [image.id, image.size],
        "user": terms.user,
        "group": terms.group,
        "name": terms.name,
        "extra": dict(terms.extra),
        "require": [list(label) for label in constraints.require],
        "exclude": [list(label) for label in constraints.exclude],
        "spread": constraints.spread,
        "together": constraints.together,
        "on_guest_shutdown": terms.reactions.on_guest_shutdown.value,
        "on_failure": terms.reactions.on_failure.value,
        "on_end": terms.reactions.on_end.value,
        "extend_by": terms.reactions.extend_by,
        "priority": terms.priority,
        "grace": terms.grace,
    }


def terms_of(found: Mapping[str, Any]) -> LeaseTerms:
    """Return the terms that a document describes."""
    image = found["software"]
    return LeaseTerms(
        nodes=tuple([NodeSet(count, Capacity(demand)) for count, demand in found["nodes"]]),
        duration=found["duration"],
        start=found["start"],
        immediate=found["immediate"],
        deadline=found["deadline"],
        preemptible=found["preemptible"],
        software=None if image is None else DiskImage(image[0], image[1]),
        user=found["user"],
        group=found["group"],
        name=found["name"],
        extra=dict(found["extra"]),
        constraints=Constraints(
            tuple([(name, value) for name, value in found["require"]]),
            tuple([(name, value) for name, value in found["exclude"]]),
            found["spread"],
            found["together"],
        ),
        reactions=_reactions_of(found),
        priority=found.get("priority", 0),
        grace=found.get("grace", 0),
    )


def _reactions_of(found: Mapping[str, Any]) -> Reactions:
    # Stores that are older have only the first two.
    usual = Reactions()
    return Reactions(
        OnGuestShutdown(found["on_guest_shutdown"]),
        OnFailure(found["on_failure"]),
        OnEnd(found.get("on_end", usual.on_end)),
        found.get("extend_by", usual.extend_by),
    )


def reason_document(reason: Reason) -> Document:
    """Return why something is as it is."""
    return {
        "cause": reason.cause.value,
        "text": reason.text,
        "hosts": {cause.value: number for cause, number in reason.hosts},
        "leases": list(reason.leases),
        "retry_at": reason.retry_at,
    }


def reason_of(found: Mapping[str, Any]) -> Reason:
    """Return the reason that a document describes."""
    hosts = tuple([(Cause(cause), number) for cause, number in found["hosts"].items()])
    return Reason(Cause(found["cause"]), found["text"], hosts, tuple(found["leases"]), found["retry_at"])


def _wait_document(wait: Wait) -> list[Any]:
    return [wait.cause.value, wait.at, wait.free, wait.ahead]


def runs_of(hosts: Sequence[int]) -> list[list[int]]:
    """Write the host of every VM as runs."""
    runs: list[list[int]] = []
    for host in hosts:
        if runs and runs[-1][0] == host:
            runs[-1][1] += 1
        else:
            runs.append([host, 1])
    return runs


def hosts_from(runs: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Read the host of every VM from runs."""
    hosts: list[int] = []
    for host, count in runs:
        hosts += [host] * count
    return tuple(hosts)


def _stay_document(stay: Stay, desk: Desk) -> Document:
    return {
        "phase": stay.phase.name.lower(),
        "start": stay.start,
        "run_start": stay.run_start,
        "run_end": stay.run_end,
        "end": stay.end,
        "suspending": stay.suspending,
        "resuming": stay.resuming,
        "hosts": runs_of(hosts_of(stay, desk.table)),
        "copies": [[c.origin, c.destination, list(c.vms), c.start, c.end] for c in stay.copies],
        "timer": stay.timer,
        "due": stay.due,
        "cut": stay.cut,
    }


def _stay_of(found: Mapping[str, Any], lease: Lease, desk: Desk) -> Stay:
    hosts = hosts_from(found["hosts"])
    if len(hosts) != lease.need.vms or not all(0 <= host < len(desk.site.hosts) for host in hosts):
        raise Forgotten(f"lease {lease.id} was on hosts that this site does not have")
    stay = Stay(lease, desk.share(lease, hosts), found["start"], found["run_start"], found["run_end"], found["end"])
    stay.vm_hosts = hosts
    stay.phase = Phase[found["phase"].upper()]
    stay.suspending = found["suspending"]
    stay.resuming = found["resuming"]
    stay.copies = tuple([Copy(a, b, tuple(vms), start, end) for a, b, vms, start, end in found["copies"]])
    stay.timer = found["timer"]
    stay.due = found.get("due")
    stay.cut = found.get("cut", False)
    return stay


def _entry_document(entry: Entry, desk: Desk) -> list[Any]:
    stay = entry.stay
    copies = [[c.origin, c.destination, list(c.vms), c.start, c.end] for c in stay.copies]
    return [
        entry.kind,
        entry.start,
        entry.end,
        entry.outcome,
        runs_of(hosts_of(stay, desk.table)),
        copies if entry.kind == "migrate" else [],
        *([] if stay.sized is None else [_nodes_document(stay.sized)]),
    ]


def _nodes_document(need: Need) -> list[list[Any]]:
    return [[count, dict(demand.items())] for count, demand in zip(need.counts, need.demands, strict=True)]


def _entry_of(found: Sequence[Any], lease: Lease, desk: Desk) -> Entry:
    kind, start, end, outcome, runs, copies, *sized = found
    # What it held then is of no interest any more, and where it was may be gone.
    stay = Stay(lease, Placement((), (), ()), start, start, end, end)
    stay.vm_hosts, stay.phase = hosts_from(runs), Phase.OVER
    if sized:
        nodes = tuple([NodeSet(count, Capacity(demand)) for count, demand in sized[0]])
        stay.sized = desk.needs.of(lease.terms._replace(nodes=nodes))
    stay.copies = tuple([Copy(a, b, tuple(vms), begin, over) for a, b, vms, begin, over in copies])
    return Entry(kind, stay, start, end, outcome)


def _lease_of(found: Mapping[str, Any], desk: Desk) -> Lease:
    terms = terms_of(found["terms"])
    lease = Lease(found["id"], terms, desk.needs.of(terms), found["submitted"], found["order"])
    lease.state = _STATES[found["state"]]
    lease.left = FAR_FUTURE if found["left"] is None else found["left"]
    lease.delivered = found["delivered"]
    lease.started = found["started"]
    lease.ended = found["ended"]
    lease.price = found["price"]
    lease.reason = None if found["reason"] is None else reason_of(found["reason"])
    wait = found["wait"]
    lease.wait = None if wait is None else Wait(Cause(wait[0]), wait[1], wait[2], wait[3])
    lease.over = frozenset(found["over"])
    _recall_unexpected(lease, found)
    if found["images"] is not None:
        lease.images = hosts_from(found["images"])
        lease.rested = desk.share(lease, lease.images)
    lease.log = [_entry_of(entry, lease, desk) for entry in found["log"]]
    lease.transfers = tuple([(host, tuple(vms), start, end) for host, vms, start, end in found["transfers"]])
    lease.suspensions = found["suspensions"]
    lease.resumptions = found["resumptions"]
    lease.migrations = found["migrations"]
    lease.preemptions = found["preemptions"]
    lease.requeued = found["requeued"]
    lease.restarts = found["restarts"]
    lease.reserved = found["reserved"]
    lease.place = found["place"]
    lease.rank = found.get("rank", 0)
    lease.extensions = found.get("extensions", 0)
    lease.stays = [_stay_of(stay, lease, desk) for stay in found["stays"]]
    return lease


def _recall_unexpected(lease: Lease, found: Mapping[str, Any]) -> None:
    """Take back what befell a lease that was not planned. Stores that are older do not have it."""
    lease.retries = found.get("retries", 0)
    seen = found.get("seen")
    if seen:
        lease.seen = {vm: Observed(observed) for vm, observed in seen}
    lease.down = frozenset(found.get("down", ()))
    lease.parked = found.get("parked", "")
    lease.degraded = found.get("degraded", False)
    lease.contradictions = found.get("contradictions", 0)
    lease.foreign = found.get("foreign", False)
    if found.get("moving"):
        lease.moving = tuple([Move(*move) for move in found["moving"]])


# The rest ----------------------------------------------------------------------------------------------------


def desk_document(desk: Desk, order: int) -> Document:
    """Return what is known beside the leases; ``order`` is how many leases there have been."""
    learnt = {kind: policy.remember() for kind, policy in _learning(desk)}
    return {
        "now": desk.now,
        "order": order,
        "sequence": desk.sequence,
        "freed_until": desk.freed_until,
        "has_deadlines": desk.has_deadlines,
        "hosts": {str(i): state.value for i, state in sorted(desk.hosts.observed.items())},
        "ordered": {str(i): state.value for i, state in sorted(desk.hosts.ordered.items())},
        "claims": desk.claims.remember(),
        "pauses": desk.pauses,
        "overcommitted": {str(host): dict(percent) for host, percent in desk.overcommitted.items()},
        "labels": {str(host): dict(labels) for host, labels in desk.labels.items()},
        "site": site_document(desk.real) if desk.resited else None,
        "images": None if desk.images is None else desk.images.remember(),
        "learnt": learnt,
        "metered": desk.metered,
        "turns": [[lease.id, lease.turn] for lease in desk.leases.values() if lease.turn] if desk.ordered else [],
        "rates": _rates_document(desk.rates),
        "alarms": desk.alarms.remember(),
    }


def _rates_document(rates: Rates) -> list[Any]:
    return [*rates[:-1], [list(each) for each in rates.hosts]]


def _rates_from(found: Sequence[Any]) -> Rates:
    """Return rates as they were remembered; earlier versions knew fewer."""
    site = len(Rates._fields) - 1
    hosts = found[site] if len(found) > site else ()
    return Rates(*found[:site])._replace(hosts=tuple([Measured(*each) for each in hosts]))


def _learning(desk: Desk) -> list[tuple[str, Learning]]:
    found = desk.policies._asdict().items()
    return [(kind, cast(Learning, policy)) for kind, policy in found if hasattr(policy, "recall")]


def restore(desk: Desk, leases: Iterable[Mapping[str, Any]], rest: Mapping[str, Any]) -> None:
    """Give an empty desk what another one remembered.

    Raises:
        Forgotten: it does not go with this site, or with itself.
    """
    try:
        _restore(desk, leases, rest)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise Forgotten(f"what was remembered of the schedule is not complete: {error!r}") from error


def _restore(desk: Desk, leases: Iterable[Mapping[str, Any]], rest: Mapping[str, Any]) -> None:
    _recall_site(desk, rest)
    desk.set_rates(_rates_from(rest.get("rates", ())))
    for kind, note in (("hosts", desk.hosts.set_state), ("ordered", desk.hosts.order)):
        for number, state in rest.get(kind, {}).items():
            if int(number) >= len(desk.site.hosts):
                raise Forgotten(f"host number {number} is not in this site")
            note(int(number), HostState(state))
    for found in sorted(leases, key=_order):
        lease = _lease_of(found, desk)
        desk.leases[lease.id] = lease
        for stay in lease.stays:
            if stay.end > desk.now:
                desk.table.hold(max(stay.start, desk.now), stay.end, stay.placement.held)
            if stay.copies and stay.phase is Phase.PLANNED:
                desk.note_copies(stay)
            if stay.phase is not Phase.RUNNING or stay.run_end < FAR_FUTURE:
                desk.set_timer(stay)
    for number, turn in rest.get("turns", ()):
        if number in desk.leases:
            desk.leases[number].turn = turn
    present = sorted(desk.leases.values(), key=_place)
    for lease in present:
        if lease.degraded:
            desk.degraded.add(lease.id)
        if lease.reserved:
            desk.reserved.append(lease)
        elif lease.state in _WAITING and not lease.parked and not lease.degraded:
            desk.queue.append(lease)
            desk.queue_least = min(desk.queue_least, lease.need.key)
    if rest["images"] is not None:
        if desk.images is None:
            raise Forgotten("images were transferred, but now lease-preparation says that they are not managed")
        for transfer in desk.images.recall(rest["images"], desk.leases):
            desk.set_transfer_timer(transfer)
    _recall_claims(desk, rest)
    desk.ranked = any(lease.rank for lease in present)
    desk.metered = rest.get("metered", 0)
    if desk.ordered or any(lease.turn for lease in present):
        # What leases were ordered by may be another policy's.
        desk.order_anew()
    desk.pauses = dict(rest.get("pauses", {}))
    desk.alarms.recall(rest.get("alarms", ()))
    desk.sequence = rest["sequence"]
    desk.freed_until = rest["freed_until"]
    desk.has_deadlines = rest["has_deadlines"]
    for kind, policy in _learning(desk):
        if kind in rest["learnt"]:
            policy.recall(rest["learnt"][kind])


def _recall_site(desk: Desk, rest: Mapping[str, Any]) -> None:
    """Lay the desk out for the site as it was ordered to be, and as it had become."""
    overcommitted = {int(host): percent for host, percent in rest.get("overcommitted", {}).items()}
    labels = {int(host): given for host, given in rest.get("labels", {}).items()}
    found = rest.get("site")
    if not (overcommitted or labels or found):
        return
    real = desk.real if found is None else site_from(found)
    if max([0, *overcommitted, *labels]) >= len(real.hosts):
        raise Forgotten("something was ordered about hosts that this site does not have")
    desk.lay_out(planned_site(real, overcommitted, labels))
    desk.real, desk.overcommitted, desk.labels, desk.resited = real, overcommitted, labels, found is not None


def _recall_claims(desk: Desk, rest: Mapping[str, Any]) -> None:
    if "claims" not in rest:
        return
    held = desk.claims.recall(rest["claims"])
    hosts = sorted({piece.host for piece in held})
    if hosts and hosts[-1] >= len(desk.site.hosts):
        raise Forgotten(f"something is claimed of host number {hosts[-1]}, which is not in this site")
    if hosts:
        desk.units.suit([amounts for host in hosts for amounts in desk.claims.amounts(host)], desk.needs)
    for piece in held:
        desk.claims.hold(piece)


def _order(found: Mapping[str, Any]) -> int:
    order: int = found["order"]
    return order


def _place(lease: Lease) -> tuple[int, int, int, int]:
    return lease.rank, lease.turn, lease.submitted, lease.place
