"""Is anything lost? A daemon killed a thousand times under load, and looked at after each time.

``python -m benchmarks.crash [--kills N] [--postgresql]`` ends with status 1 at the first thing that is wrong, and says
what.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.tables import tell
from tests.live.crashing import crash_at_random
from tests.live.nursery import Site
from tests.stores.postgresql import Server

KILLS: Final = 1_000
TOLD_EVERY: Final = 50
OPTIONS: Final = {
    "live.site": "4 CPU:400 Memory:8192",
    "live.time-scale": "60",
    "scheduling.suspension": "all",
    "scheduling.policy-preemption": "ar-preempts-everything",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description="Kill the daemon again and again.")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help="how often (1,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what chooses moments and requests (1)")
    parser.add_argument("--postgresql", action="store_true", help="a server of PostgreSQL of its own, not SQLite")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="haizea-crash-"))
    if not given.postgresql:
        _run(given, Site(folder, f"sqlite:///{folder}/haizea.db", OPTIONS))
        return
    server = Server()
    try:
        _run(given, Site(folder, server.make(), OPTIONS))
    finally:
        server.remove()


def _run(given: argparse.Namespace, site: Site) -> None:
    folder = site.folder
    begun = time.monotonic()

    def told(number: int) -> None:
        if number % TOLD_EVERY == 0:
            tell(f"{number} kills, {time.monotonic() - begun:.0f} s")

    try:
        outcome = crash_at_random(site, given.kills, given.seed, told)
    except AssertionError as wrong:
        sys.exit(f"benchmarks.crash: after {time.monotonic() - begun:.0f} s, see {folder}: {wrong}")
    took = time.monotonic() - begun
    shutil.rmtree(folder)
    print(
        f"{outcome.kills} kills in {took:.0f} s: {outcome.requests} leases requested, {outcome.acknowledged} "
        f"acknowledged and all there as promised, {outcome.cancelled} cancelled, {outcome.retried} requests repeated "
        "after a crash; every schedule verified, every platform as it should be"
    )


if __name__ == "__main__":
    main()
