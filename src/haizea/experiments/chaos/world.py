"""What a run stands on: the live stack in simulated time, a platform that can be acted upon, a store that can be away.

Whoever is killed is started again a while later, of what the store has. Clients whose requests were not answered ask
again under the same key.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from haizea.backends.faulty import NO_FAULTS, Faults, FaultyPlatform
from haizea.backends.pretence import Pretence
from haizea.backends.pretended import PretendedPlatform
from haizea.live.assembly import Settings
from haizea.live.rehearsed import Rehearsed, RehearsedClock
from haizea.model.events import Event, LeaseRequested, Observed
from haizea.model.lease import LeaseTerms, OnEnd
from haizea.model.reason import Reason
from haizea.model.units import MINUTE, Instant, Span
from haizea.plan.images import TransferState
from haizea.runtime.changes import WITHDRAWN, Change
from haizea.runtime.ports import Report, Seen
from haizea.runtime.rows import CommandRow, KeyRow
from haizea.runtime.store import Store, StoreUnavailable, Transaction

START: Final[Instant] = 1_000_000_000_000
OWNER: Final = "chaos"
LEARNT_WITHIN: Final[Span] = 5 * MINUTE
"""So long after the platform has misbehaved, something may still be wrong because of it."""

_ON: Final = (Observed.RUNNING, Observed.PAUSED)
_STARTS_MAX: Final = 200


class Killed(BaseException):
    """The daemon is gone."""


class Violation(Exception):
    """Something is not as it must be; ``kind`` is short and the same for the same fault of Haizea's."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Front(Protocol):
    """What people ask for beyond single leases and orders, carried out by whoever knows how."""

    def order(self, what: str, draws: Sequence[int]) -> None:
        """Have something done."""

    def renew(self) -> None:
        """Begin anew, with a daemon that was started."""

    def between(self) -> None:
        """Do what is done apart from the daemon's loop."""

    def fail(self, times: int) -> bool:
        """Have the next notices not be sent; return whether any are."""

    def check(self) -> None:
        """Check what has come of it, at the end."""


class NoFront:
    """Nobody asks for anything beyond single leases."""

    def order(self, what: str, draws: Sequence[int]) -> None:
        """Do nothing."""

    def renew(self) -> None:
        """Do nothing."""

    def between(self) -> None:
        """Do nothing."""

    def fail(self, times: int) -> bool:
        """Nobody sends any."""
        return False

    def check(self) -> None:
        """Find nothing."""


class Window(NamedTuple):
    """Until when the platform misbehaves in a way, in thousandths of the times that it could."""

    until: Instant
    kind: str
    permille: int


