"""What is checked of a lease that is over: what it was given, when, and whether the rows of results say so."""

from collections.abc import Iterable
from itertools import pairwise

from haizea.core.desk import Desk
from haizea.core.reasons import instant
from haizea.experiments.records import OperationRow, operations
from haizea.experiments.stories import Doing, Rules, Stories, Story
from haizea.model.lease import LeaseType
from haizea.model.units import Instant
from haizea.plan.lease import Lease
from haizea.plan.options import Exclusion


class Endings:
    """Checks leases that are over."""

    def __init__(self, desk: Desk, rules: Rules, stories: Stories) -> None:
        self._desk = desk
        self._options = desk.options
        self._rules = rules
        self._wrong = stories.wrong

    def done(self, story: Story, lease: Lease, at: Instant) -> None:
        """Check that a lease that is done has been given what it asked for, in time."""
        expected = story.expected()
        # Of who was in trouble the commands do not tell when all VMs ran; for longer than they tell they cannot have.
        if story.delivered != lease.delivered and (not story.excused or story.delivered < lease.delivered):
            self._wrong(story, at, f"is said to have run {lease.delivered} ms, but did for {story.delivered},")
        if not story.excused and expected is not None and story.delivered != expected:
            self._wrong(story, at, f"is done after running {story.delivered} ms, not {expected},")
        if story.terms.duration is None and not story.guests_over:
            self._wrong(story, at, "is done though it was to run without end")
        # Only shutting down may come after the deadline.
        deadline = story.terms.deadline
        if deadline is not None and story.until > deadline and not story.excused:
            self._wrong(story, at, f"has run until after its deadline, {instant(deadline)},")

    def broken_off(self, story: Story, at: Instant) -> None:
        """A promise must not be found broken only when a lease is cancelled."""
        terms, start = story.terms, story.terms.start or 0
        if story.excused or not story.accepted:
            return
        if story.type is LeaseType.ADVANCE_RESERVATION and start < at and not story.starts:
            self._wrong(story, at, f"is cancelled; it should have started at {instant(start)}, and had not")
        if terms.deadline is not None and at > terms.deadline and story.doing is not Doing.ENDING:
            self._wrong(story, at, f"is cancelled; it should have ended by {instant(terms.deadline)}, and had not")

    def rows(self, story: Story, lease: Lease, at: Instant) -> None:
        """Compare the rows of results with the story, and with each other."""
        rows = list(operations(lease, self._desk.table, self._options.exclusion))
        busy: dict[int, list[OperationRow]] = {}
        for row in rows:
            before = row.start < story.submitted and row.kind != "transfer"
            if row.end < row.start or before or row.end > at:
                self._wrong(story, at, f"has a row {row.kind} from {row.start} to {row.end}")
            for vm in numbers(row.vms):
                busy.setdefault(vm, []).append(row)
        for vm, mine in busy.items():
            mine.sort(key=lambda row: (row.start, row.end))
            for one, other in pairwise(mine):
                # Who had to start over may ride on a transfer that had begun before, while it still ran elsewhere.
                riding = other.kind == "transfer" and one.kind == "run" and one.outcome == "lost"
                if other.start < one.end and not riding:
                    text = f"has VM {vm} in two rows, {one.kind} and {other.kind}, at {instant(other.start)}, as said"
                    self._wrong(story, at, text)
        if set(busy) - set(range(1, story.terms.node_count + 1)):
            self._wrong(story, at, "has rows of VMs that it does not have")
        ran = sum(row.end - row.start for row in _of_first_vm(rows) if row.kind == "run" and row.outcome == "done")
        if ran != lease.delivered:
            self._wrong(story, at, f"has rows of {ran} ms of running, but delivered {lease.delivered},")
        suspended = sum(1 for entry in lease.log if entry.kind == "suspend" and entry.outcome == "done")
        if suspended != lease.suspensions:
            self._wrong(story, at, f"has {suspended} suspensions in its rows, but counts {lease.suspensions},")
        first = min((row.start for row in rows if row.kind == "run"), default=None)
        if first is not None and lease.started is not None and first < lease.started:
            self._wrong(story, at, f"runs from {first} on, before it is said to have started,")
        self._one_at_a_time(story, rows, at)

    def _one_at_a_time(self, story: Story, rows: Iterable[OperationRow], at: Instant) -> None:
        """Check how long each host takes to suspend or resume, and that with global exclusion only one does."""
        working: list[OperationRow] = []
        for row in rows:
            if row.kind not in ("suspend", "resume") or row.outcome != "done":
                continue
            working.append(row)
            if story.excused:
                continue
            suspend = row.kind == "suspend"
            least = sum(self._rules.one(story.demands[vm - 1], suspend=suspend) for vm in numbers(row.vms))
            if row.end - row.start < least:
                self._wrong(story, at, f"has a row {row.kind} of {row.end - row.start} ms, not {least},")
        if self._options.exclusion is Exclusion.GLOBAL and not story.excused:
            working.sort(key=lambda row: row.start)
            for one, other in pairwise(working):
                # Who had to start over may ride on a transfer that had begun before, while it still ran elsewhere.
                riding = other.kind == "transfer" and one.kind == "run" and one.outcome == "lost"
                if other.start < one.end and not riding:
                    self._wrong(story, at, f"has two hosts {one.kind} at a time, at {instant(other.start)}, as said")


def numbers(vms: str) -> list[int]:
    """Read ``1-8,12``."""
    found: list[int] = []
    for part in vms.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _of_first_vm(rows: Iterable[OperationRow]) -> list[OperationRow]:
    return [row for row in rows if 1 in numbers(row.vms)]
