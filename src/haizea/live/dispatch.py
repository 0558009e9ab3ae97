"""Hands commands to the platform, in order, however often it has to be tried.

What is not known to have been carried out is looked at before it is sent again: a platform that has done it already,
and only could not say so, must not be asked to do it once more.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from haizea.live.breaker import Breaker
from haizea.live.operations import Operations
from haizea.model.events import Observed
from haizea.model.units import SECOND, Instant
from haizea.runtime.ports import Platform, PlatformUnavailable, Report, Seen, Shown
from haizea.runtime.rows import CommandRow, concerns_same

REFUSALS_MAX = 5
"""So often a platform that is there may raise something else over a command before that counts as failed."""

RESEND_AFTER = 60 * SECOND

_UNAVAILABLE = (PlatformUnavailable, OSError)


class Dispatch:
    """The way from the outbox to the platform."""

    def __init__(
        self,
        platform: Platform,
        breaker: Breaker,
        operations: Operations,
        tell: Callable[[Report], None],
        warn: Callable[[str], None],
        now: Callable[[], Instant],
    ) -> None:
        """``tell`` is where it puts what it knows of commands itself."""
        self._platform = platform
        self._breaker = breaker
        self._operations = operations
        self._tell = tell
        self._warn = warn
        self._now = now
        self._waiting: deque[CommandRow] = deque()
        self._in_doubt: set[int] = set()
        self._refusals = 0

    @property
    def waiting(self) -> int:
        """How many commands the platform has not taken yet."""
        return len(self._waiting)

    def doubt(self, commands: Iterable[CommandRow], since: Sequence[CommandRow] = ()) -> None:
        """Have commands sent that may have been carried out already; before any others.

        Not those after which one about the same VM was given that is over, of those ``since``; but a transfer changes
        no VM.
        """
        for command in commands:
            later = any(other.id > command.id and concerns_same(command, other) for other in since)
            if later and command.verb != "transfer":
                self._overtaken(command)
                continue
            self._waiting.append(command)
            self._in_doubt.add(command.id)

    def send(self, command: CommandRow) -> None:
        """Hand a command to the platform, after those that it would not take before."""
        self._waiting.append(command)
        if len(self._waiting) == 1:
            self.catch_up()

    def catch_up(self) -> bool:
        """Send what waits, if the platform can be asked; return whether nothing waits any more."""
        now = self._now()
        if not self._waiting:
            return True
        if not self._breaker.allows(now):
            return False
        try:
            if self._in_doubt:
                self._settle(self._platform.observe())
            while self._waiting:
                self._submit(self._waiting[0], now)
                self._waiting.popleft()
                self._refusals = 0
        except Exception as problem:
            # Whatever a platform raises, the command is to be carried out: it is tried again.
            self._failed(now, problem)
            return False
        if self._breaker.succeeded():
            self._warn("the platform answers again; what waited is sent")
        return True

    def look_again(self, seen: Shown[Seen], now: Instant) -> None:
        """See to commands that should be over: settle those that are, send again those that may have got lost.

        A platform that is still at it takes a command that comes again for the same one.
        """
        waiting = {command.id for command in self._waiting}
        for operation in self._operations.all():
            command = operation.command
            if not operation.late or command.id in waiting:
                continue
            alone = len(self._operations.of(command.lease)) == 1
            if alone and settled([command], seen):
                self._tell(Report(command.id, command.verb, command.lease, ""))
            elif now - operation.sent < RESEND_AFTER:
                continue
            elif operation.overtaken:
                self._overtaken(command)
            else:
                self._submit(command, now)

    def _overtaken(self, command: CommandRow) -> None:
        """Give a command up that, sent once more, would undo what was done since."""
        why = "no word of it came, and another command has been given since"
        self._tell(Report(command.id, command.verb, command.lease, why))

    def _submit(self, command: CommandRow, now: Instant) -> None:
        try:
            self._platform.submit(command)
        except _UNAVAILABLE:
            # It may have taken it nevertheless.
            self._in_doubt.add(command.id)
            raise
        self._operations.sent(command.id, now)

    def _failed(self, now: Instant, problem: Exception) -> None:
        if not isinstance(problem, _UNAVAILABLE):
            self._refusals += 1
            if self._refusals >= REFUSALS_MAX and self._waiting:
                # The others are not to wait for one that the platform chokes on.
                command = self._waiting.popleft()
                self._in_doubt.discard(command.id)
                self._refusals = 0
                why = f"the platform would not take it: {problem}"
                self._tell(Report(command.id, command.verb, command.lease, why))
        if self._breaker.failed(now, str(problem)):
            self._warn(f"the platform takes no commands, they are sent again later: {problem}")

    def _settle(self, seen: Shown[Seen]) -> None:
        """Leave out what has been carried out already."""
        done = settled([command for command in self._waiting if command.id in self._in_doubt], seen)
        self._in_doubt.clear()
        if not done:
            return
        self._waiting = deque([command for command in self._waiting if command.id not in done])
        for command in done.values():
            self._tell(Report(command.id, command.verb, command.lease, ""))


def settled(commands: Sequence[CommandRow], seen: Shown[Seen]) -> dict[int, CommandRow]:
    """Return those of some commands that need not be carried out: the VMs are as the last of them wants them.

    The commands are in the order in which they were given. What came before one that is fulfilled is over as well.
    VMs that are to be started or resumed and run elsewhere are not brought to run a second time: whoever compares
    finds them where they are. But what comes before may be meant to take them away from there.
    """
    there: dict[int, dict[int, Seen]] = {}
    for one in seen:
        there.setdefault(one.lease, {})[one.vm] = one
    found: dict[int, CommandRow] = {}
    before: dict[int, list[CommandRow]] = {}
    for command in commands:
        of_lease = before.setdefault(command.lease, [])
        anywhere = not any(concerns_same(command, other) for other in of_lease)
        of_lease.append(command)
        if fulfilled(command, there.get(command.lease, {}), whole=not seen.away, anywhere=anywhere):
            found.update((each.id, each) for each in of_lease)
            of_lease.clear()
    return found


def fulfilled(command: CommandRow, vms: Mapping[int, Seen], *, whole: bool, anywhere: bool = False) -> bool:
    """Whether the VMs of a command are as it wants them. Of transfers that cannot be seen.

    Unless the picture is ``whole`` nothing is known to be gone. What is to run may run ``anywhere``.
    """
    if command.verb == "transfer" or not command.hosts:
        return False
    if command.verb in ("destroy", "shut-down") and not whole:
        return False
    about = command.vms or range(1, len(command.hosts) + 1)
    return all(_fulfilled(command, vm, vms.get(vm), anywhere) for vm in about)


def _fulfilled(command: CommandRow, vm: int, one: Seen | None, anywhere: bool) -> bool:
    if command.verb in ("destroy", "shut-down"):
        return one is None
    if one is None or vm > len(command.hosts):
        return False
    at_place = one.host in (None, command.hosts[vm - 1])
    if command.verb == "suspend":
        return one.observed is Observed.SUSPENDED
    if command.verb == "pause":
        return one.observed is Observed.PAUSED
    if command.verb == "migrate":
        return at_place and one.observed in (Observed.RUNNING, Observed.PAUSED, Observed.SUSPENDED)
    return one.observed is Observed.RUNNING and (at_place or anywhere)
