"""Server-sent events: reading them, and going on after a break where they left off."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from haizea.client.calls import Query, decoded
from haizea.client.errors import BadAnswer, ConnectionBroken, ServerGone, TimedOut
from haizea.client.shapes import Entry

if TYPE_CHECKING:
    from haizea.client.calls import Calls
    from haizea.client.wire import Stream

LINE_BYTES_MAX: Final = 1 << 20
EVENT_LINES_MAX: Final = 10_000
DIGITS_MAX: Final = 20
PAUSE_S: Final = 0.5
PAUSE_S_MAX: Final = 30.0


def follow(
    calls: "Calls",
    path: str,
    query: Query,
    cursor: int | None,
    *,
    idle_s: float,
    give_up_s: float,
    pause: Callable[[float], None],
) -> Iterator[Entry | None]:
    """Yield journal entries after ``cursor`` (None: from now on) as they come; None where there is nothing but time.

    A stream that ends or breaks is opened again after the last entry that was seen, so that none is missed and none
    comes twice. Where no server answers for ``give_up_s`` seconds, its error is raised.
    """
    waited = 0.0
    delay = PAUSE_S
    while True:
        try:
            stream = calls.stream(path, query, cursor, idle_s)
            waited = 0.0
            try:
                for number, entry in events(stream):
                    if entry is not None and cursor is not None and entry["number"] <= cursor:
                        continue
                    # A server also tells how far it has looked where there was nothing for us.
                    cursor = max(cursor or 0, number) if number is not None else cursor
                    delay = PAUSE_S
                    yield entry
            finally:
                stream.close()
        except TimedOut:
            waited += idle_s
            if waited > give_up_s:
                raise
            yield None
            continue
        except (ConnectionBroken, ServerGone):
            if waited + delay > give_up_s:
                raise
        # A stream that is closed at once, again and again, must not keep both ends busy.
        waited += delay
        pause(delay)
        delay = min(2 * delay, PAUSE_S_MAX)


def events(stream: "Stream") -> Iterator[tuple[int | None, Entry | None]]:
    """Yield the events of a stream to its end: how far it has come, and the entry where the event holds one."""
    data: list[str] = []
    number: int | None = None
    while (line := stream.line(LINE_BYTES_MAX)) is not None:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
            if len(data) > EVENT_LINES_MAX:
                raise BadAnswer(f"an event of more than {EVENT_LINES_MAX:,} lines")
        elif name == "id" and value.isascii() and value.isdigit() and len(value) < DIGITS_MAX:
            number = int(value)
        elif not text:
            entry = _entry("\n".join(data)) if data else None
            data = []
            yield (entry["number"] if entry is not None else number), entry


def _entry(text: str) -> Entry | None:
    try:
        found: Any = decoded(text.encode())
    except ValueError as error:
        raise BadAnswer("an event that is no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("number"), int):
        # Another kind of event than journal entries, of a newer server.
        return None
    return cast("Entry", found)
