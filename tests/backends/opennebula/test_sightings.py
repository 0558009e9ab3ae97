"""What happens in OpenNebula behind Haizea's back, and what the scheduler is told of it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haizea.backends.opennebula.operations import Rules
from haizea.backends.opennebula.platform import OpenNebulaPlatform, Setup
from haizea.model.events import Observed
from haizea.model.lease import LeaseTerms, NodeSet
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.site import HostState
from haizea.model.units import HOUR
from haizea.runtime.ports import HostSeen, PlatformUnavailable, Report, Seen
from tests.backends.contract import Operator
from tests.backends.opennebula.cloud import Cloud
from tests.backends.opennebula.server import Oned
from tests.backends.opennebula.worlds import QUICK

O = Observed  # noqa: E741  as short as a table needs it
TERMS = LeaseTerms((NodeSet(1, Capacity({CPU: 100, MEMORY: 64})),), HOUR, user="haizea")


@pytest.fixture
def oned() -> Iterator[Oned]:
    """Return an oned with four hosts."""
    server = Oned().start()
    yield server
    server.stop()


def platform(oned: Oned, rules: Rules = QUICK) -> OpenNebulaPlatform:
    """Return a platform that looks ten times a second, whose lease 1 has one VM of Haizea's own."""
    names = [host.name for host in oned.cloud.hosts.values()]
    setup = Setup(rules, interval_s=0.1, template="0")
    return OpenNebulaPlatform(oned.client(), names, {1: TERMS}.get, setup)


@pytest.fixture
def running(oned: Oned) -> Iterator[Operator]:
    """Return an operator whose lease 1 runs as VM 0 on host 0."""
    operator = Operator(platform(oned))
    operator.well("start", 1, (0,))
    yield operator
    operator.platform.stop()


def last(operator: Operator, state: Observed) -> Seen:
    """Wait to be told of a state, and return what was told."""
    operator.wait(lambda: bool(operator.told(1)) and operator.told(1)[-1].observed is state, f"told of {state}")
    return operator.told(1)[-1]


Act = Callable[[Cloud], object]


def by_admin(action: str) -> Act:
    """Return what an administrator does with an action."""
    return lambda cloud: cloud.act(cloud.vms[0], action, 0)


BEHIND_THE_BACK: dict[str, tuple[list[Act], Seen]] = {
    "guest shuts down": ([lambda c: c.guest_shuts_down(0)], Seen(1, 1, O.GUEST_SHUTDOWN, 0, "")),
    "guest crashes": ([lambda c: c.crashes(0)], Seen(1, 1, O.UNKNOWN, 0, "")),
    "paused at the hypervisor": ([lambda c: c.paused_at_hypervisor(0)], Seen(1, 1, O.PAUSED, 0, "")),
    "administrator suspends": ([by_admin("suspend")], Seen(1, 1, O.SUSPENDED, 0, "oneadmin")),
    "administrator stops": ([by_admin("stop")], Seen(1, 1, O.SUSPENDED, None, "oneadmin")),
    "administrator powers off": ([by_admin("poweroff")], Seen(1, 1, O.STOPPED, 0, "oneadmin")),
    "administrator powers off hard": ([by_admin("poweroff-hard")], Seen(1, 1, O.STOPPED, 0, "oneadmin")),
    "administrator undeploys": ([by_admin("undeploy")], Seen(1, 1, O.STOPPED, None, "oneadmin")),
    "administrator terminates": ([by_admin("terminate")], Seen(1, 1, O.DELETED, None, "")),
    "administrator terminates hard": ([by_admin("terminate-hard")], Seen(1, 1, O.DELETED, None, "")),
    "administrator deletes": ([lambda c: c.recover(c.vms[0], 3, 0)], Seen(1, 1, O.DELETED, None, "oneadmin")),
    "administrator recreates": ([lambda c: c.recover(c.vms[0], 4, 0)], Seen(1, 1, O.VANISHED, None, "oneadmin")),
    "administrator migrates live": ([lambda c: c.migrate(c.vms[0], 2, True, 0)], Seen(1, 1, O.RUNNING, 2, "oneadmin")),
    "administrator migrates": ([lambda c: c.migrate(c.vms[0], 3, False, 0)], Seen(1, 1, O.RUNNING, 3, "oneadmin")),
}


