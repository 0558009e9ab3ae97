"""From VMs that ask in OpenNebula to leases, and back: a daemon on an oned of ours."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haizea.app.intake import WHO
from haizea.model.resources import CPU
from haizea.model.site import HostState
from tests.backends.opennebula.cloud import Cloud, Host
from tests.backends.opennebula.running import Daemon, serving
from tests.backends.opennebula.server import Oned

WHOLE = 8
"""Cores of a host: a VM that needs them all."""


@pytest.fixture
def oned() -> Iterator[Oned]:
    """Return an oned with two hosts of eight cores."""
    server = Oned().start()
    server.cloud.hosts = {n: host for n, host in server.cloud.hosts.items() if n < 2}
    yield server
    server.stop()


@pytest.fixture
def daemon(oned: Oned, tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon that serves it."""
    with serving(tmp_path, oned=oned) as served:
        yield served


def until(so: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def accepted(oned: Oned, vm: int) -> None:
    """Wait for a VM to say that it will start, or waits for room."""
    waits = ("scheduled", "ready", "queued")
    until(lambda: oned.said(vm).get("HAIZEA_STATE") in waits, f"VM {vm} is accepted: {oned.said(vm)}")


def stamp(seconds: float) -> str:
    """Return an instant so many seconds from now, as a template has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")


def test_best_effort_gives_way_to_a_reservation_and_goes_on(oned: Oned, daemon: Daemon) -> None:
    """Best-effort VMs are really suspended in time, the reservation's start on time and end; then the first resume."""
    sweep = [
        oned.create("ana", f"sweep-{n}", WHOLE, start="best_effort", duration="01:00:00", group="g") for n in (1, 2)
    ]
    for vm in sweep:
        oned.wait(vm, 3, 3)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
    asked = {"start": start.strftime("%Y-%m-%d %H:%M:%S"), "duration": "00:00:04", "group": "class"}
    course = [oned.create("bruno", f"class-{n}", WHOLE, **asked) for n in (1, 2)]
    accepted(oned, course[0])
    assert oned.said(course[0])["HAIZEA_START"] == start.strftime("%Y-%m-%dT%H:%M:%SZ")
    for vm in sweep:
        oned.wait(vm, 5)
        assert datetime.now(UTC) < start
    for vm in course:
        oned.wait(vm, 3, 3)
    assert abs((datetime.now(UTC) - start).total_seconds()) < 1.5
    for vm in course:
        oned.wait(vm, 6)
    for vm in sweep:
        oned.wait(vm, 3, 3)
    first, second = daemon.leases()
    assert (first.owner, first.vms) == ("ana", 2)
    daemon.wait(first.id, "active")
    assert (second.owner, second.vms, second.type) == ("bruno", 2, "AR")
    daemon.wait(second.id, "done")
    assert oned.said(sweep[0])["HAIZEA_LEASE"] == str(first.id)
    assert {str(oned.said(vm)["HAIZEA_VM"]) for vm in sweep} == {"1", "2"}


def test_what_cannot_be_is_held_with_the_reason(oned: Oned, daemon: Daemon) -> None:
    """A rejected request's VM is put on hold, its user template says why, and releasing it asks again."""
    vm = oned.create("ana", "huge", 9, start="now", duration="00:10:00")
    oned.wait(vm, 2)
    until(lambda: oned.said(vm).get("HAIZEA_STATE") == "rejected", "it is rejected")
    assert oned.said(vm)["HAIZEA_REASON"]
    first = len(daemon.leases())
    oned.act(lambda cloud: cloud.vms[vm].template.update(CPU="1"))
    oned.act(lambda cloud: cloud.act(cloud.vms[vm], "release", 3))
    oned.wait(vm, 3, 3)
    assert len(daemon.leases()) == first + 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"start": "tomorrow"}, "isoformat"),
        ({"duration": "long"}, "duration"),
        ({"preemptible": "maybe"}, "PREEMPTIBLE is yes or no"),
        ({"colour": "blue"}, "there is no COLOUR"),
        ({"start": "2001-01-01 00:00:00", "duration": "00:10:00"}, ""),
    ],
)
def test_what_is_wrong_is_said(oned: Oned, daemon: Daemon, asked: dict[str, str], expected: str) -> None:
    """A HAIZEA attribute that cannot be understood, or asks for the past, is rejected with what is wrong about it."""
    vm = oned.create("ana", "odd", **asked)
    until(lambda: oned.said(vm).get("HAIZEA_STATE") == "rejected", "it is rejected")
    assert expected in str(oned.said(vm)["HAIZEA_REASON"])
    oned.wait(vm, 2)
    assert not daemon.warned


