"""The loop, its store and its platform, each of which may fail."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from haizea.app.compose import policies
from haizea.config.options import to_options
from haizea.config.settings import Settings
from haizea.live.clock import LiveClock, Scale
from haizea.live.engine import Engine
from haizea.live.engine import Settings as EngineSettings
from haizea.live.mailbox import Mailbox
from haizea.model.events import CancelRequested, LeaseRequested, Observed
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.units import HOUR, MINUTE, Instant
from haizea.runtime.changes import Change
from haizea.runtime.ports import HostSeen, Progress, Report, Said, Seen, Shown, Stranger
from haizea.runtime.rows import CommandRow, LeaseFilter
from haizea.runtime.store import Deposed, StoreUnavailable
from haizea.service.measures import Measures
from haizea.stores.memory import MemoryStore, MemoryTransaction
from haizea.workloads.oneline import parse_site
from tests.live.test_outages import soon

SITE = parse_site("4 CPU:400 Memory:8192")
NODES = (NodeSet(1, Capacity({CPU: 100, MEMORY: 512})),)


class FailingStore(MemoryStore):
    """A store that can be out of reach, or another daemon's."""

    def __init__(self) -> None:
        super().__init__()
        self.problem: Exception | None = None

    @contextmanager
    def write(self) -> Iterator[MemoryTransaction]:
        """Begin a transaction; what is wrong shows when it ends."""
        with super().write() as transaction:
            yield transaction
            if self.problem is not None:
                raise self.problem


