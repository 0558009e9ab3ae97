"""The progress of a long simulation, on a terminal."""

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from haizea.cli.summary import span

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

QUIET_S: Final = 2.0
"""A run that ends sooner shows nothing: a display takes longer to import than most runs."""

PAUSE_S: Final = 0.1


class Progress:
    """Called with the simulated instant (ms) and the leases that have ended; shows them from time to time."""

    __slots__ = ("_begun", "_display", "_next", "_start", "_task")

    def __init__(self) -> None:
        """Begin to count."""
        self._begun = monotonic()
        self._next = self._begun + QUIET_S
        self._start: int | None = None
        self._display: Display | None = None
        self._task: TaskID | None = None

    def __call__(self, now: int, leases_done: int) -> None:
        """Take how far the run has come; show it where it is time to."""
        if self._start is None:
            self._start = now
        at = monotonic()
        if at < self._next:
            return
        self._next = at + PAUSE_S
        text = describe(now - self._start, leases_done, at - self._begun)
        if self._display is None:
            self._display, self._task = _display(text)
        if self._task is not None:
            self._display.update(self._task, description=text)

    def line(self, text: str) -> None:
        """Show a line that stays, above what is shown for a while."""
        if self._display is None:
            sys.stderr.write(f"{text}\n")
        else:
            self._display.console.print(text, highlight=False, markup=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._display is not None:
            self._display.stop()


def describe(simulated_ms: int, leases_done: int, elapsed_s: float) -> str:
    """Return the line that is shown: simulated time, leases done, speed."""
    speed = leases_done / elapsed_s if elapsed_s > 0 else 0.0
    return f"{span(simulated_ms // 1000)} simulated, {leases_done:,} leases done, {speed:,.0f} a second"


def _display(text: str) -> "tuple[Display, TaskID]":
    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import SpinnerColumn, TextColumn

    display = Display(
        SpinnerColumn(), TextColumn("{task.description}"),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    display.start()
    return display, display.add_task(text, total=None)
