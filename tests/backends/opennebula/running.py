"""A daemon on OpenNebula, without its doors: the loop, the platform, the intake of VMs, and the verbs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from haizea.app.daemon import Parts, build
from haizea.app.intake import WHO
from haizea.config import load
from haizea.service.models import LeaseOut, LeaseRequestIn
from tests.backends.opennebula.server import Oned

USUAL: Final = (
    "live.backend=opennebula",
    "opennebula.poll-interval=0.1",
    "opennebula.group-wait=0",
    "opennebula.template=0",
    "opennebula.stuck-after=5",
    "scheduling.suspension=all",
    "scheduling.suspend-rate=64",
    "scheduling.resume-rate=128",
    # Leases that have just begun are suspended too, however long that takes.
    "scheduling.force-scheduling-threshold=0",
    "scheduling.policy-preemption=ar-preempts-everything",
    "live.reconcile-every=2",
    "live.vm-grace=3",
    "live.host-grace=3",
    "live.restart-backoff=1",
)


class Daemon:
    """A daemon that runs."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.warned: list[str] = []

    def leases(self) -> list[LeaseOut]:
        """Return all leases."""
        return self.parts.manager.leases.list(WHO).items

    def lease(self, number: int) -> LeaseOut:
        """Return a lease."""
        return self.parts.manager.leases.show(WHO, number)

    def request(self, **wanted: object) -> LeaseOut:
        """Request a lease through Haizea itself."""
        return self.parts.manager.leases.request(WHO, LeaseRequestIn.model_validate(wanted))

    def wait(self, number: int, *states: str, seconds: float = 60) -> LeaseOut:
        """Wait for a lease to be in one of some states."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [lease for lease in self.leases() if lease.id == number]
            if found and found[0].state in states:
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"not {states} within {seconds:g} s: {self.leases()}, {self.warned}")

    def idle(self, seconds: float = 10) -> None:
        """Wait until no command is under way: that a VM runs is seen before Haizea knows that it does."""
        until = time.monotonic() + seconds
        while self.parts.engine.assembly.operations.all():
            assert time.monotonic() < until, "commands are under way"
            time.sleep(0.02)

    def journal(self, number: int) -> list[str]:
        """Return what the journal says of a lease."""
        return [entry.text for entry in self.parts.manager.leases.timeline(WHO, number).entries]


@contextmanager
def serving(
    folder: Path, sets: Sequence[str] = (), oned: Oned | None = None, auth_file: Path | None = None
) -> Iterator[Daemon]:
    """Have a daemon serve an OpenNebula: our own, or the one that the environment names."""
    where = []
    if oned is not None:
        where = [f"opennebula.endpoint={oned.endpoint}", f"opennebula.auth-file={oned.auth_file(folder)}"]
    elif auth_file is not None:
        where = [f"opennebula.auth-file={auth_file}"]
    warned: list[str] = []
    settings = load(None, sets=(*USUAL, f"store.url=sqlite:///{folder / 'haizea.sqlite'}", *where, *sets))
    parts = build(settings, warn=lambda text, **_more: warned.append(text))
    daemon = Daemon(parts)
    daemon.warned = warned
    parts.engine.start()
    for helper in parts.helpers:
        helper.start()
    try:
        yield daemon
    finally:
        for helper in parts.helpers:
            helper.stop()
        parts.engine.stop()
        parts.store.close()
