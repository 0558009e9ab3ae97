"""What a run tells beside its results: probes, status messages, the log; and that none of it changes the schedule."""

import csv
from pathlib import Path

import pytest

from haizea.config.table import PROBES
from haizea.experiments.probes import COUNTERS, Probes
from haizea.model.lease import DiskImage
from haizea.model.units import MINUTE
from haizea.plan.options import Suspension, TransferOptions
from tests.cli.running import Outcome, haizea
from tests.core.play import Play
from tests.simulation.running import policies

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "first.lwf"


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def example(capsys: pytest.CaptureFixture[str], folder: Path, *sets: str, quiet: bool = False) -> Outcome:
    """Simulate the bundled example, with reservations that make others give way."""
    given = ("scheduling.suspension=all", "scheduling.policy-preemption=ar-preempts-everything", *sets)
    options = [part for text in given for part in ("--set", text)]
    return haizea(capsys, "simulate", EXAMPLE, "--output", folder, *options, *(["-q"] if quiet else []))


class Watched(Play):
    """A site whose probes look on."""

    def __init__(
        self, *names: str, hosts: int = 1, rate: str | None = None, transfer: TransferOptions | None = None
    ) -> None:
        """Take the names of the probes."""
        chosen = policies(pricing="free" if rate is None else "constant", settings={"rate": rate or ""})
        super().__init__(hosts, chosen, suspension=Suspension.ALL, transfer=transfer)
        self.probes = Probes(names, self.scheduler)
        handle = self.scheduler.handle

        def watched(event: object) -> object:
            effects = handle(event)  # type: ignore[arg-type]
            self.probes.after(event, effects)  # type: ignore[arg-type]
            return effects

        self.scheduler.handle = watched  # type: ignore[method-assign, assignment]

    def course(self, counter: str, end: float) -> list[tuple[float, int, float | None]]:
        """Return a counter's instants (in minutes), values and means."""
        points = self.probes.points(round(end * MINUTE))
        return [(p.at / MINUTE, p.value, p.average) for p in points if p.counter == counter]

    def of_lease(self, number: int) -> dict[str, str]:
        """Return what is kept of a lease."""
        header, *found = self.probes.lease_rows()
        row = next(row for row in found if row[0] == str(number))
        return {name: value for name, value in zip(header, row, strict=True) if value}


def test_the_queue_is_counted_as_it_grows_and_shrinks() -> None:
    """One host, three leases of an hour: the mean is weighed by time."""
    watched = Watched("best-effort")
    for number in (1, 2, 3, 4):
        watched.ask(number, minutes=60)
    watched.go(300)
    # The second lease holds a reservation at once, so it does not wait in the queue.
    assert watched.course("Queue size", 240) == [
        (0, 2, 2), (60, 1, 2), (120, 0, 1.5), (240, 0, 0.75),
    ]  # fmt: skip
    assert watched.course("Best-effort completed", 300) == [
        (0, 0, None), (60, 1, None), (120, 2, None), (180, 3, None), (240, 4, None), (300, 4, None),
    ]  # fmt: skip
    assert watched.of_lease(3) == {"lease_id": "3", "Waiting time": "7200", "Slowdown": "3.000"}


def test_requests_and_refusals_are_counted_by_type() -> None:
    """Reservations and immediate leases, accepted when they were asked for, refused when they were refused."""
    watched = Watched("lease", "ar", "immediate")
    watched.ask(1, start=10, minutes=20)
    watched.go(5)
    watched.ask(2, start=15, minutes=20)
    watched.ask(3, immediate=True, minutes=2)
    watched.go(6)
    watched.ask(4, immediate=True)
    watched.go(60)
    assert watched.course("Accepted AR", 60) == [(0, 1, None), (60, 1, None)]
    assert watched.course("Rejected AR", 60) == [(0, 0, None), (5, 1, None), (60, 1, None)]
    assert watched.course("Accepted Immediate", 60) == [(0, 0, None), (5, 1, None), (60, 1, None)]
    assert watched.course("Rejected Immediate", 60)[-1][1] == 1
    finals = {name: watched.course(f"{name} leases", 60)[-1][1] for name in ("Requested", "Completed", "Rejected")}
    assert finals == {"Requested": 4, "Completed": 2, "Rejected": 2}


def test_money_is_counted_where_users_say_what_they_would_pay() -> None:
    """What was paid, what more would have been paid, and what was missed because a lease was too dear."""
    watched = Watched("price", rate="0.10")
    watched.ask(1, extra={"simul_userrate": "0.25"})
    watched.ask(2, extra={"simul_userrate": "0.05"})
    watched.ask(3, extra={"simul_userrate": "all of it"})
    watched.ask(4, minutes=30)
    watched.go(200)
    last = {row[0]: row[2] for row in watched.probes.counter_rows(200 * MINUTE)}
    assert last == {
        "Revenue": "0.15",
        "Missed revenue (undercharging)": "0.15",
        "Missed revenue (reject)": "0",
        "Missed revenue (reject by user)": "0.05",
    }
    assert watched.of_lease(4) == {"lease_id": "4", "Price": "0.05"}