class Recorder:
    """A platform that writes down what it is told; it can refuse."""

    def __init__(self, seen: Sequence[Seen] = ()) -> None:
        self.seen = list(seen)
        self.commands: list[CommandRow] = []
        self.problem: Exception | None = None
        self._tell: Callable[[Said], None] = lambda said: None

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin."""
        self._tell = tell

    def submit(self, command: CommandRow, /) -> None:
        """Take a command."""
        if self.problem is not None:
            raise self.problem
        self.commands.append(command)
        self._tell(Report(command.id, command.verb, command.lease, ""))

    def observe(self) -> Shown[Seen]:
        """Show what there is."""
        return Shown(self.seen)

    def hosts(self) -> list[HostSeen]:
        """Show no host to be otherwise."""
        return []

    def strangers(self) -> Shown[Stranger]:
        """Show nobody else's VMs."""
        return Shown()

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Have nothing to adopt."""
        raise LookupError(name)

    def running(self) -> list[Seen]:
        """Return what it would show had it done what it was told to start."""
        started = [command for command in self.commands if command.verb == "start"]
        return [Seen(command.lease, 1, Observed.RUNNING, command.hosts[0]) for command in started]

    def stop(self) -> None:
        """Nothing is to be let go of."""

    def done(self) -> list[tuple[str, int]]:
        """Return verbs and leases."""
        return [(command.verb, command.lease) for command in self.commands]


class Made:
    """An engine and what it stands on."""

    def __init__(self, store: FailingStore | None = None, platform: Recorder | None = None, ahead: Instant = 0) -> None:
        self.store = store or FailingStore()
        self.platform = platform or Recorder()
        settings = Settings({"scheduling": {"suspension": "all"}})
        clock = LiveClock(Scale(0, ahead, 1.0))
        self.warnings: list[str] = []
        self.engine = Engine(
            EngineSettings(SITE, to_options(settings), policies(settings)),
            self.store,
            self.platform,
            clock,
            Measures(),
            self.warnings.append,
        )
        self.engine.start()

    def request(self, **how: Any) -> int:
        """Request a lease; return its number."""
        given = {"nodes": NODES, "duration": 10 * HOUR, "start": None, "immediate": True, **how}

        def job(change: Change) -> int:
            lease = change.new_lease()
            terms = LeaseTerms(**{**given, "start": change.now if given["immediate"] else given["start"]})
            change.note("lease-requested", "ann", f"Lease {lease} was requested.", lease=lease)
            change.hand_over(LeaseRequested(change.now, lease, terms))
            return lease

        return self.engine.change(job)

    def cancel(self, lease: int) -> None:
        """Cancel a lease."""
        self.engine.change(lambda change: change.hand_over(CancelRequested(change.now, lease, "ann")))

    def crash(self) -> None:
        """End without writing anything more."""
        self.engine._stopping = True
        self.engine.clock.wake()
        self.engine.join(60)
        self.engine.keeper.writing.stop_mending()


@pytest.fixture
def made() -> Iterator[Made]:
    """Return an engine that runs."""
    found = Made()
    yield found
    found.store.problem = None
    found.engine.stop()


def test_a_change_that_nobody_waits_for_any_more_is_not_made(made: Made) -> None:
    """Who was told that it took too long is told the truth: it will not be done."""
    hold, done = Future[None](), list[str]()
    made.engine.inbox.put(lambda change: hold.result(10), writes=True)
    late = made.engine.inbox.put(lambda change: done.append("late"), writes=True)
    assert late.cancel()
    hold.set_result(None)
    made.engine.change(lambda change: done.append("next"))
    assert done == ["next"]


def test_what_a_platform_will_not_take_is_sent_again_in_order(made: Made) -> None:
    """Commands are lost by no failure of the platform, and the loop survives it."""
    made.platform.problem = OSError("there is no room")
    first, second = made.request(), made.request()
    made.cancel(first)
    assert made.platform.commands == []
    made.platform.problem = None
    soon(lambda: len(made.platform.commands) == 3)
    assert made.platform.done() == [("start", first), ("start", second), ("destroy", first)]
    assert "there is no room" in made.warnings[0]


def test_the_journal_tells_a_story(made: Made) -> None:
    """Sentences that a person wants to read: no state that is over at once, and commands by what they do."""
    lease = made.request(start=made.engine.clock.now() + HOUR, immediate=False)
    other = made.request()
    made.cancel(other)
    soon(lambda: ("destroy", other) in made.platform.done())
    entries = made.store.entries(0, limit=99)
    assert [entry.text for entry in entries if entry.kind != "notice"] == [
        f"Lease {lease} was requested.",
        f"Lease {lease} is ready.",
        f"Lease {other} was requested.",
        f"Lease {other} is active.",
        f"Starting the VMs of lease {other}.",
        f"Removing the VMs of lease {other}.",
        f"Lease {other} is cancelled. It was cancelled by ann.",
    ]


def test_a_request_that_could_not_be_kept_begins_nothing(made: Made) -> None:
    """It is refused, and taken back: no VM is started for it, now or later."""
    made.store.problem = StoreUnavailable("it is away")
    with pytest.raises(StoreUnavailable, match="it is away"):
        made.request()
    made.store.problem = None
    soon(lambda: not made.engine.keeper.writing.trouble)
    kept = made.request()
    assert made.platform.done() == [("start", kept)]
    rows = made.store.leases(LeaseFilter(), limit=9)
    assert [row.state for row in rows] == ["cancelled", "active"]
    assert [row.lease for row in made.store.load().commands] in ([kept], [])


def test_while_the_store_is_away_time_goes_on_and_is_written_down_later(made: Made) -> None:
    """What was planned starts; requests are refused without asking the store each time."""
    now = made.engine.clock.now()
    planned = made.request(start=now + 1_500, immediate=False)
    made.store.problem = StoreUnavailable("it is away")
    with pytest.raises(StoreUnavailable):
        made.request()
    soon(lambda: ("start", planned) in made.platform.done())
    row = made.store.lease(planned)
    assert row is not None
    assert row.state != "active"
    made.store.problem = None
    soon(lambda: (made.store.lease(planned) or row).state == "active")
    assert "nothing was lost" in made.warnings[-1]
    numbers = [entry.number for entry in made.store.entries(0, limit=100)]
    assert numbers == sorted(set(numbers))


def test_numbers_of_commands_are_never_given_twice() -> None:
    """A daemon that could send, but not write, is killed: the next one takes other numbers."""
    first = Made()
    lease = first.request()
    first.store.problem = StoreUnavailable("it is away")
    first.engine.keeper.order("destroy", 99, (0,), known=False)
    first.engine.clock.wake()
    soon(lambda: ("destroy", 99) in first.platform.done())
    first.crash()
    first.store.problem = None
    second = Made(first.store, Recorder(first.platform.running()))
    second.cancel(lease)
    before = {command.id for command in first.platform.commands}
    [destroyed] = [command for command in second.platform.commands if command.verb == "destroy"]
    assert destroyed.id > max(before)
    second.engine.stop()


def test_after_a_clean_stop_numbers_go_on_without_a_gap() -> None:
    """Only where something may have been sent unwritten are numbers left out."""
    first = Made()
    first.request()
    first.engine.stop()
    second = Made(first.store, Recorder(first.platform.running()))
    second.request()
    assert [command.id for command in first.platform.commands + second.platform.commands] == [1, 2]
    second.engine.stop()


def test_vms_that_no_lease_wants_are_removed_at_the_start() -> None:
    """VMs of no lease, and of one that is not to run yet, are destroyed before anything is begun."""
    first = Made()
    later = first.request(start=first.engine.clock.now() + HOUR, immediate=False)
    runs = first.request()
    first.engine.stop()
    strays = [Seen(77, 1, Observed.RUNNING, 0), Seen(later, 1, Observed.RUNNING, 3)]
    second = Made(first.store, Recorder([*strays, *first.platform.running()]))
    soon(lambda: len(second.platform.commands) >= 2)
    assert sorted(second.platform.done()) == [("destroy", later), ("destroy", 77)]
    # How that went is not to be noted of a command that nobody keeps.
    second.request()
    assert second.store.lease(runs).state == "active"  # type: ignore[union-attr] # it is there
    second.engine.stop()


def test_a_vm_that_was_started_unwritten_is_left_where_it_was_to_start_anyway() -> None:
    """A reservation's VMs that run already where they should are not destroyed, only started once more."""
    first = Made()
    start = first.engine.clock.now() + MINUTE
    lease = first.request(start=start, immediate=False)
    first.engine.stop()
    row = first.store.lease(lease)
    assert row is not None
    host = row.document["stays"][0]["hosts"][0][0]
    second = Made(first.store, Recorder([Seen(lease, 1, Observed.RUNNING, host)]), ahead=MINUTE + 10_000)
    soon(lambda: bool(second.platform.commands))
    second.engine.look(lambda change: None)
    assert second.platform.done() == [("start", lease)]
    second.engine.stop()


