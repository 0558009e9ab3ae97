"""The pretended platform: it takes its time, survives being killed, and can be acted upon behind Haizea's back."""

import time
from pathlib import Path

import pytest

from haizea.backends.pretence import ACTS, Impossible, Pretence
from haizea.backends.pretended import PretendedPlatform
from haizea.cli.main import main
from haizea.live.clock import real_now
from haizea.model.events import Observed
from haizea.model.site import HostState
from haizea.runtime.ports import HostSeen, Report, Said, Seen
from haizea.runtime.rows import CommandRow

HOSTS = ["host-1", "host-2"]


class Now:
    """What time it is."""

    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        """Return it."""
        return self.at


def command(
    number: int, verb: str, *, at: int = 0, until: int = 0, lease: int = 1, hosts: tuple[int, ...] = (0,)
) -> CommandRow:
    """Return a command."""
    return CommandRow(number, at, until, verb, lease, hosts, "pending", 0, "")


def made(path: Path | str, now: Now) -> tuple[PretendedPlatform, list[Said]]:
    """Return a platform without a thread, and what it will have said."""
    platform = PretendedPlatform(path, HOSTS, now, threaded=False)
    said: list[Said] = []
    platform.start(said.append)
    return platform, said


def test_operations_take_as_long_as_planned_and_several_go_on_at_once() -> None:
    """Nothing is over before its time; what is about other VMs need not wait."""
    now = Now()
    platform, said = made(":memory:", now)
    for lease in (1, 2):
        platform.submit(command(lease, "start", lease=lease))
        platform.submit(command(10 + lease, "suspend", until=1000 * lease, lease=lease))
    assert [one.command for one in said if isinstance(one, Report)] == [1, 2]
    assert platform.next_at == 1000
    for now.at in (999, 1000, 2000):
        platform.advance(now.at)
    assert [one.command for one in said if isinstance(one, Report)] == [1, 2, 11, 12]
    assert [one.took for one in said if isinstance(one, Report)][2:] == [((1, 1000),), ((1, 2000),)]


def test_what_was_under_way_goes_on_after_a_kill_and_is_done_once(tmp_path: Path) -> None:
    """The file knows what was being done; the next one ends it, and does not begin it again."""
    now = Now()
    platform, _said = made(tmp_path / "p", now)
    platform.submit(command(1, "start"))
    platform.submit(command(2, "suspend", until=5000))
    now.at = 3000
    second, said = made(tmp_path / "p", now)
    second.submit(command(2, "suspend", until=5000))
    assert said == []
    now.at = 5000
    second.advance(5000)
    assert [(one.command, one.error) for one in said if isinstance(one, Report)] == [(2, "")]
    second.submit(command(2, "suspend", until=5000))
    assert [one.command for one in said if isinstance(one, Report)] == [2, 2]
    assert second.observe() == [Seen(1, 1, Observed.SUSPENDED, 0)]


def test_what_is_destroyed_is_not_waited_for() -> None:
    """A suspension under way is broken off, and said to have failed, before the VM is gone."""
    now = Now()
    platform, said = made(":memory:", now)
    platform.submit(command(1, "start"))
    platform.submit(command(2, "suspend", until=5000))
    platform.submit(command(3, "destroy"))
    reports = [one for one in said if isinstance(one, Report)]
    assert [(one.command, bool(one.error)) for one in reports] == [(1, False), (2, True), (3, False)]
    assert platform.observe() == []


@pytest.mark.parametrize("act", list(ACTS))
def test_what_is_done_behind_its_back_is_told(tmp_path: Path, act: str) -> None:
    """Whoever does it in another process, the platform shows it, and tells of it and of who it was."""
    now = Now()
    platform, said = made(tmp_path / "p", now)
    platform.submit(command(1, "start"))
    other = Pretence(tmp_path / "p", make=False)
    first = {"find": "lose", "resume": "pause"}.get(act)
    if first is not None:
        other.act(1, 1, first, "ada")
    other.act(1, 1, act, "ada", "host-2" if act == "migrate" else None)
    platform.advance(0)
    told = [one for one in said if isinstance(one, Seen)][-1]
    assert told.observed is ACTS[act].becomes
    assert told.by == ("ada" if ACTS[act].by_somebody else "")
    there = platform.observe()
    assert [one.observed for one in there] == ([] if ACTS[act].gone else [told.observed])
    assert told.host == (None if ACTS[act].gone else 1 if act == "migrate" else 0)


