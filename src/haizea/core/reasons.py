"""Putting into words, with counts, why a lease waits or was refused."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from haizea.core.desk import Desk
from haizea.model.lease import NO_CONSTRAINTS, LeaseTerms
from haizea.model.reason import Cause, Reason
from haizea.model.resources import Capacity, describe
from haizea.model.units import DAY, FAR_FUTURE, HOUR, MINUTE, SECOND, Instant, Span
from haizea.plan.hosts import labelled
from haizea.plan.lease import Lease
from haizea.plan.mapping import room
from haizea.plan.need import demands_of
from haizea.plan.options import Migration
from haizea.plan.packing import Mask

NO_ROOM: Final = Reason(Cause.RESERVED, "There is no room for it at the moment.")
NOT_PREPARED: Final = Reason(Cause.PREPARATION, "Its disk images cannot be at the hosts in time.")

_LEASES_NAMED = 5
_LEASES_LOOKED_AT = 20_000
_PROBES_MAX = 200
_IMPOSSIBLE_MAX = 100_000


def instant(at: Instant) -> str:
    """Write an instant in ISO 8601, in UTC."""
    days, rest = divmod(at, DAY)
    year, month, day = _date(days)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    second, milli = divmod(rest, SECOND)
    text = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
    return f"{text}.{milli:03d}Z" if milli else f"{text}Z"


def span(length: Span) -> str:
    """Write a length of time as people say it: ``10 h``, ``1 d 30 min``, ``2.5 s``."""
    # Whole simulations are told in these, so it calls as little as it can.
    rest = length % MINUTE if length > 0 else 0
    minutes = length // MINUTE if length > 0 else 0
    hours, of_hour = minutes // 60 % 24, minutes % 60
    text = f"{minutes // 1440} d " if minutes >= 1440 else ""
    if hours:
        text = f"{text}{hours} h "
    if of_hour:
        text = f"{text}{of_hour} min "
    if text and not rest:
        return text[:-1]
    return f"{text}{rest / SECOND:g} s" if rest % SECOND else f"{text}{rest // SECOND} s"


def _date(days: int) -> tuple[int, int, int]:
    """Turn days since 1970 into a date (Hinnant's ``civil_from_days``)."""
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def wanted(terms: LeaseTerms) -> str:
    """Say what a lease asks for: ``4 hosts with 2 cores and 4096 MiB``."""
    parts = [f"{n.count} VM{'s' if n.count > 1 else ''} with {describe(n.demand)}" for n in terms.nodes]
    return " and ".join(parts)


def too_expensive(text: str | None) -> Reason:
    """The user would not pay so much."""
    return Reason(Cause.PRICE, text or "Its user is not willing to pay the price.")


def start_is_past(start: Instant, now: Instant) -> Reason:
    """The start that was asked for is over."""
    return Reason(Cause.PAST, f"It was to start at {instant(start)}, but it is {instant(now)} already.", retry_at=now)


def start_is_too_soon(start: Instant, now: Instant, interval: Span) -> Reason:
    """The start that was asked for comes sooner than anything can that is decided now."""
    text = f"It was to start at {instant(start)}, but what is asked for at {instant(now)} can start at"
    text += f" {instant(now + interval)} at the earliest: {span(interval)} have to pass before."
    return Reason(Cause.PAST, text, retry_at=now + interval)


def deadline_too_soon(lease: Lease, now: Instant) -> Reason:
    """Not even an empty site could end the lease in time."""
    start, deadline = max(lease.terms.start or now, now), lease.terms.deadline or now
    text = f"It needs {span(lease.left)}, but from {instant(start)} to its deadline at {instant(deadline)}"
    return Reason(Cause.DEADLINE, f"{text} there is only {span(deadline - start)}.")


def deadline_not_met(desk: Desk, lease: Lease) -> Reason:
    """There is no place for the lease before its deadline that leaves all promises kept."""
    start, deadline = max(lease.terms.start or desk.now, desk.now), lease.terms.deadline or desk.now
    at_once = no_room_at(desk, lease, start, start + lease.left)
    ends = (
        ""
        if at_once.retry_at is None
        else f" The nearest end it could have is {instant(at_once.retry_at + lease.left)}."
    )
    text = (
        f"It cannot end by {instant(deadline)} without another lease missing what it was promised.{ends} {at_once.text}"
    )
    return Reason(Cause.DEADLINE, text, at_once.hosts, at_once.leases, at_once.retry_at)


def refused_by_policy(text: str) -> Reason:
    """The admission policy said no."""
    return Reason(Cause.POLICY, text)


def impossible(desk: Desk, lease: Lease) -> Reason | None:
    """Say why a lease could not even run on the empty site; None where it could.

    Hosts are counted whatever state they are in: one that is down may come back.
    """
    if lease.images and desk.options.migration is Migration.NO:
        return _bound_to_small_hosts(desk, lease, lease.images)
    site, need, constraints = desk.site, lease.need, lease.terms.constraints
    unknown = sorted({name for demand in need.demands for name in demand if name not in site.resource_types})
    if unknown:
        kinds = ", ".join(site.resource_types)
        text = f"It asks for {', '.join(unknown)}, which this site does not have; it has {kinds}."
        return Reason(Cause.UNKNOWN_RESOURCE, text)
    if any(not len(demand) for demand in need.demands):
        return Reason(
            Cause.UNKNOWN_RESOURCE, "It has VMs that need nothing at all; say how much CPU and memory they need."
        )
    full = [t.packing.full for t in desk.table.timelines]
    labelled_hosts = desk.hosts.labelled(constraints)
    if desk.planner.mapper.place(need, full, labelled_hosts, constraints) is not None:
        return None
    # A host that was taken away keeps its number, and has nothing.
    present = [host for host in site.hosts if len(host.capacity)]
    chosen = [host for host in present if labelled(host, constraints)]
    fitting = sum(1 for host in chosen if any(demand.fits_in(host.capacity) for demand in need.demands))
    counts = ((Cause.LABELS, len(present) - len(chosen)), (Cause.TOO_SMALL, len(chosen) - fitting))
    text = f"It needs {wanted(lease.terms)}; even when nothing else runs, the site's {len(present)} hosts have no "
    text += "room for that"
    details = []
    if counts[0][1]:
        details.append(_some(counts[0][1], "do", "not have the labels wanted"))
    if counts[1][1]:
        details.append(_some(counts[1][1], "are", "too small for one VM"))
    if constraints.together:
        details.append("its VMs must be on one host" + (" and on different ones" if constraints.spread else ""))
    elif constraints.spread:
        details.append("its VMs must be on different hosts")
    return Reason(
        Cause.TOO_SMALL, text + (": " + ", ".join(details) if details else "") + ".", tuple(c for c in counts if c[1])
    )


def _bound_to_small_hosts(desk: Desk, lease: Lease, images: tuple[int, ...]) -> Reason | None:
    """Say which hosts have become too small for the VMs whose memory images they have."""
    needed: dict[int, Capacity] = {}
    for vm, demand in enumerate(demands_of(lease.need), 1):
        if vm not in lease.over:
            host = images[vm - 1]
            needed[host] = needed.get(host, Capacity()).plus(demand)
    hosts = desk.site.hosts
    small = [hosts[host].name for host, demand in sorted(needed.items()) if not demand.fits_in(hosts[host].capacity)]
    if not small:
        return None
    text = f"Its memory images are on {', '.join(small)}, with no room for its VMs even when nothing else runs there"
    text += "; and VMs of this site do not move between hosts (its option migration is no)."
    return Reason(Cause.TOO_SMALL, text)


def never(desk: Desk, lease: Lease) -> Reason | None:
    """Return what :func:`impossible` says, which is found out once for all leases that are alike."""
    if lease.images:
        return impossible(desk, lease)
    known, need, constraints = desk.impossible, lease.need, lease.terms.constraints
    # A need is itself and no other, and is found in no time; constraints are compared by what they say.
    key = need if constraints is NO_CONSTRAINTS else (need, constraints)
    if key not in known:
        if len(known) > _IMPOSSIBLE_MAX:
            known.clear()
        known[key] = impossible(desk, lease)
    return known[key]


def no_room_at(desk: Desk, lease: Lease, start: Instant, end: Instant) -> Reason:
    """Say why a reservation does not fit, who is in the way until when, and when it would fit."""
    constraints, gone = lease.terms.constraints, _gone(desk)
    hosts = len(desk.site.hosts) - len(gone)
    states = desk.table.window(start, end)
    usable, with_labels = desk.hosts.usable(constraints), desk.hosts.labelled(constraints)
    if gone:
        there = desk.table.masks(set(range(len(desk.site.hosts))) - gone)
        with_labels = [mask & present for mask, present in zip(with_labels, there, strict=True)]
    fits = _count(_roomy(desk, lease, states), usable)
    unlabelled = hosts - _count(with_labels)
    down = _count(with_labels) - _count(usable)
    small = _count(usable) - _count(_roomy(desk, lease, [t.packing.full for t in desk.table.timelines]), usable)
    reserved = hosts - fits - unlabelled - down - small
    blocking, until = _blocking(desk, lease, start, end)
    to = f"to {instant(end)}" if end < FAR_FUTURE else "on, without end"
    parts = [
        f"It needs {wanted(lease.terms)} from {instant(start)} {to}",
        _fit_phrase(desk, lease, states, fits, hosts),
    ]
    if reserved:
        by = f" by lease{'s' if len(blocking) > 1 else ''} {_names(blocking)}" if blocking else ""
        parts.append(_some(reserved, "are", f"reserved{by}") + ("" if until is None else f" until {instant(until)}"))
    counts = ((small, "are", "too small"), (down, "are", "not up"), (unlabelled, "do", "not have the labels wanted"))
    parts += [_some(*each) for each in counts if each[0]]
    nearest = nearest_start(desk, lease, start, end - start)
    advice = "" if nearest is None else f" The nearest start at which it would fit is {instant(nearest)}."
    causes = ((Cause.RESERVED, reserved), (Cause.TOO_SMALL, small), (Cause.NOT_UP, down), (Cause.LABELS, unlabelled))
    counted = tuple(cause for cause in causes if cause[1])
    return Reason(Cause.RESERVED, "; ".join(parts) + "." + advice, counted, tuple(blocking), nearest)


def _some(number: int, do: str, what: str) -> str:
    """Say of so many hosts what they are, or do not have."""
    return f"{number} {do if number != 1 else {'are': 'is', 'do': 'does'}[do]} {what}"


def _gone(desk: Desk) -> frozenset[int]:
    """Return the hosts that were taken away: they keep their numbers, and have nothing."""
    if not desk.resited:
        return frozenset()
    return frozenset(number for number, host in enumerate(desk.site.hosts) if not len(host.capacity))


def _names(leases: list[int]) -> str:
    named = ", ".join(map(str, leases[:_LEASES_NAMED]))
    return f"{named} and others" if len(leases) > _LEASES_NAMED else named


def _roomy(desk: Desk, lease: Lease, states: Sequence[int]) -> list[Mask]:
    """Return the hosts that have room for any one of a lease's VMs."""
    masks = [0] * len(states)
    for shapes in lease.need.shapes:
        for i, (timeline, shape) in enumerate(zip(desk.table.timelines, shapes, strict=True)):
            if shape.per_host_max:
                masks[i] |= timeline.packing.fits(states[i], shape.multiples[1])
    return masks


def _count(masks: Sequence[Mask], within: Sequence[Mask] | None = None) -> int:
    """Count the hosts in the masks of all blocks, or those that are in two such lists of masks."""
    if within is None:
        return sum([mask.bit_count() for mask in masks])
    return sum([(mask & other).bit_count() for mask, other in zip(masks, within, strict=True)])


def _fit_phrase(desk: Desk, lease: Lease, states: list[int], fits: int, hosts: int) -> str:
    if len(lease.need.shapes) != 1:
        return f"{fits} of {hosts} hosts have room for a VM"
    packings = [t.packing for t in desk.table.timelines]
    vms = room(packings, lease.need.shapes[0], states, desk.hosts.usable(lease.terms.constraints))
    return f"{fits} of {hosts} hosts have room, for {vms} VM{'' if vms == 1 else 's'}"


def _blocking(desk: Desk, lease: Lease, start: Instant, end: Instant) -> tuple[list[int], Instant | None]:
    """Return the leases that hold something between two instants, and when the first of them lets go."""
    found, until = [], None
    for other in islice(desk.leases.values(), _LEASES_LOOKED_AT):
        for stay in other.stays:
            if other is not lease and stay.start < end and stay.end > start:
                found.append(other.id)
                until = stay.end if until is None else min(until, stay.end)
                break
    return sorted(found), until


def nearest_start(desk: Desk, lease: Lease, after: Instant, length: Span) -> Instant | None:
    """Return the next instant from which a lease would fit for so long without preempting anyone, if one is found."""
    usable = desk.hosts.usable(lease.terms.constraints)
    starts = desk.table.profile().starts(lease.need.key, length, after)
    for at in islice(starts, _PROBES_MAX):
        if desk.planner.find(lease, at, at + length, usable) is not None:
            return at
    return None


def waited(lease: Lease, asked_for: str, soonest: Span = 0) -> str:
    """Say why a best-effort lease waited, nothing where it did not.

    ``asked_for`` is what :func:`wanted` says of its terms; nothing starts until ``soonest`` after it was asked for.
    """
    until = lease.started if lease.started is not None else lease.ended
    length = until - lease.submitted if until is not None else 0
    time = f"waited {span(length // SECOND * SECOND)}" if until is not None else "waits"
    wait = lease.wait
    if wait is None:
        if not length and until is not None:
            return ""
        if any(end == lease.started for _host, _vms, _start, end in lease.transfers):
            return f"{time}: its disk image had to be brought to its hosts first"
        if until is not None and length <= soonest:
            return f"{time}: nothing starts sooner after it was asked for"
        return f"{time}: others were in front"
    vms = lease.need.vms
    fit = min(vms, wait.free * vms // (lease.need.key or 1))
    text = f"{time}: needs {asked_for}; room for {fit} of {vms} when it was looked at first"
    return f"{text}; lease {wait.ahead} had a reservation" if wait.ahead else text