def test_rejected_vms_go_where_that_is_configured(oned: Oned, tmp_path: Path) -> None:
    """With opennebula.rejected = terminate, the VM of a rejected request is terminated."""
    with serving(tmp_path, ("opennebula.rejected=terminate",), oned):
        vm = oned.create("ana", "huge", 9, start="now", duration="00:10:00")
        oned.wait(vm, 6)
        assert oned.said(vm)["HAIZEA_REASON"]


def test_vms_without_the_attribute(oned: Oned, tmp_path: Path) -> None:
    """Pending VMs without it are immediate, unlimited leases, or left alone, as configured; held ones always are."""
    with serving(tmp_path, oned=oned) as daemon:
        plain, held = oned.create("ana", "plain"), oned.create("ana", "held", 1, 128, True)
        oned.wait(plain, 3, 3)
        (lease,) = daemon.leases()
        assert (lease.type, lease.duration_s, lease.preemptible) == ("immediate", None, False)
        assert oned.states()[held][0] == 2
    other = tmp_path / "other"
    other.mkdir()
    with serving(other, ("opennebula.without-attribute=ignore",), oned):
        alone = oned.create("ana", "alone")
        asks = oned.create("ana", "asks", start="now", duration="00:10:00")
        oned.wait(asks, 3, 3)
        assert oned.states()[alone][0] == 1


def test_a_group_is_one_lease_all_or_nothing(oned: Oned, daemon: Daemon) -> None:
    """VMs of one group that do not all fit start none of them; of two owners they are two groups."""
    mine = [oned.create("ana", f"m{n}", WHOLE, start="now", duration="00:10:00", group="g") for n in range(3)]
    theirs = oned.create("bruno", "t", 1, start="now", duration="00:10:00", group="g")
    oned.wait(theirs, 3, 3)
    for vm in mine:
        oned.wait(vm, 2)
    assert sorted((lease.owner, lease.vms, lease.state) for lease in daemon.leases()) == [
        ("ana", 3, "rejected"),
        ("bruno", 1, "active"),
    ]


def test_leases_asked_for_in_haizea_are_made_of_a_template(oned: Oned, daemon: Daemon) -> None:
    """VMs of a lease that was requested of Haizea itself are made of the configured template, with its capacity."""
    lease = daemon.request(
        nodes=[{"count": 2, "resources": {"CPU": 250, "Memory": 300}}], start="now", duration=600, name="api"
    )
    daemon.wait(lease.id, "active")
    for number in (0, 1):
        oned.wait(number, 3, 3)
    assert oned.cloud.vms[0].template == {"CPU": "2.50", "VCPU": "3", "MEMORY": "300"}
    daemon.parts.manager.leases.cancel(WHO, lease.id)
    for number in (0, 1):
        oned.wait(number, 6)


def test_a_guests_shutdown_frees_its_capacity(oned: Oned, daemon: Daemon) -> None:
    """When the guest shuts itself down its lease is done, and whoever waits gets the capacity at once."""
    first = [oned.create("ana", f"first-{n}", WHOLE, start="best_effort", duration="01:00:00") for n in range(2)]
    for vm in first:
        oned.wait(vm, 3, 3)
    second = oned.create("bruno", "second", WHOLE, start="best_effort", duration="01:00:00")
    accepted(oned, second)
    daemon.idle()
    oned.act(lambda cloud: cloud.guest_shuts_down(first[0]))
    oned.wait(second, 3, 3)
    daemon.wait(int(str(oned.said(first[0])["HAIZEA_LEASE"])), "done")
    oned.wait(first[0], 6)