@pytest.mark.parametrize("what", BEHIND_THE_BACK)
def test_what_happens_behind_the_back_is_told(oned: Oned, running: Operator, what: str) -> None:
    """Guest, failure and administrator are told apart, each with who it was, and where the VM is now."""
    acts, expected = BEHIND_THE_BACK[what]
    for act in acts:
        oned.act(act)
    assert last(running, expected.observed) == expected
    time.sleep(0.3)
    assert running.told(1).count(expected) == 1


def test_who_resumes_is_told_too(oned: Oned, running: Operator) -> None:
    """A VM that an administrator suspends and resumes is seen suspended and running, by that administrator."""
    oned.act(by_admin("suspend"))
    last(running, O.SUSPENDED)
    oned.act(by_admin("resume"))
    assert last(running, O.RUNNING) == Seen(1, 1, O.RUNNING, 0, "oneadmin")


def test_a_guest_may_come_back(oned: Oned, running: Operator) -> None:
    """A VM that nothing is heard of, and then is reported running again, is unknown and then running."""
    oned.act(lambda cloud: cloud.crashes(0))
    last(running, O.UNKNOWN)
    oned.act(lambda cloud: cloud.comes_back(0))
    last(running, O.RUNNING)
    assert [one.observed for one in running.told(1)] == [O.UNKNOWN, O.RUNNING]


def test_a_stopped_vm_that_is_to_resume_is_suspended(oned: Oned, running: Operator) -> None:
    """Who resumes a stopped VM only makes it pending, for a scheduler to deploy: it is still suspended."""
    oned.act(by_admin("stop"))
    last(running, O.SUSPENDED)
    oned.act(by_admin("resume"))
    time.sleep(0.3)
    assert running.states(1) == [(1, O.SUSPENDED, None)]
    running.well("resume", 1, (3,))
    assert running.states(1) == [(1, O.RUNNING, 3)]


def test_a_started_suspended_vm_runs(oned: Oned, running: Operator) -> None:
    """A VM that Haizea has suspended and somebody starts with the hypervisor's tools is told to run."""
    running.well("suspend", 1, (0,))
    oned.act(lambda cloud: cloud.comes_back(0))
    assert last(running, O.RUNNING).host == 0


def test_a_host_fails_and_comes_back(oned: Oned, running: Operator) -> None:
    """A host in error is suspect and its VMs unknown; when it is back it is up, and they run once they are reported."""
    oned.act(lambda cloud: cloud.host_fails(0))
    last(running, O.UNKNOWN)
    running.wait(lambda: HostSeen(0, HostState.SUSPECT, Capacity({CPU: 800, MEMORY: 16384}), "host01") in running.said)
    oned.act(lambda cloud: cloud.host_returns(0))
    running.wait(
        lambda: [s.state for s in running.said if isinstance(s, HostSeen)] == [HostState.SUSPECT, HostState.UP]
    )
    assert running.states(1) == [(1, O.UNKNOWN, 0)]
    oned.act(lambda cloud: cloud.comes_back(0))
    last(running, O.RUNNING)


@pytest.mark.parametrize(
    ("state", "expected"), [(4, HostState.DISABLED), (8, HostState.DISABLED), (3, HostState.SUSPECT)]
)
def test_hosts_that_are_taken_out(oned: Oned, running: Operator, state: int, expected: HostState) -> None:
    """A disabled host and one that is offline are disabled; what runs there runs on. One in error is suspect."""
    oned.act(lambda cloud: setattr(cloud.hosts[1], "state", state))
    running.wait(lambda: any(isinstance(s, HostSeen) and s.host == 1 and s.state is expected for s in running.said))
    assert running.states(1) == [(1, O.RUNNING, 0)]


