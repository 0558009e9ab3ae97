"""A daemon killed at any moment loses nothing that it acknowledged, and leaves nothing half done."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from haizea.runtime.store import Store, StoreUnusable
from haizea.stores import open_store
from haizea.stores.maintenance import check
from tests.stores.postgresql import Server
from tests.stores.writer import whole

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = int(os.environ.get("HAIZEA_TEST_KILLS", "8"))


def start(url: str) -> subprocess.Popen[str]:
    """Start the program that writes."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stores.writer", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


def opened(url: str) -> Store:
    """Open a store whose writer was just killed: a server of a database takes a moment to notice."""
    until = time.monotonic() + 20
    while True:
        try:
            return open_store(url)
        except StoreUnusable:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_killed_while_writing(url: str) -> None:
    """After SIGKILL at a random moment, the next daemon finds every acknowledged transaction, and at most one more."""
    moment = random.Random(7)
    acknowledged = 0
    for _ in range(KILLS):
        with start(url) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline()]
            time.sleep(moment.uniform(0, 0.3))
            writer.send_signal(signal.SIGKILL)
            # The last line may be cut off.
            said += writer.stdout.read().split("\n")[:-1]
        acknowledged = max([acknowledged, *map(int, said)])
        store = opened(url)
        kept = whole(store)
        store.close()
        assert acknowledged <= kept <= acknowledged + 2
        acknowledged = kept
    assert acknowledged > KILLS
    assert [each for each in check(url) if each.where != "file"] == []


def test_the_server_crashes_while_writing(server: Server) -> None:
    """After a crash of PostgreSQL, everything acknowledged is there when it is back."""
    url = server.make()
    with start(url) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        time.sleep(0.3)
        server.stop("immediate")
        said += writer.stdout.read().split()
    server.start()
    store = open_store(url)
    assert int(said[-1]) <= whole(store) <= int(said[-1]) + 1
    store.close()