def test_what_is_over_holds_no_capacity_in_opennebula(oned: Oned, tmp_path: Path) -> None:
    """A guest's shutdown takes the VM out of OpenNebula's books at once; with the last one all are terminated."""
    with serving(tmp_path, ("live.reconcile-every=600",), oned) as daemon:
        both = [oned.create("ana", f"b{n}", start="now", duration="01:00:00", group="g") for n in range(2)]
        for vm in both:
            oned.wait(vm, 3, 3)
        daemon.idle()
        oned.act(lambda cloud: cloud.guest_shuts_down(both[0]))
        oned.wait(both[0], 2)
        assert oned.states()[both[1]][:2] == (3, 3)
        oned.act(lambda cloud: cloud.guest_shuts_down(both[1]))
        daemon.wait(daemon.leases()[0].id, "done")
        for vm in both:
            oned.wait(vm, 6)


def test_what_an_administrator_powers_off_stays_until_its_lease_is_final(oned: Oned, tmp_path: Path) -> None:
    """Whoever powers a VM off finds it as it was, until the lease that it is of is over."""
    with serving(tmp_path, ("live.reconcile-every=600",), oned) as daemon:
        both = [oned.create("ana", f"b{n}", start="now", duration="01:00:00", group="g") for n in range(2)]
        for vm in both:
            oned.wait(vm, 3, 3)
        daemon.idle()
        oned.act(lambda cloud: cloud.act(cloud.vms[both[0]], "poweroff", 0))
        oned.wait(both[0], 8)
        time.sleep(1)
        assert oned.states()[both[0]][0] == 8
        daemon.parts.manager.leases.cancel(WHO, daemon.leases()[0].id)
        for vm in both:
            oned.wait(vm, 6)


def test_a_waiting_vm_that_is_terminated_takes_its_lease_along(oned: Oned, daemon: Daemon) -> None:
    """Who terminates a VM that has not begun gives up the reservation."""
    vm = oned.create("ana", "later", start=stamp(3600), duration="00:10:00")
    accepted(oned, vm)
    oned.act(lambda cloud: cloud.act(cloud.vms[vm], "terminate", 3))
    lease = daemon.wait(daemon.leases()[0].id, "cancelled")
    assert lease.reason is not None


def test_an_administrator_who_terminates_is_followed(oned: Oned, daemon: Daemon) -> None:
    """A running VM that an administrator terminates ends its lease; nothing starts it again."""
    vm = oned.create("ana", "one", start="now", duration="01:00:00")
    oned.wait(vm, 3, 3)
    lease = daemon.leases()[0].id
    oned.act(lambda cloud: cloud.act(cloud.vms[vm], "terminate", 0))
    oned.wait(vm, 6)
    daemon.wait(lease, "done", "cancelled", "failed")
    time.sleep(0.5)
    assert oned.states()[vm][0] == 6


def test_a_cancelled_lease_takes_its_vms_along(oned: Oned, daemon: Daemon) -> None:
    """Cancelling in Haizea terminates the VMs in OpenNebula, running or waiting."""
    running = oned.create("ana", "running", start="now", duration="01:00:00")
    waiting = oned.create("ana", "waiting", start=stamp(3600), duration="00:10:00")
    oned.wait(running, 3, 3)
    accepted(oned, waiting)
    for lease in daemon.leases():
        daemon.parts.manager.leases.cancel(WHO, lease.id)
    oned.wait(running, 6)
    oned.wait(waiting, 6)


def test_who_cannot_be_suspended_starts_over(oned: Oned, tmp_path: Path) -> None:
    """A preempted VM that cannot be suspended is not thrown away with what its user made of it: it waits on hold."""
    with serving(tmp_path, ("scheduling.suspension=none",), oned) as daemon:
        first = [oned.create("ana", f"be-{n}", WHOLE, start="best_effort", duration="01:00:00") for n in range(2)]
        for vm in first:
            oned.wait(vm, 3, 3)
        course = oned.create("bruno", "class", WHOLE, start=stamp(4), duration="00:00:03")
        oned.wait(course, 3, 3)
        held = [vm for vm in first if oned.states()[vm][0] == 2]
        assert len(held) == 1
        oned.wait(course, 6)
        oned.wait(held[0], 3, 3)
        assert [lease.state for lease in daemon.leases() if lease.owner == "ana"] == ["active", "active"]


