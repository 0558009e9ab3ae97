"""Workloads to measure with: real traces where they are at hand, otherwise drawn at random from a fixed seed."""

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.command import haizea
from benchmarks.tables import tell

ROOT: Final = Path(__file__).resolve().parent.parent
TRACES: Final = ROOT.parent / "shared" / "data"
GENERATED: Final = ROOT / "build" / "benchmarks"
SEED: Final = 1_152
LOAD: Final = "0.75"
"""The share of the machine that generated workloads ask for: that of the Lublin trace."""


class Trace(NamedTuple):
    """A workload with the site it is for; ``options`` are what ``haizea simulate`` is told to read it with."""

    name: str
    path: Path
    site: str
    options: tuple[str, ...]


def blue() -> Trace:
    """Return 60 days of the SDSC Blue Horizon, or as many generated leases for as many hosts."""
    site, options = "144 CPU:100 Memory:1024", ("--memory", "1024")
    path = TRACES / "sdsc-blue-60days.swf.gz"
    if path.exists():
        return Trace("Blue 60 days", path, site, options)
    return Trace("generated 9k on 144", generated(9_453, 144), site, options)


def lublin() -> Trace:
    """Return the 100,000 leases of the Lublin trace, or as many generated anew."""
    site, options = "144 CPU:800 Memory:8192", ("--memory", "1024")
    path = TRACES / "lublin-100k.swf.gz"
    if path.exists():
        return Trace("Lublin 100k", path, site, options)
    return Trace("generated 100k on 1152", generated(100_000, 1_152), site, options)


def generated(jobs: int, processors: int) -> Path:
    """Return a workload after Lublin and Feitelson; it is made once and kept.

    Raises:
        SystemExit: the command that makes it failed.
    """
    path = GENERATED / f"lublin-{jobs}-on-{processors}.swf.gz"
    if not path.exists():
        tell(f"generating {jobs} leases for {processors} processors")
        GENERATED.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial-{path.name}")
        what = ["--model", "lublin", "--jobs", str(jobs), "--processors", str(processors), "--seed", str(SEED)]
        more = ["--load", LOAD, "--memory", "1024", "--output", str(partial)]
        done = subprocess.run(
            [*haizea(), "workload", "generate", *what, *more], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"benchmarks: no workload was generated: {done.stderr}")
        partial.rename(path)
    return path
