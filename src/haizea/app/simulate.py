"""``haizea simulate``: one run, from files to figures."""

import gc
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from haizea.app.compose import Scenario, logfile, policies, scenario
from haizea.app.request import SimulateRequest
from haizea.app.results import Results
from haizea.backends.simulated import SimulatedBackend
from haizea.config.errors import ConfigError
from haizea.config.options import to_options
from haizea.core.desk import EVERY_STATE
from haizea.core.scheduler import Scheduler
from haizea.model.events import CancelRequested
from haizea.model.lease import LeaseState, LeaseType
from haizea.model.units import FAR_FUTURE, Instant, Span
from haizea.runtime.clocks import SimulatedClock
from haizea.runtime.loop import Direct, Loop
from haizea.runtime.workload import Arrivals

if TYPE_CHECKING:
    from haizea.runtime.ports import Observer

PROGRESS_EVERY = 512


def run(request: SimulateRequest) -> dict[str, Any]:
    """Simulate a workload and return the summary; write what the request asks for.

    Raises:
        ValueError: the request, its files or its configuration are wrong; nothing has been simulated then.
        OSError: results cannot be written.
    """
    found = scenario(request)
    request = _with_output(request, found)
    options = to_options(found.settings)
    scheduler = Scheduler(found.site, found.start, options, policies(found.settings), announced=_announced(found))
    collecting = gc.isenabled()
    # Nothing that is made in bulk is left in cycles (see Results), so looking for them would be wasted.
    gc.disable()
    try:
        with Results(request, found, scheduler) as results:
            last = _watched(request, found, scheduler, results)
            return results.finish(last, time.process_time())
    finally:
        if collecting:
            gc.enable()


def _with_output(request: SimulateRequest, found: Scenario) -> SimulateRequest:
    """Return a request whose results go where the configuration says, unless it says where itself."""
    folder = found.settings.accounting.datafile
    if request.output is not None or folder is None:
        return request
    if os.path.isfile(folder):
        where = found.settings.origins.get("accounting.datafile", "accounting.datafile")
        raise ConfigError(
            f"{where}: accounting.datafile: {folder!r} is a file already, and results are a folder; name another one, "
            "or give --output"
        )
    return request._replace(output=folder)


def _announced(found: Scenario) -> frozenset[LeaseState]:
    """Return the states that the scheduler is to tell of: all for a detailed log, none otherwise."""
    general = found.settings.general
    detailed = logfile(found.settings) is not None and general.loglevel in ("DEBUG", "VDEBUG")
    return EVERY_STATE if detailed else frozenset()


def _watched(request: SimulateRequest, found: Scenario, scheduler: Scheduler, results: Results) -> Instant:
    """Simulate, with everybody looking on who was asked to."""
    settings = found.settings
    observers: list[Observer] = [each for each in (results.verifier, results.probes) if each is not None]
    if logfile(settings) is None and settings.simulation.status_message_interval is None:
        return _simulate(request, found, scheduler, results, observers)
    from haizea.app.watch import Watch

    with Watch(request, found, scheduler) as watch:
        return _simulate(request, found, scheduler, results, [*observers, *watch.observers])


def _simulate(
    request: SimulateRequest, found: Scenario, scheduler: Scheduler, results: Results, observers: "Sequence[Observer]"
) -> Instant:
    backend, verifier = SimulatedBackend(), results.verifier
    observer = observers[0] if observers else None
    if len(observers) > 1:
        from haizea.app.watch import Together

        observer = Together(observers)

    def tell(lease: int, real_duration: Span) -> None:
        backend.tell(lease, real_duration)
        verifier.tell(lease, real_duration)

    arrivals = Arrivals(found.requests, found.start, backend.tell if verifier is None else tell)
    step = Direct(scheduler, backend, results, observer)
    loop = Loop(scheduler, SimulatedClock(), (backend, arrivals), step)
    last = loop.run(_keep_going(request, found, results, arrivals))
    now = scheduler.desk.now if last is None else last
    if found.settings.simulation.stop_when == "exact" and (scheduler.desk.leases or arrivals.next_at < FAR_FUTURE):
        # What was under way then ran until then, and not only until something happened last.
        now = max(now, _exact_end(found))
    for lease in sorted(scheduler.desk.leases):
        for effect in step.handle(CancelRequested(now, lease, "the end of the simulation")):
            results.take(effect)
    return now


def _keep_going(
    request: SimulateRequest, found: Scenario, results: Results, arrivals: Arrivals
) -> Callable[[Instant], bool] | None:
    """Return what says when to stop, where it is not simply when all leases are done."""
    conditions: list[Callable[[Instant], bool]] = []
    simulation = found.settings.simulation
    if simulation.stop_when == "exact":
        end = _exact_end(found)
        conditions.append(lambda at: at <= end)
    elif simulation.stop_when in ("besteffort-submitted", "besteffort-done"):
        best_effort = [r for r in found.requests if r.terms.type is LeaseType.BEST_EFFORT]
        last = found.start + max((r.arrival for r in best_effort), default=0)
        count = len(best_effort)
        if simulation.stop_when == "besteffort-submitted":
            conditions.append(lambda at: at <= last)
        else:
            conditions.append(lambda _at: results.best_effort_over < count)
    if request.progress is not None:
        conditions.append(_progress(request.progress, results))
    if not conditions:
        return None
    return lambda at: False not in [condition(at) for condition in conditions]


def _exact_end(found: Scenario) -> Instant:
    return found.start + (found.settings.simulation.stop_when_time or 0)


def _progress(tell: Callable[[int, int], None], results: Results) -> Callable[[Instant], bool]:
    calls = 0

    def condition(at: Instant) -> bool:
        nonlocal calls
        calls += 1
        if calls % PROGRESS_EVERY == 0:
            tell(at, results.ledger.done)
        return True

    return condition
