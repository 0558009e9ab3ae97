"""The daemon itself: how it is, what it runs by, what is measured."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from haizea import __version__
from haizea.core.scheduler import Scheduler
from haizea.model.lease import LeaseType
from haizea.model.units import SECOND, Instant, Span
from haizea.plan.lease import Phase
from haizea.runtime.rows import LeaseFilter
from haizea.runtime.store import StoreError
from haizea.service import access
from haizea.service.figures import Figures, Held, PlatformFigures
from haizea.service.instants import iso, iso_or_none
from haizea.service.live import Live
from haizea.service.measures import Measures
from haizea.service.models import PolicyOut, StatusOut
from haizea.service.principal import Principal
from haizea.service.reads import reading


class Pulse(Protocol):
    """What is seen of the loop from outside."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    @property
    def trouble(self) -> str:
        """Why the store cannot be written, empty if it can."""

    @property
    def waiting(self) -> int:
        """How many jobs wait."""

    @property
    def lag(self) -> Span:
        """How late it woke last."""

    @property
    def platform(self) -> PlatformFigures:
        """How it is with the platform."""

    @property
    def newest(self) -> int:
        """The number of the newest journal entry."""


class Identity(NamedTuple):
    """What the daemon is, and what it runs by."""

    started: Instant
    time_scale: float
    configuration: Mapping[str, Any]
    policies: tuple[PolicyOut, ...]


_POLICY: Final = "scheduling.policy-"


class _Counted(NamedTuple):
    now: Instant
    queue: int
    oldest: Instant | None
    next_event: Instant | None
    states: dict[tuple[str, str], int]
    held: dict[str, Held]
    hosts: dict[str, int]


class System:
    """The verbs of the daemon."""

    def __init__(
        self,
        live: Live,
        pulse: Pulse,
        measures: Measures,
        identity: Identity,
        in_force: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """``in_force`` gives the options that are not as ``identity`` says any more, by their full names."""
        self._live = live
        self._in_force = in_force
        self._pulse = pulse
        self._measures = measures
        self.identity = identity
        self.stopping = False

    def status(self, who: Principal) -> StatusOut:
        """Return how the daemon is."""
        access.check(who, "system.status", owner=who.user)
        counted = self._live.look(_count)
        leases: dict[str, int] = {}
        for (state, _kind), number in counted.states.items():
            leases[state] = leases.get(state, 0) + number
        with reading():
            leases["over"] = self._live.store.count_leases(LeaseFilter(active=False))
        ready, why = self.ready()
        platform = self._pulse.platform
        return StatusOut(
            version=__version__,
            state="ready" if ready and not platform.trouble else "degraded",
            role="active",
            now=iso(counted.now),
            started=iso(self.identity.started),
            time_scale=self.identity.time_scale,
            hosts=counted.hosts,
            leases=leases,
            queue=counted.queue,
            utilisation={
                name: round(held.used / held.total, 4) if held.total else 0.0 for name, held in counted.held.items()
            },
            next_event=iso_or_none(counted.next_event),
            entries=self._pulse.newest,
            warnings=([] if ready else [why]) + _warnings(platform),
        )

    def version(self) -> str:
        """Return the version that runs."""
        return __version__

    def policies(self, who: Principal) -> list[PolicyOut]:
        """Return the policies there are, and which are chosen."""
        access.check(who, "policy.list", owner=who.user)
        chosen = {
            name.removeprefix(_POLICY): value for name, value in self._in_force().items() if name.startswith(_POLICY)
        }
        return [
            each.model_copy(update={"chosen": each.name == chosen[each.kind]}) if each.kind in chosen else each
            for each in self.identity.policies
        ]

    def configuration(self, who: Principal) -> dict[str, Any]:
        """Return the settings in force."""
        access.check(who, "configuration.show", owner=who.user)
        found = {section: dict(options) for section, options in self.identity.configuration.items()}
        for name, value in self._in_force().items():
            section, _, key = name.partition(".")
            if key in found.get(section, {}):
                found[section][key] = value
        return found

    def healthy(self) -> tuple[bool, str]:
        """Whether the loop runs."""
        return (True, "") if self._pulse.alive else (False, "the loop has ended")

    def ready(self) -> tuple[bool, str]:
        """Whether requests can be taken."""
        if self.stopping or not self._pulse.alive:
            return False, "the daemon is stopping"
        if self._pulse.trouble:
            return False, f"the store cannot be written: {self._pulse.trouble}"
        try:
            self._live.store.ping()
        except StoreError as problem:
            return False, str(problem)
        return True, ""

    def figures(self) -> Figures:
        """Return what is measured."""
        counted = self._live.look(_count)
        oldest = 0.0 if counted.oldest is None else max(0, counted.now - counted.oldest) / SECOND
        with reading():
            kept, lost = (
                self._live.store.count_leases(
                    LeaseFilter(states=(state,), types=(LeaseType.ADVANCE_RESERVATION.value,))
                )
                for state in ("done", "failed")
            )
        return Figures(
            leases=counted.states,
            queue=counted.queue,
            queue_oldest_s=oldest,
            reservations={"kept": kept, "lost": lost},
            decisions=self._measures.decisions.shown(),
            commands={verb: taken.shown() for verb, taken in list(self._measures.commands.items())},
            command_failures=dict(self._measures.command_failures),
            capacity=counted.held,
            hosts=counted.hosts,
            loop_lag_s=self._pulse.lag / SECOND,
            transactions=self._measures.transactions.shown(),
            inbox=self._pulse.waiting,
            entries=self._pulse.newest,
            active=True,
            platform=self._pulse.platform,
        )


def _warnings(platform: PlatformFigures) -> list[str]:
    found: list[str] = []
    if platform.trouble:
        waiting = f"What is planned goes on; {platform.waiting} commands wait."
        found.append(f"the platform does not answer: {platform.trouble}. {waiting}")
    if platform.overdue:
        found.append(f"{platform.overdue} commands to the platform are not over although they were to be")
    return found


def _count(scheduler: Scheduler) -> _Counted:
    desk = scheduler.desk
    states: dict[tuple[str, str], int] = {}
    used: dict[str, int] = {}
    reserved: dict[str, int] = {}
    for lease in desk.leases.values():
        key = lease.state.label, lease.type.value
        states[key] = states.get(key, 0) + 1
        for stay in lease.stays[:1]:
            kind = reserved if stay.phase is Phase.PLANNED else used
            for count, demand in zip(lease.need.counts, lease.need.demands, strict=True):
                for name, amount in demand.items():
                    kind[name] = kind.get(name, 0) + amount * count
    hosts: dict[str, int] = {}
    for state in desk.hosts.states:
        hosts[state.value] = hosts.get(state.value, 0) + 1
    held = {}
    for name in desk.site.resource_types:
        total = desk.site.total(name)
        held[name] = Held(total, used.get(name, 0), reserved.get(name, 0), total - used.get(name, 0))
    oldest = desk.queue[0].submitted if desk.queue else None
    return _Counted(desk.now, len(desk.queue), oldest, scheduler.next_instant(), states, held, hosts)