def test_what_ones_own_command_does_is_no_news(oned: Oned, running: Operator) -> None:
    """States that a command passes through, the traps among them, are told to nobody."""
    oned.cloud.usual = 0.15
    for verb, host in (("suspend", 0), ("resume", 2), ("migrate", 1), ("pause", 1), ("unpause", 1), ("shut-down", 1)):
        running.well(verb, 1, (host,))
    time.sleep(0.4)
    assert running.told(1) == []


# Operations that do not go as they should ------------------------------------------------------------------------


def test_a_save_that_fails_is_tried_again(oned: Oned, running: Operator) -> None:
    """A suspension that leaves the VM running, without a word, is tried again."""
    oned.cloud.failing[6] = 2
    running.well("suspend", 1, (0,))
    assert oned.cloud.log.count(("one.vm.action suspend", 0)) == 3


def test_a_save_that_fails_for_good_is_reported(oned: Oned, running: Operator) -> None:
    """After three times the command has failed, for that VM, which still runs, as is told."""
    oned.cloud.failing[6] = 100
    report = running.do("suspend", 1, (0,))
    assert "could not be saved" in report.error
    assert report.vms == (1,)
    assert last(running, O.RUNNING) == Seen(1, 1, O.RUNNING, 0, "")


def test_a_boot_that_fails_leaves_nothing_behind(oned: Oned) -> None:
    """A VM that cannot be booted is made anew and tried again; when it is given up it is not left in a failed state."""
    operator = Operator(platform(oned))
    oned.cloud.failing[2] = 1
    operator.well("start", 1, (0,))
    operator.well("destroy", 1, (0,))
    oned.cloud.failing[2] = 100
    report = operator.do("start", 1, (0,))
    assert "could not be started" in report.error
    assert [state for state in oned.states().values() if state[0] == 3] == []
    operator.platform.stop()


def test_a_resumption_that_fails_is_tried_again(oned: Oned, running: Operator) -> None:
    """A resumption that leaves the VM suspended is tried again; one from a stopped state is first given up."""
    running.well("suspend", 1, (0,))
    oned.cloud.failing[21] = 1
    running.well("resume", 1, (0,))
    oned.act(by_admin("stop"))
    last(running, O.SUSPENDED)
    oned.cloud.failing[22] = 1
    running.well("resume", 1, (2,))
    assert running.states(1) == [(1, O.RUNNING, 2)]


def test_a_guest_that_does_not_shut_down_is_switched_off(oned: Oned, running: Operator) -> None:
    """A guest that has not shut itself down within the limit is terminated hard."""
    oned.cloud.delay[12] = 60
    running.well("shut-down", 1, (0,))
    asked = [call for call, _vm in oned.cloud.log if "terminate" in call]
    assert asked == ["one.vm.action terminate", "one.vm.action terminate-hard"]


def test_destroying_what_is_being_saved_waits(oned: Oned, running: Operator) -> None:
    """While a VM is saved OpenNebula refuses everything else: it is tried until it may be done."""
    oned.cloud.delay[6] = 1.0
    suspend = running.send("suspend", 1, (0,))
    oned.wait(0, 3, 6)
    running.well("destroy", 1, (0,))
    assert "overtaken" in running.reports(suspend)[0].error
    assert running.states(1) == []


def test_an_administrators_hand_is_waited_for(oned: Oned, running: Operator) -> None:
    """A command for a VM that somebody else is suspending waits until that is over, and goes on from there."""
    oned.cloud.delay[6] = 0.8
    oned.act(by_admin("suspend"))
    running.well("resume", 1, (0,))
    assert running.states(1) == [(1, O.RUNNING, 0)]


def test_oned_restarted_during_a_suspend(oned: Oned, running: Operator) -> None:
    """A save that hangs for ever since oned was restarted is given up after a while, and done once more."""
    oned.cloud.delay[6] = 30
    number = running.send("suspend", 1, (0,))
    oned.wait(0, 3, 6)
    oned.stop()
    time.sleep(0.5)
    oned.cloud.delay.clear()
    oned.start()
    assert oned.states()[0][:2] == (3, 6)
    running.wait(lambda: bool(running.reports(number)), "the suspension is over")
    assert running.reports(number)[0].error == ""
    assert oned.states()[0][:2] == (5, 0)
    assert [each for each in oned.cloud.log if each[0] == "one.vm.recover"] == [("one.vm.recover", 0)]


