"""``haizea experiment``: all runs of a multi-configuration file, several at a time, each in a process of its own.

A process of its own for each run keeps the runs apart: one that fails, or that the system ends because it takes too
much memory, does not stop the others.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, NamedTuple

from haizea.app.children import end_with_parent
from haizea.app.compose import logfile
from haizea.app.request import SimulateRequest
from haizea.app.written import make_folder, named
from haizea.config.errors import ConfigError
from haizea.config.multi import NamedRun, datadir, expand
from haizea.config.settings import Settings
from haizea.experiments.figures import ATTRIBUTE, Row, columns, figures, write_csv
from haizea.policy.protocols import PolicyError
from haizea.workloads.errors import WorkloadError

ERROR_FILE: Final = "error.txt"
LOG_FILE: Final = "haizea.log"
SUMMARY_FILE: Final = "summary.csv"
_LABELS: Final = ("run", "state", "profile", "tracefile", "annotationfile", "injectfile")


class ExperimentRequest(NamedTuple):
    """All runs of a file, as asked for.

    ``output`` is the folder of the runs' folders; where None, the file's ``datadir``. ``jobs`` is how many runs there
    are at a time. ``sets`` are ``section.key=value``, for every run. ``detail``, ``report`` and ``verify`` are those of
    one simulation.
    """

    config: str
    output: str | None = None
    jobs: int = 1
    sets: tuple[str, ...] = ()
    detail: str = "full"
    report: bool = False
    verify: bool = False


class Finished(NamedTuple):
    """A run that is over: its summary, or what went wrong.

    ``error`` is one line, ``trace`` the traceback of a fault of Haizea's own.
    """

    run: NamedRun
    summary: Mapping[str, Any] | None
    error: str = ""
    trace: str = ""

    @property
    def violations(self) -> int:
        """How many violations verification found."""
        return len(((self.summary or {}).get("verify") or {}).get("violations") or ())

    @property
    def state(self) -> str:
        """``done``, ``violated`` where verification found the schedule wrong, or ``failed``."""
        if self.summary is None:
            return "failed"
        return "violated" if self.violations else "done"

    def row(self) -> Row:
        """Return the run as a row of the summary of all runs."""
        attributes = {**self.run.settings.accounting.attributes, **((self.summary or {}).get("attributes") or {})}
        labels = {name: attributes.pop(name, None) for name in _LABELS[2:]}
        others = {ATTRIBUTE + name: value for name, value in attributes.items()}
        found = figures(self.summary or {})
        return {"run": self.run.name, "state": self.state, **labels, **others, **found, "error": self.error or None}


class _Job(NamedTuple):
    """A run that is under way."""

    place: int
    process: BaseProcess


class Experiment:
    """The runs of a multi-configuration file."""

    def __init__(self, request: ExperimentRequest) -> None:
        """Read the file.

        Raises:
            ConfigError: the file is none, something in it or in ``sets`` is wrong, or nothing says where results go.
        """
        self.runs = expand(request.config, environ=os.environ, sets=request.sets)
        folder = request.output or datadir(request.config)
        if folder is None:
            raise ConfigError(f"{request.config}: multi.datadir is missing: name the folder of all results, there or "
                              "with --output")  # fmt: skip
        self.folder = folder
        self._request = request
        self._context = get_context("spawn")

    def run(self, tell: Callable[[Finished], None]) -> list[Finished]:
        """Carry out all runs and write the summary; return them in the order of the file, each told as it is over.

        Raises:
            OSError: the folder of all results, or the summary, cannot be written.
        """
        make_folder(self.folder)
        waiting, under_way = deque(range(len(self.runs))), dict[Connection, _Job]()
        over: dict[int, Finished] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < self._request.jobs:
                    place = waiting.popleft()
                    try:
                        self._start(place, under_way)
                    except OSError as error:
                        over[place] = self._failed(self.runs[place], _told(error))
                        tell(over[place])
                for connection in wait(list(under_way)):
                    if isinstance(connection, Connection):
                        job = under_way.pop(connection)
                        over[job.place] = self._finish(job, connection)
                        tell(over[job.place])
        finally:
            for job in under_way.values():
                job.process.terminate()
                job.process.join()
        finished = [over[place] for place in sorted(over)]
        self._write(finished)
        return finished

    def _start(self, place: int, under_way: dict[Connection, _Job]) -> None:
        run, asked = self.runs[place], self._request
        folder = os.path.join(self.folder, run.name)
        for stale in (ERROR_FILE, "summary.json"):
            if os.path.exists(os.path.join(folder, stale)):
                # What an earlier run of this name came to would be taken for this one's.
                os.unlink(os.path.join(folder, stale))
        request = SimulateRequest(
            workloads=(), settings=_with_log(run.settings, folder), output=folder, detail=asked.detail,
            report=asked.report, verify=asked.verify,
        )  # fmt: skip
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(theirs, request), name=run.name, daemon=True)
        process.start()
        theirs.close()
        under_way[ours] = _Job(place, process)

    def _finish(self, job: _Job, connection: Connection) -> Finished:
        run = self.runs[job.place]
        try:
            finished = Finished(run, *connection.recv())
        except EOFError:
            finished = Finished(run, None, "")
        connection.close()
        job.process.join()
        if finished.summary is None:
            return self._failed(run, finished.error or _ended(job.process.exitcode), finished.trace)
        return finished

    def _failed(self, run: NamedRun, error: str, trace: str = "") -> Finished:
        """Return a run that failed; what went wrong is also written where its results would be."""
        folder = os.path.join(self.folder, run.name)
        try:
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, ERROR_FILE)
            with named(path), open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(filter(None, (error, trace))) + "\n")
        except OSError as unwritten:
            if _told(unwritten) not in error and not error.startswith(f"{unwritten.filename}: "):
                error += f"; {_told(unwritten)}"
        return Finished(run, None, error, trace)

    def _write(self, finished: Sequence[Finished]) -> None:
        rows = [each.row() for each in finished]
        path = os.path.join(self.folder, SUMMARY_FILE)
        with named(path), open(f"{path}.part", "w", encoding="utf-8", newline="") as stream:
            write_csv(stream, summary_columns(rows), rows)
        os.replace(f"{path}.part", path)


def _with_log(settings: Settings, folder: str) -> Settings:
    """Return settings whose log, where they name one, goes to the run's own folder: runs do not share a file."""
    if logfile(settings) is None:
        return settings
    return settings.with_values({"general": {"logfile": os.path.join(folder, LOG_FILE)}})


