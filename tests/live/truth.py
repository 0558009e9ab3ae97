"""What must be so whatever happened: looked at in the store and on the platform, while no daemon runs."""

from collections.abc import Iterable
from typing import Any

from haizea.app.daemon import build
from haizea.core.scheduler import Scheduler
from haizea.core.states import TRANSITIONS
from haizea.live.engine import Engine
from haizea.model.events import Observed
from haizea.plan.lease import Phase
from haizea.plan.operations import hosts_of
from haizea.plan.slottable import Reservation
from haizea.runtime.ports import Seen
from haizea.runtime.rows import LeaseFilter
from haizea.runtime.store import Store
from haizea.service.views import lease_out
from haizea.stores.maintenance import check
from tests.live.load import Load, Promise
from tests.live.nursery import Site, lead

NAMES = [f"host-{number}" for number in range(1, 101)]
FINAL = {state.label for state in TRANSITIONS if state.final}


def sound(scheduler: Scheduler) -> None:
    """Check from zero that no host is promised twice."""
    stays = [stay for lease in scheduler.desk.leases.values() for stay in lease.stays]
    now = scheduler.desk.now
    held = [Reservation(max(now, stay.start), stay.end, stay.placement.held) for stay in stays if stay.end > now]
    found = scheduler.desk.table.check(held)
    leases = [lease for lease in scheduler.desk.leases.values() if lease.stays]
    assert found == [], f"{found[:5]}: {[story(scheduler, lease.id) for lease in leases]}"


def on_platform(scheduler: Scheduler, seen: Iterable[Seen]) -> None:
    """Check that what should run runs, where it should, and nothing else does."""
    wanted: dict[tuple[int, int], tuple[int, Observed]] = {}
    for lease in scheduler.desk.leases.values():
        stay = lease.stays[0] if lease.stays else None
        if stay is not None and stay.phase is not Phase.PLANNED:
            over = stay.phase is Phase.ENDING
            state = Observed.SUSPENDED if over and stay.suspending else Observed.RUNNING
            if over and not stay.suspending:
                continue
            hosts = hosts_of(stay, scheduler.desk.table)
        elif lease.images is not None:
            state, hosts = Observed.SUSPENDED, lease.images
        else:
            continue
        for vm, host in enumerate(hosts, 1):
            wanted[lease.id, vm] = host, state
    vms = list(seen)
    found = {(one.lease, one.vm): (one.host, one.observed) for one in vms}
    assert len(found) == len(vms), "a VM is in two places"
    wrong = {key: (found.get(key), wanted.get(key)) for key in found.keys() | wanted.keys()}
    wrong = {key: (there, want) for key, (there, want) in wrong.items() if there != want}
    # What is destroyed while it is being resumed leaves its images, which this platform does not keep apart.
    wrong = {
        key: (there, want)
        for key, (there, want) in wrong.items()
        if there is not None or not _resumption_broken_off(scheduler, key[0])
    }
    stories = {number: story(scheduler, number) for number, _vm in wrong}
    assert not wrong, f"(lease, vm): (what there is, what should be): {wrong} {stories}"


def _resumption_broken_off(scheduler: Scheduler, number: int) -> bool:
    lease = scheduler.desk.leases.get(number)
    return lease is not None and any(each.kind == "resume" and each.outcome == "cancelled" for each in lease.log)


def story(scheduler: Scheduler, number: int) -> str:
    """Return what is known of a lease, for a message."""
    lease = scheduler.desk.leases.get(number)
    if lease is None:
        return "it is over"
    log = [(each.kind, each.start, each.end, each.outcome) for each in lease.log]
    stays = [(stay.phase.name, stay.start, stay.run_start, stay.run_end, stay.end) for stay in lease.stays]
    return f"{lease!r} images {lease.images} {log} {stays} now {scheduler.desk.now}"


def recovered(site: Site) -> None:
    """Do what a daemon does when it starts, let it stop again, and check that all is well."""
    leadership = lead(site)
    parts = build(site.settings(), warn=lambda text: None, leadership=leadership)
    engine: Engine = parts.engine
    sound(engine.scheduler)
    engine.start()
    try:
        # One step for what is due, one for what the platform had to say.
        for _ in range(2):
            engine.look(lambda change: None)
    finally:
        engine._stopping = True
        engine.clock.wake()
        engine.join(30)
    try:
        assert engine.failure is None, engine.failure
        sound(engine.scheduler)
        on_platform(engine.scheduler, engine._platform.observe())
    finally:
        engine.stop()
        parts.store.close()
        leadership.release()


def kept(store: Store, promises: Iterable[Promise]) -> None:
    """Check that every acknowledged lease is there, as it was promised."""
    living = {row.id: row for row in store.leases(LeaseFilter(active=True), limit=100_000)}
    for promise in promises:
        if promise.lease is not None:
            number = promise.lease["id"]
            row = living.get(number) or store.lease(number)
            assert row is not None, f"lease {number} is gone"
            promise.heard(lease_out(row, NAMES, private=False).model_dump(mode="json"))


def once(store: Store, promises: Iterable[Promise]) -> None:
    """Check that no request has led to two leases, acknowledged or not."""
    by_name: dict[str, list[int]] = {}
    for row in store.leases(LeaseFilter(), limit=1_000_000):
        if not withdrawn(row.document):
            by_name.setdefault(row.name, []).append(row.id)
    for promise in promises:
        found = by_name.pop(promise.key, [])
        wanted = found[:1] if promise.lease is None else [promise.lease["id"]]
        assert found == wanted, (promise.key, found)
    assert not by_name, f"nobody asked for {by_name}"


def withdrawn(document: Any) -> bool:
    """Whether a lease was requested while the store could not be written, and refused for that."""
    reason = document["reason"]
    return reason is not None and "the store, which could not keep it" in reason["text"]


def unsettled(load: Load) -> list[Promise]:
    """Return the promises that may still change."""
    return [promise for promise in load.promises if promise.state not in FINAL]


def whole(site: Site) -> None:
    """Check everything that is in the store."""
    found = [each for each in check(site.url) if each.where != "file"]
    assert found == [], found