def test_while_oned_is_away_nothing_is_known(oned: Oned, running: Operator) -> None:
    """An oned that does not answer is asked again until it does; what it has is unknown meanwhile, not nothing."""
    oned.stop()
    time.sleep(0.3)
    with pytest.raises(PlatformUnavailable, match="cannot be looked at"):
        running.platform.observe()
    number = running.send("suspend", 1, (0,))
    oned.start()
    running.wait(lambda: bool(running.reports(number)), "the suspension is over")
    assert running.states(1) == [(1, O.SUSPENDED, 0)]
    assert running.told(1) == []


def test_a_command_that_was_overtaken_is_not_done_again(oned: Oned, running: Operator) -> None:
    """A daemon that comes after one that was killed knows from the VM which command was begun last."""
    start = next(one.command for one in running.said if isinstance(one, Report))
    suspend = running.well("suspend", 1, (0,)).command
    running.platform.stop()
    after = Operator(platform(oned))
    for number, verb in ((start, "start"), (suspend, "suspend")):
        assert after.do(verb, 1, (0,), number=number).error == ""
    assert after.states(1) == [(1, O.SUSPENDED, 0)]
    assert oned.cloud.log.count(("one.vm.deploy", 0)) == 1
    after.platform.stop()


# Whose is it -------------------------------------------------------------------------------------------------


def test_nobody_makes_their_vm_anothers(oned: Oned, running: Operator) -> None:
    """A user who writes a lease's number on their own VM has a VM that is no lease's."""
    mine = oned.create("ana", "mine")
    oned.act(lambda cloud: cloud.vms[mine].said.update(HAIZEA_LEASE="1", HAIZEA_VM="1"))
    oned.act(lambda cloud: cloud.deploy(cloud.vms[mine], 1))
    oned.wait(mine, 3, 3)
    assert running.states(1) == [(1, O.RUNNING, 0)]
    (one,) = running.platform.strangers()
    assert (one.name, one.labels["owner"], one.labels["HAIZEA_LEASE"]) == (str(mine), "ana", "1")
    running.well("destroy", 1, (0,))
    assert oned.states()[mine][:2] == (3, 3)


def test_suspended_strangers_keep_their_capacity(oned: Oned, running: Operator) -> None:
    """OpenNebula keeps the capacity of suspended and powered-off VMs, and gives away that of stopped ones: so do we."""
    mine = oned.create("ana", "mine", 2.5, 512)
    oned.act(lambda cloud: cloud.deploy(cloud.vms[mine], 1))
    for action, state, counted in (("suspend", 5, 1), ("stop", 4, 0)):
        oned.wait(mine, *((3, 3) if action == "suspend" else (5, 0)))
        oned.act(lambda cloud, action=action: cloud.act(cloud.vms[mine], action, 3))  # type: ignore[misc]
        oned.wait(mine, state)
        found = running.platform.strangers()
        assert [(one.host, one.demand[CPU], one.demand[MEMORY]) for one in found] == [(1, 250, 512)] * counted


def test_publisher_or_none(oned: Oned, tmp_path: Path) -> None:
    """With the event publisher a change is noticed at once, however seldom OpenNebula is looked at."""
    zmq = pytest.importorskip("zmq", reason="pyzmq, the extra zmq, is not installed")
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    names = [host.name for host in oned.cloud.hosts.values()]
    setup = Setup(QUICK, interval_s=60, template="0", publisher=f"tcp://127.0.0.1:{port}")
    operator = Operator(OpenNebulaPlatform(oned.client(), names, {1: TERMS}.get, setup))
    operator.well("start", 1, (0,))
    oned.act(lambda cloud: cloud.guest_shuts_down(0))
    oned.wait(0, 8)

    def told() -> bool:
        socket.send_multipart([b"EVENT STATE VM/POWEROFF//0 ", b"PFZNLz4="])
        return bool(operator.told(1))

    operator.wait(told, "the shutdown is told")
    operator.platform.stop()
    socket.close(0)
    context.term()