def test_a_vm_that_is_where_it_is_to_be_moved_to_was_brought_there_by_whoever_did_so(tmp_path: Path) -> None:
    """A migration that comes late does nothing, and takes nothing to be its own."""
    now = Now()
    platform, _said = made(tmp_path / "p", now)
    platform.submit(command(1, "start"))
    Pretence(tmp_path / "p", make=False).act(1, 1, "migrate", "ada", "host-2")
    platform.submit(command(2, "migrate", hosts=(1,)))
    assert [(one.host, one.by) for one in platform.observe()] == [(1, "ada")]


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """A VM that is not there cannot be stopped, one that runs cannot be resumed."""
    platform, _said = made(tmp_path / "p", Now())
    platform.submit(command(1, "start"))
    other = Pretence(tmp_path / "p", make=False)
    for vm, act in ((2, "stop"), (1, "resume"), (1, "find")):
        with pytest.raises(Impossible):
            other.act(1, vm, act, "ada")
    with pytest.raises(Impossible, match="start haizea serve first"):
        Pretence(tmp_path / "q", make=False)
    (tmp_path / "r").write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(Impossible, match="is not the file"):
        Pretence(tmp_path / "r", make=False)


def test_a_host_that_fails_takes_what_runs_there_with_it(tmp_path: Path) -> None:
    """What is suspended there waits on its disk; nothing can be started there until it is back."""
    now = Now()
    platform, said = made(tmp_path / "p", now)
    platform.submit(command(1, "start", lease=1))
    platform.submit(command(2, "start", lease=2))
    platform.submit(command(3, "suspend", lease=2))
    other = Pretence(tmp_path / "p", make=False)
    other.act_on_host("host-1", "fail")
    platform.advance(0)
    assert HostSeen(0, HostState.DOWN) in said
    assert platform.observe() == [Seen(2, 1, Observed.SUSPENDED, 0)]
    platform.submit(command(4, "start", lease=3))
    assert "down" in [one.error for one in said if isinstance(one, Report)][-1]
    other.act_on_host("host-1", "recover")
    platform.submit(command(5, "resume", lease=2))
    assert [one.error for one in said if isinstance(one, Report)][-1] == ""


def test_with_a_thread_it_notices_within_a_moment(tmp_path: Path) -> None:
    """Nobody has to ask it."""
    platform = PretendedPlatform(tmp_path / "p", HOSTS, real_now)
    said: list[Said] = []
    platform.start(said.append)
    platform.submit(command(1, "start", at=real_now(), until=real_now()))
    Pretence(tmp_path / "p", make=False).act(1, 1, "crash", "ada")
    end = time.monotonic() + 5
    while not any(isinstance(one, Seen) for one in said) and time.monotonic() < end:
        time.sleep(0.01)
    platform.stop()
    assert [one.observed for one in said if isinstance(one, Seen)] == [Observed.CRASHED]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vm", "1.2", "stop"], "there is no VM 1.2"),
        (["vm", "one", "stop"], "no VM: expected"),
        (["vm", "1.0", "stop"], "numbered from 1"),
        (["vm", "1", "migrate"], "migrate takes a HOST"),
        (["host", "host-9", "fail"], "there is no host 'host-9'"),
        (["host", "host-1", "resize"], "resize takes a CAPACITY"),
        (["host", "host-1", "resize", "much"], "is no capacity"),
        (["slow", "suspend", "nanx"], "expected 3x"),
        (["slow", "suspend", "1 day"], "expected 3x"),
        (["stranger", "desktop", "end"], "there is no stranger"),
    ],
)
def test_mistakes_on_the_command_line_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """Exit status 2, and what was expected."""
    platform, _said = made(tmp_path / "p", Now())
    platform.submit(command(1, "start"))
    with pytest.raises(SystemExit) as ended:
        main(["pretend", *words, "--platform-file", str(tmp_path / "p")])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_line_does_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """VMs, hosts, strangers, paces and faults; and what there is can be shown."""
    platform, said = made(tmp_path / "p", Now())
    platform.submit(command(1, "start", hosts=(0, 1)))
    for words in (
        ["vm", "1.2", "pause", "--by", "ada"],
        ["host", "host-2", "disable"],
        ["host", "host-2", "resize", "CPU:200 Memory:512"],
        ["stranger", "desktop", "start", "host-1", "CPU:100 Memory:512"],
        ["slow", "resume", "90s"],
        ["fault", "suspend"],
        ["show"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(["pretend", *words, "--platform-file", str(tmp_path / "p")])
        assert ended.value.code == 0, words
    shown = capsys.readouterr().out
    assert "vm 1.2: paused on host-2, by ada" in shown
    assert "host host-2: disabled" in shown
    assert "stranger desktop: on host-1, CPU:100 Memory:512" in shown
    platform.submit(command(2, "suspend", hosts=(0, 1)))
    assert "as it was told to" in [one.error for one in said if isinstance(one, Report)][-1]
    assert platform.hosts()[1].capacity is not None
