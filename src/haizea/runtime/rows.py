"""What a store keeps, as plain values: rows of leases, journal entries, commands, usage and accounts.

Instants and spans are integers in milliseconds; amounts of CPU are percent of a core, memory is MiB. A ``document`` or
``data`` is a tree of what JSON has: objects, lists, strings, integers, booleans, null.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from haizea.model.units import Instant, Span

Document = Mapping[str, Any]


class LeaseRow(NamedTuple):
    """A lease as the store keeps it.

    ``document`` is what :mod:`haizea.core.memory` writes and reads. The other columns repeat what is filtered and
    sorted by. ``starts`` and ``ends`` are when it is known or planned to start and end. ``version`` only grows: it is a
    number of the journal's, taken when the lease was changed last.
    """

    id: int
    type: str
    state: str
    final: bool
    owner: str
    group: str
    name: str
    vms: int
    submitted: Instant
    starts: Instant | None
    ends: Instant | None
    version: int
    document: Document


class LeaseFilter(NamedTuple):
    """Which leases are wanted. None and empty mean any.

    ``active`` leaves out those in a final state (True) or keeps only those (False). ``since``/``until`` keep leases
    whose ``[starts, ends)`` overlaps that interval. ``order`` is a column's name, with ``-`` in front for descending.
    """

    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    owner: str | None = None
    group: str | None = None
    name: str | None = None
    active: bool | None = None
    since: Instant | None = None
    until: Instant | None = None
    order: str = "id"


class Entry(NamedTuple):
    """A line of the journal: what happened, when, who did it, why. ``number`` is unique and grows for ever.

    ``kind`` is what clients filter by: ``lease-requested``, ``lease-changed``, ``lease-cancel``, ``notice``,
    ``command``, ``command-failed``, ``observed``, ``account`` and whatever verbs add. ``actor`` is the user's name, or
    ``haizea`` and ``platform``.
    """

    number: int
    at: Instant
    kind: str
    lease: int | None
    host: str | None
    actor: str
    text: str
    data: Document


class CommandRow(NamedTuple):
    """A command to the back end. ``state`` is ``pending``, ``sent``, ``done`` or ``failed``.

    ``hosts`` gives the host's number of every VM, in order of VM numbers (of the hosts alone for ``transfer``). ``vms``
    are the numbers of the VMs that it is about; empty for all of the lease.
    """

    id: int
    at: Instant
    until: Instant
    verb: str
    lease: int
    hosts: tuple[int, ...]
    state: str
    attempts: int
    error: str
    vms: tuple[int, ...] = ()


def concerns_same(one: CommandRow, other: CommandRow) -> bool:
    """Whether two commands are about the same VM."""
    if one.lease != other.lease:
        return False
    return not one.vms or not other.vms or not set(one.vms).isdisjoint(other.vms)


class UsageRow(NamedTuple):
    """VMs of a lease that ran during ``[start, end)``; ``index`` counts from 0 for each lease.

    ``cpu`` and ``memory`` are of all VMs together. ``outcome`` is ``done`` or ``lost``.
    """

    lease: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which means nothing here
    owner: str
    group: str
    type: str
    vms: int
    cpu: int
    memory: int
    start: Instant
    end: Instant
    outcome: str


class KeyRow(NamedTuple):
    """An idempotency key that an owner has used, and the lease it led to. ``digest`` is of the request's contents."""

    owner: str
    key: str
    digest: str
    lease: int
    at: Instant


class UserRow(NamedTuple):
    """A user. ``role`` is ``viewer``, ``user``, ``operator`` or ``admin``; ``mail`` is where notices go, or empty."""

    name: str
    role: str
    groups: tuple[str, ...]
    disabled: bool
    created: Instant
    note: str
    mail: str = ""


class GroupRow(NamedTuple):
    """A group of users."""

    name: str
    created: Instant
    note: str


class TokenRow(NamedTuple):
    """An access token: only the SHA-256 of its secret is kept, in hexadecimal. No ``scopes``: all that its user may."""

    id: str
    user: str
    digest: str
    scopes: tuple[str, ...]
    label: str
    created: Instant
    expires: Instant | None
    revoked: Instant | None


class QuotaRow(NamedTuple):
    """What a user or group may have at most; None is no limit.

    ``kind`` is ``user``, ``group`` or ``default`` (every user without one of its own; ``subject`` is empty then).
    ``vms``, ``cpu`` and ``memory`` limit what unfinished leases hold together, ``core_time`` the core-milliseconds that
    start within one ``period`` (``day``, ``week``, ``month``), ``horizon`` how far ahead a reservation may start.
    """

    kind: str
    subject: str
    vms: int | None
    cpu: int | None
    memory: int | None
    core_time: int | None
    period: str
    horizon: Span | None


class WebhookRow(NamedTuple):
    """Somebody who wants to be told of journal entries. ``secret`` signs what is sent; ``kinds`` empty means all."""

    id: int
    owner: str
    url: str
    secret: str
    kinds: tuple[str, ...]
    created: Instant
    cursor: int
    failures: int
    disabled: bool


class OfferRow(NamedTuple):
    """An alternative that was offered and is held until ``expires``; ``lease`` is the lease that holds its place."""

    id: str
    owner: str
    lease: int
    expires: Instant
    document: Document


class RecordRow(NamedTuple):
    """Something of somebody's that only its ``kind`` knows how to read: a recurring reservation, for instance.

    ``id`` is unique among all kinds.
    """

    id: str
    kind: str
    owner: str
    document: Document


class Loaded(NamedTuple):
    """What a daemon starts from: unfinished leases in order of id, commands that are not over, facts, next numbers.

    ``over_since`` are commands that are over although one that is not, of the same lease, was given before them.
    """

    leases: tuple[LeaseRow, ...]
    commands: tuple[CommandRow, ...]
    facts: Mapping[str, Any]
    next_lease: int
    next_entry: int
    next_command: int
    next_webhook: int = 1
    over_since: tuple[CommandRow, ...] = ()