def test_a_daemon_that_comes_after_finds_everything(oned: Oned, tmp_path: Path) -> None:
    """VMs run on while no daemon is there; the next one goes on with all of them, and takes none in twice."""
    with serving(tmp_path, oned=oned) as daemon:
        running = oned.create("ana", "running", start="now", duration="01:00:00")
        waiting = oned.create("ana", "waiting", start=stamp(5), duration="00:10:00")
        oned.wait(running, 3, 3)
        accepted(oned, waiting)
        before = [lease.id for lease in daemon.leases()]
    oned.act(lambda cloud: [vm.said.pop("HAIZEA_LEASE", None) for vm in cloud.vms.values()])
    meanwhile = oned.create("ana", "meanwhile", start="now", duration="01:00:00")
    with serving(tmp_path, oned=oned) as daemon:
        oned.wait(meanwhile, 3, 3)
        oned.wait(waiting, 3, 3)
        assert oned.states()[running][:2] == (3, 3)
        assert [lease.id for lease in daemon.leases()] == [*before, before[-1] + 1]
        assert oned.said(running)["HAIZEA_LEASE"] == str(before[0])


def test_hosts_come_change_and_go_while_leases_run(oned: Oned, daemon: Daemon) -> None:
    """A host that is added is planned with once it was monitored; its capacity may change; removed it is down."""
    both = [oned.create("ana", f"full-{n}", WHOLE, start="now", duration="01:00:00") for n in range(2)]
    for vm in both:
        oned.wait(vm, 3, 3)
    more = oned.create("ana", "more", WHOLE, start="best_effort", duration="01:00:00")
    accepted(oned, more)

    def add(cloud: Cloud) -> None:
        cloud.hosts[7] = Host(7, "rack2", 0, 0)

    def monitored(cloud: Cloud) -> None:
        cloud.hosts[7].cpu, cloud.hosts[7].memory = 800, 16_384

    oned.act(add)
    time.sleep(3)
    assert oned.states()[more][0] == 1
    oned.act(monitored)
    oned.wait(more, 3, 3)
    assert oned.states()[more][2] == 7
    big = oned.create("ana", "big", 2 * WHOLE, start="best_effort", duration="01:00:00")
    until(lambda: oned.said(big).get("HAIZEA_STATE") == "rejected", "no host is as large")
    oned.act(lambda cloud: setattr(cloud.hosts[7], "cpu", 3200))
    desk = daemon.parts.engine.scheduler.desk
    until(lambda: desk.real.hosts[2].capacity[CPU] == 3200, "it counts")
    oned.act(lambda cloud: cloud.act(cloud.vms[big], "release", 3))
    oned.wait(big, 3, 3)
    assert oned.states()[big][2] == 7
    oned.act(lambda cloud: cloud.hosts.pop(7))
    until(lambda: desk.hosts.states[2] is HostState.DOWN, "it is down")


def test_a_host_that_came_keeps_its_number(oned: Oned, tmp_path: Path) -> None:
    """A daemon that comes after goes on with the hosts that came while the one before it ran."""
    with serving(tmp_path, oned=oned) as daemon:
        both = [oned.create("ana", f"full-{n}", WHOLE, start="now", duration="01:00:00") for n in range(2)]
        for vm in both:
            oned.wait(vm, 3, 3)
        oned.act(lambda cloud: cloud.hosts.update({9: Host(9, "rack2", 800, 16_384)}))
        more = oned.create("ana", "more", WHOLE, start="best_effort", duration="01:00:00")
        oned.wait(more, 3, 3)
    oned.act(lambda cloud: cloud.hosts.update({5: Host(5, "rack1", 800, 16_384)}))
    with serving(tmp_path, oned=oned) as daemon:
        names = [host.name for host in daemon.parts.engine.scheduler.desk.real.hosts]
        assert names == ["host01", "host02", "rack2", "rack1"]
        last = oned.create("ana", "last", WHOLE, start="best_effort", duration="01:00:00")
        oned.wait(last, 3, 3)
        assert oned.states()[last][2] == 5
        assert oned.states()[more][:2] == (3, 3)
