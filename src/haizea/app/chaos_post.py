"""Notices in a chaos run: looked for ahead of time, and sent by a courier who fails now and then."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from haizea.app.couriers import KINDS, Couriers, Message
from haizea.config.settings import Notices as NoticeSettings
from haizea.core.reasons import instant
from haizea.experiments.chaos.world import Violation, World
from haizea.model.units import MINUTE, Instant
from haizea.runtime.changes import Change
from haizea.runtime.rows import Entry
from haizea.runtime.store import StoreError
from haizea.service.notices import UNTIL, Notices

T = TypeVar("T")

BEFORE = 10 * MINUTE
ENTRIES_AT_ONCE = 5_000


class _Silent:
    """Tells nobody."""

    def warning(self, _text: str, **_facts: object) -> None:
        """Do nothing."""

    def error(self, _text: str, **_facts: object) -> None:
        """Do nothing."""


class _Courier(Couriers):
    """Sends to nobody, and notes what was sent; ``post.fails`` times that goes wrong."""

    def __init__(self, post: "Post", world: World) -> None:
        super().__init__(
            NoticeSettings(command="pretended"), world.store, lambda job: world.live.change(job), _no_rest, _at_once
        )
        self._post = post
        # What fails is counted, not told.
        self._log = _Silent()

    async def _run_command(self, message: Message) -> None:
        self._post.deliver(message)

    def tells_of(self, entry: Entry) -> bool:
        """Whether anybody is to be told of an entry."""
        return self._message(entry) is not None


class Post:
    """What is to be told, and what was."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.fails = 0
        self._sent: dict[int, str] = {}
        self._notices: Notices
        self._courier: _Courier

    def renew(self) -> None:
        """Begin anew with a daemon that was started: of what it kept."""
        self._notices = Notices(BEFORE, BEFORE, self._world.store.fact(UNTIL))
        self._courier = _Courier(self, self._world)

    def look_ahead(self, now: Instant) -> None:
        """Have it told what is about to happen."""
        world, notices = self._world, self._notices
        before = notices.last
        found = notices.due(world.live.scheduler, now)
        if not found:
            return

        def job(change: Change) -> None:
            notices.tell(change, found)

        told = world.live.assembly.inbox.put(job, writes=True)
        told.add_done_callback(lambda done: notices.again(before) if done.cancelled() or done.exception() else None)

    def send(self) -> None:
        """Send what there is to be sent."""
        try:
            done(self._courier.round())
        except StoreError:
            self._world.counts["courier-waits"] += 1

    def deliver(self, message: Message) -> None:
        """Take a notice, or not.

        Raises:
            OSError: it cannot be sent now.
        """
        if self.fails:
            self.fails -= 1
            self._world.counts["courier-failed"] += 1
            raise OSError("the mail server does not answer")
        number, text = message.entry.number, message.entry.text
        if self._sent.setdefault(number, text) != text:
            raise Violation("notice", f"Of entry {number} was told {self._sent[number]!r}, and then {text!r}.")

    def check(self) -> None:
        """Check that all was told that happened, and nothing else.

        Raises:
            Violation: it was not.
        """
        self.fails = 0
        happened: dict[int, Entry] = {entry.number: entry for entry in self._entries()}
        last = max(happened, default=0)
        while done(self._courier.round()) < last:
            pass
        told: set[tuple[int | None, str, int]] = set()
        for number, entry in happened.items():
            if number not in self._sent and self._courier.tells_of(entry):
                raise Violation("notice", f"Nobody was told of entry {number}: {entry.text}")
            about, at = entry.data.get("about"), entry.data.get("at")
            if about in ("start", "end") and isinstance(at, int):
                if (entry.lease, about, at) in told:
                    raise Violation(
                        "notice", f"It was told twice that lease {entry.lease} has its {about} {instant(at)}."
                    )
                told.add((entry.lease, about, at))
        for number, text in self._sent.items():
            if number not in happened or happened[number].text != text:
                raise Violation("notice", f"It was told what never happened, as entry {number}: {text}")

    def _entries(self) -> list[Entry]:
        found: list[Entry] = []
        while True:
            after = found[-1].number if found else 0
            page = self._world.store.entries(after, limit=ENTRIES_AT_ONCE, kinds=KINDS)
            if not page:
                return found
            found += page


async def _no_rest(_seconds: float) -> None:
    """Wait for nothing."""


async def _at_once(deed: Callable[..., T], *arguments: Any) -> T:
    return deed(*arguments)


def done(work: Coroutine[Any, Any, T]) -> T:
    """Carry out what waits for nothing; return what comes of it."""
    try:
        work.send(None)
    except StopIteration as over:
        result: T = over.value
        return result
    raise AssertionError("something was waited for in simulated time; this is a bug in Haizea")
