"""The orders that can be given about a lease: one table, from which every front end has them.

Each row says what is sent, what event it makes of it for the scheduler, and how the journal puts it. Whether the order
can be carried out is for the scheduler to say.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from haizea.core.reasons import instant, wanted
from haizea.model import orders
from haizea.model.events import CancelRequested, Event, LeaseOrdered, WishesChanged
from haizea.model.lease import LeaseState, LeaseTerms, LeaseType
from haizea.model.site import Site
from haizea.model.units import FAR_FUTURE, SECOND, Instant, Span
from haizea.plan.lease import Lease
from haizea.service.errors import Conflict, Invalid, NotFound
from haizea.service.instants import read_instant
from haizea.service.order_models import (
    AnnotateIn,
    ExtendIn,
    GiveIn,
    MigrateIn,
    MoveIn,
    OrderIn,
    PrioritiseIn,
    RecoverIn,
    ResizeIn,
    RestartIn,
    ShortenIn,
)
from haizea.service.quotas import cpu_of
from haizea.service.terms import annotated, node_sets, span_of

Order = orders.LeaseOrder


class Case(NamedTuple):
    """What an order is about: the lease, which of its VMs (0: all), the site, the present."""

    lease: Lease
    vm: int
    site: Site
    now: Instant


class Wish(NamedTuple):
    """Terms that a lease is to have from now on, which no plan depends on."""

    terms: LeaseTerms


class LeaseVerb(NamedTuple):
    """A row. ``name`` is how front ends call it; ``verb`` is what access is checked for.

    ``order`` makes of what was sent an order, or None where the lease is to be cancelled. ``done`` says what has become
    of the lease, to go after "is" and "was". ``of_vm``: it is about one VM. ``ends``: VMs or what they did is lost.
    """

    name: str
    verb: str
    model: type[OrderIn]
    order: Callable[[Case, Any], Order | Wish | None]
    done: Callable[[Any], str]
    says: str
    of_vm: bool = False
    ends: bool = False


def event_of(order: Order | Wish | None, case: Case, by: str, reason: str) -> Event:
    """Return what the scheduler is handed for an order."""
    lease = case.lease.id
    if order is None:
        return CancelRequested(case.now, lease, f"{by}: {reason}" if reason else by)
    if isinstance(order, Wish):
        return WishesChanged(case.now, lease, order.terms)
    return LeaseOrdered(case.now, lease, order, by, reason)


def terms_after(lease: Lease, order: Order | Wish | None, now: Instant) -> LeaseTerms | None:
    """Return the terms that quotas have to allow before an order is carried out; None where it takes nothing more."""
    terms = lease.terms
    if isinstance(order, orders.Last):
        more = order.duration is None or (terms.duration is not None and order.duration > terms.duration)
        return terms._replace(duration=order.duration) if more else None
    if isinstance(order, orders.StartAt):
        return terms._replace(start=order.start)
    if isinstance(order, orders.Resize):
        resized = terms._replace(nodes=order.nodes)
        more = any(now > before for now, before in zip(_amounts(resized), _amounts(terms), strict=True))
        return resized if more else None
    if isinstance(order, orders.Resume):
        return _resumed(lease, now)
    if isinstance(order, Wish) and (order.terms.user, order.terms.group) != (terms.user, terms.group):
        return order.terms
    return None


def _amounts(terms: LeaseTerms) -> tuple[int, int, int]:
    """Return what quotas count of VMs."""
    return terms.node_count, cpu_of(terms), terms.memory


def _resumed(lease: Lease, now: Instant) -> LeaseTerms | None:
    """Return the terms of a lease that was suspended at its end, and that gets more time by being resumed."""
    terms = lease.terms
    if not lease.parked or lease.left or lease.state is not LeaseState.SUSPENDED_QUEUED or terms.duration is None:
        return None
    more = terms.reactions.extend_by
    if lease.type is LeaseType.ADVANCE_RESERVATION and terms.start is not None:
        return terms._replace(duration=now + more - terms.start)
    return terms._replace(duration=terms.duration + more)


def host_number(site: Site, name: str) -> int:
    """Return the number of a host that is given by its name or number.

    Raises:
        NotFound: there is none.
    """
    for number, host in enumerate(site.hosts):
        if host.name == name and len(host.capacity):
            return number
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else len(site.hosts)
    # A host that is gone has kept its number, and has nothing.
    if number < len(site.hosts) and len(site.hosts[number].capacity):
        return number
    raise NotFound(
        f"there is no host {name[:128]!r}", code="no-host", remedy="GET /v1/hosts (haizea host list) shows them."
    )


# What is sent, as orders -------------------------------------------------------------------------------------


def _plain(order: Order) -> Callable[[Case, OrderIn], Order]:
    return lambda _case, _given: order


def _extended(case: Case, given: ExtendIn) -> Order:
    present = case.lease.terms.duration
    duration = _lasting(case, given, 1)
    if present is None or (duration is not None and duration <= present):
        text = "lasts for ever already" if present is None else f"lasts {_said(present)} already"
        raise Conflict(
            f"lease {case.lease.id} {text}; that is no extension",
            code="not-longer",
            remedy="Shorten it, if it is to last less long.",
        )
    return orders.Last(duration)


def _shortened(case: Case, given: ShortenIn) -> Order:
    present = case.lease.terms.duration
    duration = _lasting(case, given, -1)
    if duration is None or (present is not None and duration >= present):
        text = "" if present is None else f"lasts {_said(present)} already; "
        raise Conflict(
            f"lease {case.lease.id} {text}that would not be shorter",
            code="not-shorter",
            remedy="Extend it, if it is to last longer.",
        )
    if duration <= 0:
        raise Conflict(
            f"nothing would be left of lease {case.lease.id}",
            code="nothing-left",
            remedy="Cancel it, or end it with terminate.",
        )
    return orders.Last(duration)


def _lasting(case: Case, given: ExtendIn | ShortenIn, sign: int) -> Span | None:
    """Return what a lease is to last in all."""
    if sum(each is not None for each in (given.by, given.until, given.duration)) != 1:
        raise Invalid("say one of these: by how long, until when, or the duration in all", field="by")
    if given.duration is not None:
        return span_of(given.duration, "duration")
    present = case.lease.terms.duration
    if given.by is not None:
        by = span_of(given.by, "by")
        if by is None:
            raise Invalid("by: no lease can be longer or shorter by an unlimited time", field="by")
        if present is None:
            raise _endless(case)
        return present + sign * by
    end = read_instant(given.until or "", case.now, "until")
    planned = case.lease.stays[-1].run_end if case.lease.stays else FAR_FUTURE
    if planned >= FAR_FUTURE or present is None:
        raise _endless(case)
    return present + end - planned


def _endless(case: Case) -> Conflict:
    return Conflict(
        f"it is not known when lease {case.lease.id} will end",
        code="no-end",
        remedy="Say how long it is to last in all (duration).",
        field="until",
    )


def _moved(case: Case, given: MoveIn) -> Order:
    if (given.start is None) == (given.deadline is None):
        raise Invalid("say either the start or the deadline that it is to have", field="start")
    kind = case.lease.type
    if given.deadline is not None:
        if kind is not LeaseType.DEADLINE:
            raise _wrong_type(case, "has no deadline")
        return orders.EndBy(read_instant(given.deadline, case.now, "deadline"))
    if kind not in (LeaseType.ADVANCE_RESERVATION, LeaseType.DEADLINE):
        raise _wrong_type(case, "starts when there is room, not at a certain time")
    return orders.StartAt(read_instant(given.start or "", case.now, "start"))


def _wrong_type(case: Case, why: str) -> Conflict:
    remedy = "What waits for room is moved to the top of the queue (haizea lease top); else request it anew."
    return Conflict(f"lease {case.lease.id} ({case.lease.type.value}) {why}", code="wrong-type", remedy=remedy)


def _resized(case: Case, given: ResizeIn) -> Order:
    if (given.count is None) == (given.nodes is None):
        raise Invalid("say either how many VMs there are to be, or all node sets anew", field="count")
    if given.nodes is not None:
        return orders.Resize(node_sets(given.nodes))
    nodes = case.lease.terms.nodes
    if len(nodes) != 1:
        raise Conflict(
            f"lease {case.lease.id} has VMs of {len(nodes)} kinds",
            code="several-kinds",
            remedy="Say all node sets that it is to have (nodes).",
            field="count",
        )
    return orders.Resize((nodes[0]._replace(count=given.count or 1),))


def _restarted(case: Case, given: RestartIn) -> Order:
    return orders.Restart(_vm(case, given.vm))


def _migrated(case: Case, given: MigrateIn) -> Order:
    if given.to is not None and given.away_from is not None:
        raise Invalid("say to which host or away from which, not both", field="to")
    to = None if given.to is None else host_number(case.site, given.to)
    away = None if given.away_from is None else host_number(case.site, given.away_from)
    return orders.Migrate(_vm(case, given.vm), to, away)


def _vm(case: Case, vm: int) -> int:
    vms = case.lease.need.vms
    if vm > vms:
        raise NotFound(f"lease {case.lease.id} has VMs 1 to {vms}, and so no VM {vm}", code="no-vm", field="vm")
    return vm


def _given_away(case: Case, given: GiveIn) -> Wish:
    terms = case.lease.terms
    return Wish(terms._replace(user=given.to, group=terms.group if given.group is None else given.group))


# How they are put into words ---------------------------------------------------------------------------------


def _said(span: Span) -> str:
    """Write a length of time in its largest whole units."""
    parts = []
    for size, unit in ((86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "min")):
        whole, span = divmod(span, size)
        if whole:
            parts.append(f"{whole} {unit}")
    if span or not parts:
        parts.append(f"{span / SECOND:g} s")
    return " ".join(parts)


def _lasts(done: str) -> Callable[[orders.Last], str]:
    def text(order: orders.Last) -> str:
        return f"{done}, to be unlimited" if order.duration is None else f"{done} to {_said(order.duration)} in all"

    return text


def _moves(order: orders.StartAt | orders.EndBy) -> str:
    if isinstance(order, orders.EndBy):
        return f"given until {instant(order.deadline)} to end"
    return f"moved to {instant(order.start)}"


def _migrates(order: orders.Migrate) -> str:
    return "migrated" if order.vm == 0 else f"migrated, as far as VM {order.vm} goes"


def _resizes(order: orders.Resize) -> str:
    return f"resized to {wanted(LeaseTerms(order.nodes, None))}"


def _restarts(order: orders.Restart) -> str:
    return "started over" if order.vm == 0 else f"started over, as far as VM {order.vm} goes"


def _always(text: str) -> Callable[[Any], str]:
    return lambda _order: text


LEASE_VERBS: Final[Sequence[LeaseVerb]] = (
    LeaseVerb("cancel", "lease.cancel", OrderIn, lambda _case, _given: None, _always("cancelled"),
              "Cancel a lease, whatever it is doing", ends=True),
    LeaseVerb("extend", "lease.extend", ExtendIn, _extended, _lasts("extended"), "Give a lease more time"),
    LeaseVerb("shorten", "lease.shorten", ShortenIn, _shortened, _lasts("shortened"), "Give a lease less time"),
    LeaseVerb("move", "lease.move", MoveIn, _moved, _moves, "Move the start of a reservation, or a deadline"),
    LeaseVerb("resize", "lease.resize", ResizeIn, _resized, _resizes, "Have more VMs, fewer, or other ones"),
    LeaseVerb("suspend", "lease.suspend", OrderIn, _plain(orders.Suspend()), _always("suspended"),
              "Suspend a lease until it is resumed"),
    LeaseVerb("resume", "lease.resume", OrderIn, _plain(orders.Resume()), _always("resumed as soon as there is room"),
              "Resume a lease that was suspended, as soon as there is room"),
    LeaseVerb("pause", "lease.pause", OrderIn, _plain(orders.Pause()), _always("paused"),
              "Pause a lease's VMs; they keep their capacity"),
    LeaseVerb("unpause", "lease.unpause", OrderIn, _plain(orders.Unpause()), _always("let go on"),
              "Let a paused lease's VMs go on"),
    LeaseVerb("hold", "lease.hold", OrderIn, _plain(orders.Hold()), _always("held back"),
              "Hold a lease back that does not run"),
    LeaseVerb("release", "lease.release", OrderIn, _plain(orders.Release()), _always("released"),
              "Release a lease that is held back"),
    LeaseVerb("requeue", "lease.requeue", OrderIn, _plain(orders.Requeue()), _always("put back into the queue"),
              "Take a lease off its hosts, and put it back into the queue", ends=True),
    LeaseVerb("restart", "lease.restart", RestartIn, _restarted, _restarts, "Start a lease's VMs over", ends=True),
    LeaseVerb("terminate", "lease.terminate", OrderIn, _plain(orders.Terminate()), _always("ended at once"),
              "End a lease now, without shutting its guests down", ends=True),
    LeaseVerb("top", "lease.top", OrderIn, _plain(orders.ToTop()), _always("moved to the top of the queue"),
              "Move a lease to the top of the queue"),
    LeaseVerb("bottom", "lease.bottom", OrderIn, _plain(orders.ToBottom()), _always("moved to the end of the queue"),
              "Move a lease to the bottom of the queue"),
    LeaseVerb("migrate", "lease.migrate", MigrateIn, _migrated, _migrates,
              "Move a lease's VMs to a host, or away from one"),
    LeaseVerb("recover", "lease.recover", RecoverIn,
              lambda _case, given: orders.Recover(orders.Recovery(given.how)),
              lambda order: f"recovered ({order.how.value})", "Say what became of a lease that is in doubt"),
    LeaseVerb("give", "lease.give", GiveIn, _given_away, lambda wish: f"given to {wish.terms.user}",
              "Give a lease to another owner"),
    LeaseVerb("prioritise", "lease.prioritise", PrioritiseIn,
              lambda case, given: Wish(case.lease.terms._replace(priority=given.priority)),
              lambda wish: f"given the priority {wish.terms.priority}", "Change a lease's priority in the queue"),
    LeaseVerb("annotate", "lease.annotate", AnnotateIn,
              lambda case, given: Wish(annotated(case.lease.terms, given.extra)), _always("annotated"),
              "Change the names and values that a lease carries along"),
    LeaseVerb("stop", "vm.stop", OrderIn, lambda case, _given: orders.StopVM(_vm(case, case.vm)), _always("stopped"),
              "Stop one VM of a lease for good", of_vm=True, ends=True),
    LeaseVerb("restart", "vm.restart", OrderIn, lambda case, _given: orders.Restart(_vm(case, case.vm)),
              _always("started over"), "Start one VM of a lease over", of_vm=True, ends=True),
)  # fmt: skip

BY_VERB: Final[Mapping[str, LeaseVerb]] = {row.verb: row for row in LEASE_VERBS}
"""The rows by what access is checked for."""
