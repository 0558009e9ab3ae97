"""The one exception of the configuration."""

from collections.abc import Iterable
from typing import Final

PROBLEMS_SHOWN_MAX: Final = 20


class ConfigError(ValueError):
    """A configuration that cannot be used, with everything that is wrong with it.

    ``problems`` holds one complete sentence for each: file and line (or variable, or option), key, what is wrong
    and what is allowed. ``str()`` gives one problem a line, at most :data:`PROBLEMS_SHOWN_MAX`.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        """Take one problem or several."""
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        shown = self.problems[:PROBLEMS_SHOWN_MAX]
        more = len(self.problems) - len(shown)
        super().__init__("\n".join([*shown, f"and {more} more problems"] if more else shown))


def suggestion(wrong: str, allowed: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` where one of the allowed words is close to the wrong one, else nothing."""
    # Only a mistake pays for the import.
    from difflib import get_close_matches

    by_lower = {name.lower(): name for name in allowed}
    close = get_close_matches(wrong[:100].lower(), by_lower, 1, 0.6)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def quoted(value: object) -> str:
    """Return a value as an error message shows it: quoted, on one line, cut where it is long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        # repr gives up on very deep values and on integers of many thousand digits.
        return f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= 80 else text[:76] + " ..."
