"""The options of ``haizea simulate`` as a table, from which both of its readers are made.

click reads every command line; the plain ones of ``haizea simulate`` are also read by :mod:`haizea.cli.quick`,
because importing click takes longer than scheduling a small workload.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Flag(NamedTuple):
    """An option: ``name`` without dashes, the value's placeholder (empty: takes none), and its help.

    ``choices`` are all values it takes, the first its default. ``many`` may be repeated. ``number`` is a positive
    whole number.
    """

    name: str
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()
    many: bool = False
    number: bool = False
    short: str = ""


FLAGS: Final = (
    Flag("config", "Configuration: TOML, or INI of Haizea 1.x.", "FILE"),
    Flag("site", "The site in one line: '144 CPU:100 Memory:1024'.", "SITE"),
    Flag("annotations", "Annotations that are applied to the workload's leases.", "FILE"),
    Flag("injection", "A second workload that is merged into the first.", "FILE"),
    Flag("set", "Set one option of the configuration; may be repeated.", "SECTION.KEY=VALUE", many=True),
    Flag("output", "Folder for leases.csv, reservations.csv, summary.json and the effective configuration.", "DIR"),
    Flag("report", "Also write one HTML page that shows the schedule."),
    Flag("detail", "What is written to DIR: everything, or no reservations.csv.", "WHAT", ("full", "leases")),
    Flag("verify", "Verify the whole schedule after every event (slow)."),
    Flag("format", "How the summary is printed.", "FORMAT", ("table", "json"), short="o"),
    Flag("quiet", "Print no summary and no progress.", short="q"),
    Flag("memory", "Memory of each VM, where an SWF workload is read.", "MIB", number=True),
    Flag("processors", "Which processors of an SWF workload count first.", "WHICH", ("requested", "allocated")),
    Flag("starttime", "When the run begins: '2006-11-25 13:00:00' (UTC).", "TIME"),
)
"""The options of ``haizea simulate``."""

BY_NAME: Final[Mapping[str, Flag]] = {f"--{flag.name}": flag for flag in FLAGS} | {
    f"-{flag.short}": flag for flag in FLAGS if flag.short
}
"""The same by what is written on the command line."""

MEMORY_MAX: Final = (1 << 40) - 1


def number(text: str) -> int | None:
    """Return a positive whole number, None where the text is none that an option takes."""
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        return None
    return int(text) if 0 < int(text) <= MEMORY_MAX else None