def test_a_suspended_vm_takes_up_its_memory_beside_its_disk() -> None:
    """A lease with a disk of 500 MiB gives way for 20 minutes; its memory of 1024 MiB is gone once it has resumed."""
    watched = Watched("disk-usage")
    watched.ask(1, minutes=60, software=DiskImage("debian", 500))
    watched.go(10)
    watched.ask(2, minutes=20, start=30)
    watched.go(100)
    resumed, over = 50 + 32 / 60, 80 + 64 / 60
    assert watched.course("Disk usage", 100) == [
        (0, 500, None), (30, 1524, None), (resumed, 500, None), (over, 0, None), (100, 0, None),
    ]  # fmt: skip


def test_the_host_whose_images_take_up_most_is_what_counts() -> None:
    """Two hosts with an image each: the larger one counts, and the other one when that lease is over."""
    watched = Watched("disk-usage", hosts=2)
    watched.ask(1, minutes=20, software=DiskImage("debian", 500))
    watched.ask(2, minutes=40, software=DiskImage("centos", 300))
    watched.go(60)
    assert watched.course("Disk usage", 60) == [(0, 500, None), (20, 300, None), (40, 0, None), (60, 0, None)]


@pytest.mark.parametrize(
    ("cache", "started", "left"), [(None, 1000, 0), (2000, 2000, 1000)], ids=["no cache", "hosts keep images"]
)
def test_an_image_takes_up_space_from_when_it_has_been_brought(cache: int | None, started: int, left: int) -> None:
    """Two images, one of them sent a minute early; what a host keeps stays when the lease with its copy is over."""
    watched = Watched("disk-usage", hosts=2, transfer=TransferOptions(100, fixed_time=MINUTE, cache_size=cache))
    watched.ask(1, minutes=10, start=30, software=DiskImage("debian", 1000))
    watched.ask(2, minutes=10, start=30, software=DiskImage("centos", 700))
    watched.go(60)
    assert watched.course("Disk usage", 60) == [
        (0, 0, None), (29, 700, None), (30, started, None), (40, left, None), (60, left, None),
    ]  # fmt: skip


def test_what_a_lease_asked_for_is_kept_beside_what_it_got() -> None:
    """lease-extras keeps the terms and the extra values, deadline the slowdown from the earliest start on."""
    watched = Watched("lease-extras", "deadline")
    watched.ask(1, minutes=60, immediate=True)
    watched.ask(2, minutes=30, start=30, deadline=200, extra={"group": "blue"})
    watched.go(300)
    assert watched.of_lease(2) == {
        "lease_id": "2", "Slowdown": "2.000", "group": "blue", "State": "done", "Number of nodes": "1",
        "Requested duration": "1800", "Actual duration": "1800", "Start": "1800", "Deadline": "10200",
    }  # fmt: skip


