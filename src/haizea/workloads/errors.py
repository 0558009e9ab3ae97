"""The one error that reading a workload can end in, and how it quotes what was found."""

import os
from typing import Final

QUOTE_MAX: Final = 60
"""Longest piece of a file that a message repeats, in characters."""


class WorkloadError(ValueError):
    """A workload file cannot be used: ``FILE:LINE: what is wrong; what was expected``.

    ``path`` is the file as the user named it, ``line`` counts from 1 and is None where the fault has no line
    (a missing file, say).
    """

    def __init__(self, path: str | os.PathLike[str], line: int | None, wrong: str, expected: str) -> None:
        """Say what is ``wrong`` where, and what was ``expected``."""
        self.path = os.fspath(path)
        self.line = line
        self.wrong = wrong
        self.expected = expected
        super().__init__(path, line, wrong, expected)

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.wrong}; expected {self.expected}"


def quoted(text: str) -> str:
    """Return text from a file fit for a message: in quotes, control characters escaped, cut if long."""
    return ascii(text) if len(text) <= QUOTE_MAX else ascii(text[:QUOTE_MAX]) + "..."