class AwayStore:
    """Stands before a store that cannot be written, or used at all, until ``away_until``."""

    def __init__(self, store: Store, now: Callable[[], Instant]) -> None:
        self._store = store
        self._now = now
        self.away_until: Instant = 0

    def write(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction.

        Raises:
            StoreUnavailable: it is away.
        """
        self._here()
        return self._store.write()

    def load(self) -> Any:
        """Return what a daemon starts from.

        Raises:
            StoreUnavailable: it is away.
        """
        self._here()
        return self._store.load()

    def _here(self) -> None:
        if self._now() < self.away_until:
            raise StoreUnavailable("the connection to the store is broken")

    def __getattr__(self, name: str) -> Any:
        """Reading goes on."""
        return getattr(self._store, name)


class Ledger(PretendedPlatform):
    """A pretended platform that notes what must never be asked of it."""

    def __init__(self, hosts: list[str], now: Callable[[], Instant]) -> None:
        super().__init__(":memory:", hosts, now, threaded=False)
        self.commands: dict[int, CommandRow] = {}
        self.wrong: list[tuple[str, str]] = []
        self.image_of: Callable[[int], str | None] = lambda _lease: None
        self.brought: set[tuple[str, int]] = set()
        self.in_doubt: Callable[[], bool] = lambda: False
        # Of each command that is not over: its VMs as they were when it was given, and which were brought to run since.
        self._given: dict[int, dict[int, Seen]] = {}
        self._brought_to_run: dict[int, set[tuple[int, int]]] = {}

    @property
    def fate(self) -> Pretence:
        """What happens to it without Haizea's knowing."""
        return self._pretence

    @property
    def busy(self) -> Collection[int]:
        """The numbers of the commands that it is still at; what was begun slowly goes on so."""
        return self._open.keys()

    def submit(self, command: CommandRow, /) -> None:
        """Take a command, which must be the same one where it comes again."""
        if command.id not in self.commands:
            self._given[command.id] = {one.vm: one for one in self._pretence.vms() if one.lease == command.lease}
            self._brought_to_run[command.id] = set()
        known = self.commands.setdefault(command.id, command)
        if known[:6] != command[:6] or known.vms != command.vms:
            self.wrong.append(("command-reused", f"Command {command.id} was {known}, and comes again as {command}."))
        super().submit(command)

    def bring_images(self, command: CommandRow) -> None:
        """Note that hosts have an image now, or that it was said so."""
        image = self.image_of(command.lease)
        if command.verb == "transfer" and image is not None:
            self.brought.update([(image, host) for host in command.hosts])

    def _close(self, operation: Any, now: Instant, error: str, vms: tuple[int, ...]) -> Report:
        self._given.pop(operation.command.id, None)
        self._brought_to_run.pop(operation.command.id, None)
        if not error:
            self.bring_images(operation.command)
        return super()._close(operation, now, error, vms)

    def _bring(self, command: CommandRow, vm: int) -> str:
        before = self._pretence.vm(command.lease, vm)
        host = command.hosts[vm - 1]
        if (
            command.verb in ("start", "resume")
            and before is not None
            and before.observed in _ON
            and before.host != host
            and not self._by_somebody(command, before)
            and not self.in_doubt()
        ):
            text = f"VM {command.lease}.{vm} is brought to run on host {host} while it runs on host {before.host}."
            self.wrong.append(("two-places", text))
        image = self.image_of(command.lease) if command.verb == "start" else None
        if image is not None and self.in_doubt():
            # What was started so goes on so.
            self.brought.add((image, host))
        # What is there still, shut down, starts from its own disk.
        anew = before is None or before.host != host
        if image is not None and anew and (image, host) not in self.brought:
            text = f"VM {command.lease}.{vm} is started on host {host}, which its image {image} was not brought to."
            self.wrong.append(("no-image", text))
        why = super()._bring(command, vm)
        if command.verb in ("start", "resume") and not why:
            for brought in self._brought_to_run.values():
                brought.add((command.lease, vm))
        return why

    def _by_somebody(self, command: CommandRow, one: Seen) -> bool:
        """Whether somebody moved a VM to where it is, or had it run, after a command was given: that takes it back."""
        given = self._given.get(command.id, {}).get(one.vm)
        if given is None or given.observed not in _ON:
            return bool(one.by) or (one.lease, one.vm) not in self._brought_to_run.get(command.id, ())
        return bool(one.by) and one != given


class Fickle(FaultyPlatform):
    """A platform that behaves badly, before a ledger that must know what it is said to have done."""

    def __init__(self, ledger: Ledger, chance: random.Random, now: Callable[[], Instant]) -> None:
        super().__init__(ledger, NO_FAULTS, chance, now)
        self._ledger = ledger

    def submit(self, command: CommandRow, /) -> None:
        """Begin to carry out a command, or not."""
        feigned = self.done["feigned"]
        super().submit(command)
        if self.done["feigned"] > feigned:
            self._ledger.bring_images(command)


class World:
    """The stack and what it stands on.

    ``counts`` is what happened, by class; ``acknowledged`` the terms of every lease that a client was told of, by
    number; ``quiet`` for how long, in all, nothing kept the daemon from knowing or doing what it wanted.
    """

    def __init__(self, settings: Settings, store: Store, seed: int) -> None:
        self.settings = settings
        self.clock = RehearsedClock(START)
        self.store = AwayStore(store, self.clock.now)
        self.ledger = Ledger([host.name for host in settings.site.hosts], self.clock.now)
        self.fate = self.ledger.fate
        self.ledger.in_doubt = lambda: self.clock.now() <= self.disturbed_until + LEARNT_WITHIN
        self.ledger.image_of = self._image_of
        self.platform = Fickle(self.ledger, random.Random(seed), self.clock.now)
        self.counts: Counter[str] = Counter()
        self.orders: Counter[str] = Counter()
        self.acknowledged: dict[int, LeaseTerms] = {}
        self.keys: dict[str, int] = {}
        self.windows: list[Window] = []
        self.disturbed_until: Instant = START
        self.quiet: Span = 0
        self.on_event: Callable[[Event], None] = lambda _event: None
        self.on_handled: Callable[[], None] = lambda: None
        self.on_decided: Callable[[], None] = lambda: None
        self.front: Front = NoFront()
        self._unanswered: dict[str, LeaseTerms] = {}
        self._armed: tuple[str, int, Span] | None = None
        self._armed_transfer: Span | None = None
        self._downtime: Span = 0
        self._quiet_at: Instant = START
        self.live: Rehearsed
        self._start()

    @property
    def now(self) -> Instant:
        """What time it is."""
        return self.clock.now()

    # Life ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        for _ in range(_STARTS_MAX):
            try:
                live = Rehearsed(
                    self.settings, self.store, self.platform, self.clock, checkpoint=self._checkpoint
                )  # a store like any other, though it does not say so
            except StoreUnavailable:
                self._pass(MINUTE)
            except Killed:
                self._pass(self._downtime)
            else:
                break
        else:
            raise Violation("no-start", "The daemon cannot be started.")
        self.live = live
        plain = live.keeper.hand_over

        def hand_over(event: Event, taken: Callable[[], None] | None = None) -> Reason | None:
            self.on_event(event)
            refused = plain(event, taken)
            self.on_handled()
            return refused

        live.keeper.hand_over = hand_over  # type: ignore[method-assign] # to look on
        self.front.renew()

    def _pass(self, span: Span) -> None:
        """Let time pass while there is no daemon."""
        self._count_quiet()
        self.clock.wait_until(self.now + span)
        self.platform.advance(self.now)
        self._quiet_at = self.now

    def restart(self, downtime: Span) -> None:
        """Kill the daemon, and start another one a while later."""
        self._armed = None
        self._pass(downtime)
        self._set_faults()
        self._start()
        self.disturb(MINUTE)

    def rest(self, every: Span) -> None:
        """Have another daemon take over, which looks at the platform only so often unless something happens."""
        care = self.settings.care._replace(heartbeat=every, reconcile_every=every)
        self.settings = self.settings._replace(care=care)
        self.restart(0)

    def restart_killed(self) -> None:
        """Start another daemon after the one that was killed over something."""
        self.restart(self._downtime)

    def arm(self, label: str, skip: int, downtime: Span) -> None:
        """Have the daemon killed when it has passed a point of a step for so many times."""
        self._armed = (label, skip, downtime)

    def arm_transfer(self, downtime: Span) -> None:
        """Have the daemon killed as soon as an image is on its way."""
        self._armed_transfer = downtime

    def disarm(self) -> None:
        """Have nobody killed."""
        self._armed = self._armed_transfer = None

    def _checkpoint(self, label: str) -> None:
        if self._armed is not None and self._armed[0] == label:
            _label, skip, downtime = self._armed
            self._armed = (label, skip - 1, downtime) if skip else None
            if not skip:
                self._downtime = downtime
                self.counts[f"killed-at-{label}"] += 1
                raise Killed
        if label == "sent" and self._armed_transfer is not None and self._in_transfer():
            self._downtime, self._armed_transfer = self._armed_transfer, None
            self.counts["killed-in-transfer"] += 1
            raise Killed
        if label == "decided":
            self._count_quiet()
            self.on_decided()

    def _in_transfer(self) -> bool:
        images = self.live.scheduler.desk.images
        return images is not None and any(each.state is TransferState.ACTIVE for each in images.transfers)

    def _image_of(self, lease: int) -> str | None:
        """Return the image of a lease, where images are brought by Haizea."""
        terms = self.acknowledged.get(lease)
        if terms is None or terms.software is None or self.settings.options.transfer is None:
            return None
        return terms.software.id

    def _count_quiet(self) -> None:
        self.quiet += max(0, self.now - max(self._quiet_at, self.disturbed_until))
        self._quiet_at = max(self._quiet_at, self.now)

    def disturb(self, span: Span) -> None:
        """Nothing can be expected of the daemon for so long."""
        self._count_quiet()
        self.disturbed_until = max(self.disturbed_until, self.now + span)
        self._quiet_at = max(self._quiet_at, self.now)

    # Time ----------------------------------------------------------------------------------------------------

    def run(self, until: Instant) -> None:
        """Live through everything up to an instant, kills too."""
        while True:
            self._set_faults()
            soonest = min([until, *[window.until for window in self.windows]])
            try:
                self.live.run(max(soonest, self.now))
                self._ask_again()
                self.front.between()
            except Killed:
                self.restart(self._downtime)
            if self.now >= until:
                return

    def _set_faults(self) -> None:
        self.windows = [window for window in self.windows if window.until > self.now]
        chosen: dict[str, int] = {}
        for _until, kind, permille in self.windows:
            for each in ("refused", "unanswered") if kind == "away" else (kind,):
                chosen[each] = max(permille, chosen.get(each, 0))
        self.platform.faults = Faults(**chosen) if chosen else NO_FAULTS

    def jump(self, by: Span) -> None:
        """Set the clock."""
        self._count_quiet()
        self.clock.jump(by)
        self._quiet_at = self.now
        self.disturb(MINUTE)

    def misbehave(self, kind: str, permille: int, span: Span) -> None:
        """Have the platform misbehave for a while."""
        self.windows.append(Window(self.now + span, kind, permille))
        self.disturb(span)
        self._set_faults()

    def advance(self) -> None:
        """Have the platform tell what has just been done to it."""
        self.platform.advance(self.now)

    # Clients -------------------------------------------------------------------------------------------------

    def request(self, key: str, terms: LeaseTerms) -> None:
        """Request a lease, as often as it takes to be answered."""
        self._count_request(terms)
        self._unanswered[key] = terms
        self._ask_again()

    def _count_request(self, terms: LeaseTerms) -> None:
        self.orders["request"] += 1
        wishes = {
            "an image": terms.software is not None and self.settings.options.transfer is not None,
            "grace": bool(terms.grace),
            f"on-end {terms.reactions.on_end.value}": terms.reactions.on_end is not OnEnd.STOP,
        }
        self.orders.update(f"request with {wish}" for wish, there in wishes.items() if there)

    def _ask_again(self) -> None:
        for key, terms in list(self._unanswered.items()):
            try:
                number = self.change(partial(_requested, self.store, key, terms))
            except StoreUnavailable:
                return
            if number is None:
                return
            before = self.keys.setdefault(key, number)
            if before != number:
                raise Violation("key", f"The key {key} led to lease {before}, and now to lease {number}.")
            self.acknowledged[number] = terms
            del self._unanswered[key]

    def change(self, job: Callable[[Change], Any]) -> Any:
        """Have a job done; None where the daemon was killed over it.

        Raises:
            StoreUnavailable: it could not be kept.
        """
        try:
            return self.live.change(job)
        except Killed:
            self.restart(self._downtime)
            return None

    def order(self, kind: str, make: Callable[[Change], Event]) -> bool:
        """Order something; return whether that was taken."""
        refused = object()

        def job(change: Change) -> Any:
            return change.hand_over(make(change)) or refused

        try:
            answer = self.change(job)
        except StoreUnavailable:
            self.orders[f"{kind}: not kept"] += 1
            return False
        if answer is None:
            return False
        self.orders[f"{kind}: {'taken' if answer is refused else 'refused'}"] += 1
        return answer is refused


def _requested(store: Any, key: str, terms: LeaseTerms, change: Change) -> int:
    """Request a lease, once for each key, as the service does."""
    known = store.key(OWNER, key)
    if known is not None:
        row = change.row(known.lease)
        reason = None if row is None else row.document.get("reason")
        if row is not None and not (reason and WITHDRAWN in str(reason)):
            number: int = known.lease
            return number
    lease = change.new_lease()
    change.transaction.put_key(KeyRow(OWNER, key, "", lease, change.now))
    change.hand_over(LeaseRequested(change.now, lease, terms))
    return lease