def test_a_vm_that_is_gone_is_missed() -> None:
    """Its lease gets what it asked for in that case: here it starts over."""
    first = Made()
    lease = first.request(immediate=False, start=None)
    first.engine.stop()
    second = Made(first.store, Recorder([]))
    soon(lambda: len(second.platform.commands) >= 2)
    assert second.platform.done()[:2] == [("destroy", lease), ("start", lease)]
    second.engine.stop()


def test_versions_are_numbers_of_the_journal_and_only_grow(made: Made) -> None:
    """Also where only the plan of a lease has changed, and after a restart."""
    first = made.request(duration=MINUTE)
    seen = [made.store.lease(first).version]  # type: ignore[union-attr] # it is there
    made.cancel(first)
    seen.append(made.store.lease(first).version)  # type: ignore[union-attr] # it is there
    entries = {entry.number for entry in made.store.entries(0, limit=100)}
    assert seen == sorted(set(seen))
    assert set(seen) <= entries


def test_one_that_is_deposed_commands_nothing(made: Made) -> None:
    """What it decides when it has not noticed yet reaches neither the store nor the platform; then it ends."""
    made.store.problem = Deposed("another daemon leads")
    with pytest.raises(StoreUnavailable, match="another daemon leads"):
        made.request()
    made.engine.join(60)
    assert made.platform.commands == []
    assert made.engine.failure is None
    assert made.engine.keeper.writing.deposed


def test_who_waits_when_the_loop_ends_is_told_at_once(made: Made) -> None:
    """A fault in the store that cannot be mended ends the loop; nobody is kept waiting for an answer."""
    made.store.problem = AssertionError("a bug")
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="stopping"):
        made.request()
    assert time.monotonic() - begun < 60
    assert isinstance(made.engine.failure, AssertionError)


def test_how_far_something_is_can_be_seen_until_it_is_over() -> None:
    """A platform tells how far a transfer is; the last word counts, and nothing is left of it when it is over."""
    waker: list[None] = []
    mailbox = Mailbox(lambda: waker.append(None))
    mailbox.put(Progress(4, "transfer", 7, 100))
    mailbox.put(Progress(4, "transfer", 7, 420))
    assert mailbox.progress == {7: ("transfer", 420)}
    assert (mailbox.due(0), waker) == ([], [])
    mailbox.put(Report(4, "transfer", 7, ""))
    assert mailbox.progress == {}