def test_the_mean_of_a_counter_agrees_with_the_summary(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The share of CPU in use, as it changed, comes to the utilisation that the summary tells."""
    import json

    assert example(capsys, tmp_path, f"accounting.probes={' '.join(PROBES)}", quiet=True) == (0, "", "")
    found = [row for row in rows(tmp_path / "counters.csv") if row["counter"] == "CPU utilization"]
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert float(found[-1]["average"]) == pytest.approx(summary["utilisation"]["CPU"], abs=1e-6)
    assert float(found[-1]["time_s"]) == summary["simulated_s"]
    assert {row["lease_id"] for row in rows(tmp_path / "lease-data.csv")} == {
        row["id"] for row in rows(tmp_path / "leases.csv")
    }


def test_nobody_who_looks_on_changes_the_schedule(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With all probes, a detailed log, status messages and verification, the leases' rows are the same bytes."""
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    example(capsys, plain, quiet=True)
    watched.mkdir()
    outcome = example(
        capsys, watched, f"accounting.probes={' '.join(PROBES)}", f"general.logfile={watched}/run.log",
        "general.loglevel=VDEBUG", "simulation.status-message-interval=1h", "simulation.sanity-check=yes", quiet=True,
    )  # fmt: skip
    assert outcome == (0, "", "")
    for name in ("leases.csv", "reservations.csv"):
        assert (plain / name).read_bytes() == (watched / name).read_bytes()
    assert not (plain / "counters.csv").exists()


def test_probes_of_an_earlier_run_do_not_stay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A run without probes leaves no counters of one that had them in the same folder."""
    example(capsys, tmp_path, "accounting.probes=best-effort", quiet=True)
    assert {"counters.csv", "lease-data.csv"} <= {file.name for file in tmp_path.iterdir()}
    example(capsys, tmp_path, quiet=True)
    assert not {"counters.csv", "lease-data.csv"} & {file.name for file in tmp_path.iterdir()}


def test_every_probe_is_one_that_a_configuration_may_name() -> None:
    """The names that are checked are those that something is recorded for."""
    recording = {name for name in PROBES if Watched(name).probes.has_lease_data or name in COUNTERS}
    assert set(COUNTERS) <= recording == set(PROBES)


def test_a_run_that_fails_leaves_no_summary_of_an_earlier_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What is in the folder afterwards cannot be taken for results."""
    example(capsys, tmp_path, quiet=True)
    assert (tmp_path / "summary.json").exists()
    assert example(capsys, tmp_path, f"general.logfile={tmp_path}/absent/x").status == 2
    assert not (tmp_path / "summary.json").exists()


def test_the_state_of_the_run_is_told_at_intervals(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One line on standard error for every six hours in which anything happens, none with --quiet."""
    outcome = example(capsys, tmp_path, "simulation.status-message-interval=6h")
    assert outcome.err.splitlines() == [
        "1970-01-01T07:30:00Z: 2 leases over, 2 running, 0 waiting; 87.5 % of CPU taken",
        "1970-01-01T12:00:00Z: 5 leases over, 2 running, 0 waiting; 75.0 % of CPU taken",
        "1970-01-01T19:34:08Z: 11 leases over, 1 running, 0 waiting; 37.5 % of CPU taken",
    ]
    assert example(capsys, tmp_path, "simulation.status-message-interval=6h", quiet=True).err == ""


LOGGED = {
    "STATUS": {"STATUS"},
    "INFO": {"STATUS", "INFO"},
    "DEBUG": {"STATUS", "INFO", "DEBUG"},
    "VDEBUG": {"STATUS", "INFO", "DEBUG", "VDEBUG"},
}


@pytest.mark.parametrize("level", LOGGED)
def test_the_log_says_what_happens_in_as_much_detail_as_wanted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, level: str
) -> None:
    """Each level has the lines of those before it; times are those of the run, so that it can be repeated."""
    logs = []
    for name in ("a.log", "b.log"):
        path = tmp_path / name
        example(capsys, tmp_path / "out", f"general.logfile={path}", f"general.loglevel={level}", quiet=True)
        logs.append(path.read_text(encoding="utf-8"))
    assert logs[0] == logs[1]
    lines = logs[0].splitlines()
    assert {line.split()[1] for line in lines} == LOGGED[level]
    assert lines[0] == "1970-01-01T00:00:00Z STATUS simulating first on 4 hosts"
    assert lines[-1].endswith("STATUS the end")
    if level != "STATUS":
        assert "1970-01-01T00:00:00Z INFO   lease 1 requested: best-effort, 4 VMs for 50400 s" in lines
        assert sum(line.endswith(" done") for line in lines) == 12
    if "DEBUG" in LOGGED[level]:
        assert any(" DEBUG  suspend lease 1, until " in line for line in lines)
        assert any(line.endswith(" DEBUG  lease 1 suspending") for line in lines)


def test_nothing_is_logged_where_no_file_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The place where a daemon would log is not touched by a simulation that was not told to."""
    monkeypatch.setattr("haizea.config.settings.General.logfile", str(tmp_path / "daemon.log"))
    assert example(capsys, tmp_path / "out", quiet=True).status == 0
    assert not (tmp_path / "daemon.log").exists()


def test_a_log_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A message with the file's name, status 2."""
    outcome = example(capsys, tmp_path / "out", f"general.logfile={tmp_path}/absent/run.log")
    assert (outcome.status, outcome.err) == (2, f"haizea: {tmp_path}/absent/run.log: No such file or directory\n")


def test_results_go_where_the_configuration_says(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """accounting.datafile names the folder where the command line names none; a file in its place is told."""
    folder = tmp_path / "results.dat"
    arguments = ("simulate", EXAMPLE, "-q", "--set", f"accounting.datafile={folder}", "--set", "accounting.probes=ar")
    assert haizea(capsys, *arguments) == (0, "", "")
    assert {file.name for file in folder.iterdir()} == {
        "counters.csv", "haizea.toml", "leases.csv", "reservations.csv", "summary.json",
    }  # fmt: skip
    assert haizea(capsys, *arguments, "--output", tmp_path / "other").status == 0
    assert (tmp_path / "other" / "summary.json").exists()
    (tmp_path / "old.dat").write_text("pickled", encoding="utf-8")
    outcome = haizea(capsys, "simulate", EXAMPLE, "--set", f"accounting.datafile={tmp_path}/old.dat")
    assert (outcome.status, "old.dat' is a file already, and results are a folder" in outcome.err) == (2, True)


def test_a_probe_that_is_not_known_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A misspelt probe, or a class for Haizea 1.x, is answered with the names there are."""
    outcome = example(capsys, tmp_path / "out", "accounting.probes=ar best-efort")
    assert outcome.status == 2
    assert "accounting.probes: 'ar best-efort' is not known: 'best-efort' (did you mean 'best-effort'?)" in outcome.err