def summary_columns(rows: Sequence[Row]) -> list[str]:
    """Return the columns of the summary of all runs: what each run is, its figures, and what went wrong."""
    others = [name for row in rows for name in row if name.startswith(ATTRIBUTE)]
    named = [*_LABELS, *dict.fromkeys(others), "error"]
    return [*named[:-1], *(name for name in columns(rows) if name not in named), "error"]


def _work(connection: Connection, request: SimulateRequest) -> None:
    """Carry out one run in a process of its own, and send home its summary, or what went wrong."""
    import signal

    # An interruption reaches the whole group of processes; the one that was asked ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    connection.send(_answer(request))


def _answer(request: SimulateRequest) -> tuple[Mapping[str, Any] | None, str, str]:
    from haizea.app.simulate import run

    try:
        return run(request), "", ""
    except (ConfigError, WorkloadError, PolicyError) as error:
        return None, "; ".join(str(error).splitlines()), ""
    except OSError as error:
        return None, _told(error), ""
    except Exception as error:
        # A fault of Haizea's own: no reason to lose the other runs, and every reason to keep the traceback.
        import traceback

        text = " ".join(str(error).split())
        return None, f"a fault of Haizea's own: {type(error).__name__}: {text}", traceback.format_exc()


def _told(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was ended by signal {-code}, as when there is not enough memory"
    return f"its process ended with status {code} before the run was over"
