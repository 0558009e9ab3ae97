"""The settings of a run, as plain values with their defaults.

What each option means, which values it takes and how it is written stands in :mod:`haizea.config.table`; here are
only the types and the defaults, so that a run without a configuration pays for nothing else. The defaults are
those of Haizea 1.x where it has one. Spans and instants are in milliseconds, sizes in MiB, rates in MiB/s.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from haizea.model.units import Instant, Span

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


class Section:
    """One section: options as attributes, unchangeable; what is not given has the class's default."""

    def __init__(self, **values: object) -> None:
        """Take the options that differ from the defaults, by attribute name."""
        unknown = values.keys() - set(self.names())
        if unknown:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(sorted(unknown))}")
        vars(self).update(values)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the options, in the order of their definition."""
        return [name for name in vars(cls) if not name.startswith("_")]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings cannot be changed (tried to set {name})")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, n) == getattr(other, n) for n in self.names())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class General(Section):
    """What concerns Haizea as a whole."""

    loglevel: str = "INFO"
    logfile: str = "/var/tmp/haizea.log"
    mode: str = "simulated"
    lease_preparation: str = "unmanaged"
    lease_failure_handling: str = "cancel"
    persistence_file: str | None = "~/.haizea/leases.dat"


class Scheduling(Section):
    """How leases are scheduled."""

    mapper: str = "greedy"
    policy_admission: str = "accept-all"
    policy_preemption: str = "no-preemption"
    policy_host_selection: str = "greedy"
    policy_pricing: str = "free"
    policy_queue: str = "fcfs"
    wakeup_interval: Span = 60_000
    backfilling: str = "aggressive"
    backfilling_reservations: int | None = None
    suspension: str = "none"
    suspend_rate: float = 32
    resume_rate: float = 32
    suspendresume_exclusion: str = "local"
    scheduling_threshold_factor: float = 1.0
    force_scheduling_threshold: Span | None = None
    override_suspend_time: Span | None = None
    override_resume_time: Span | None = None
    migration: str = "no"
    non_schedulable_interval: Span | None = None
    shutdown_time: Span = 0
    cleaning_time: Span = 0
    extensions_max: int = 100
    kept_max: Span = 2_592_000_000
    enactment_overhead: Span = 0


class Simulation(Section):
    """What a simulated run stands on."""

    clock: str = "simulated"
    starttime: Instant | None = None
    resources: str = "in-tracefile"
    imagetransfer_bandwidth: int = 100
    stop_when: str = "all-leases-done"
    stop_when_time: Span | None = None
    status_message_interval: Span | None = None
    sanity_check: bool = False
    seed: int = 0


class DeployImagetransfer(Section):
    """How disk images reach the hosts."""

    transfer_mechanism: str = "multicast"
    avoid_redundant_transfers: bool = True
    force_imagetransfer_time: Span | None = None
    diskimage_reuse: str = "none"
    diskimage_cache_size: int | None = None


class Tracefile(Section):
    """The workload, and what is done to it before the run."""

    tracefile: str | None = None
    annotationfile: str | None = None
    injectionfile: str | None = None
    runtime_slowdown_overhead: float = 0.0
    add_overhead: str = "none"
    bootshutdown_overhead: Span = 0
    override_memory: int | None = None


class Accounting(Section):
    """What is recorded about a run."""

    datafile: str | None = None
    probes: tuple[str, ...] = ()
    attributes: Mapping[str, str] = EMPTY


class Opennebula(Section):
    """Where OpenNebula is, and how Haizea is its scheduler."""

    host: str = "localhost"
    port: int = 2633
    stop_when_no_more_leases: bool = False
    dry_run: bool = False
    endpoint: str | None = None
    auth_file: str | None = None
    poll_interval: Span = 3_000
    publisher: str | None = None
    template: int | None = None
    without_attribute: str = "immediate"
    rejected: str = "hold"
    group_wait: Span = 5_000
    owners: Mapping[str, str] = EMPTY
    cpu: str = "cpu"
    suspend: str = "suspend"
    shutdown_limit: Span = 60_000
    stuck_after: Span = 900_000


class Server(Section):
    """Where a daemon listens, and whom it lets in."""

    listen: str = "127.0.0.1:42480"
    xmlrpc: str = "127.0.0.1:42493"
    socket: str | None = None
    socket_mode: str | None = None
    socket_group: str | None = None
    anonymous: str = "none"
    tls_certificate: str | None = None
    tls_key: str | None = None
    hosts: tuple[str, ...] = ()
    rate: float = 500.0
    priority_max: int = 0
    webhook_networks: tuple[str, ...] = ()
    token_verifier: str | None = None
    time_zone: str = "UTC"


class Store(Section):
    """Where a daemon keeps what must not be lost."""

    url: str | None = None


class Live(Section):
    """What a daemon schedules on."""

    backend: str = "pretended"
    site: str = "4 CPU:400 Memory:8192"
    platform_file: str | None = None
    pretended_times: Mapping[str, str] = EMPTY
    time_scale: float = 1.0
    lateness: Span = 5_000
    reconcile_every: Span = 30_000
    strays: str = "destroy"
    ignored_strays: tuple[str, ...] = ()
    learn: bool = True
    learn_quantile: int = 90
    learn_least: int = 50
    learn_most: int = 400
    learn_samples: int = 50
    vm_grace: Span = 60_000
    host_grace: Span = 120_000
    restarts: int = 3
    restart_backoff: Span = 10_000
    overdue_after: Span = 1_800_000
    overdue: str = "force"
    contradictions: int = 3
    images_survive_host: bool = False


class Notices(Section):
    """What people are told before it happens, and how."""

    before_start: Span | None = 600_000
    before_end: Span | None = 600_000
    smtp: str | None = None
    smtp_from: str = "haizea@localhost"
    smtp_tls: str = "none"
    mail_domain: str | None = None
    command: str | None = None


class Libvirt(Section):
    """The hosts that VMs run on by way of libvirt."""

    hosts: Mapping[str, str] = EMPTY
    labels: Mapping[str, str] = EMPTY
    migration_uris: Mapping[str, str] = EMPTY
    domain_type: str = "auto"
    template: str | None = None
    network: str | None = None
    user_data: str | None = None
    cpu_limits: str = "auto"
    images: str | None = None
    image_hosts: tuple[str, ...] = ()
    checksums: str = "where-given"
    pool: str = "haizea"
    pool_folder: str | None = None
    disks: str = "overlay"
    shared_storage: bool = False
    suspend_to: str = "file"
    parallel: int = 4
    shutdown_limit: Span | None = None
    call_limit: Span = 10_000
    operation_limit: Span = 600_000
    keepalive: Span = 3_000
    folder: str | None = None


class Pricing(Section):
    """What the pricing policies need."""

    rate: float | None = None
    seed: int | None = None
    min_rate: float | None = None
    max_rate: float | None = None


SECTIONS: Final[Mapping[str, type[Section]]] = MappingProxyType(
    {
        "general": General,
        "scheduling": Scheduling,
        "simulation": Simulation,
        "deploy-imagetransfer": DeployImagetransfer,
        "tracefile": Tracefile,
        "accounting": Accounting,
        "opennebula": Opennebula,
        "server": Server,
        "store": Store,
        "live": Live,
        "notices": Notices,
        "libvirt": Libvirt,
        "pricing": Pricing,
    }
)
"""The sections by the name they have in a file."""


class Settings:
    """All sections; the defaults where nothing is given.

    ``policy`` holds the free tables ``[policy.NAME]`` for policies that users write. ``origins`` tells for each
    ``section.key`` that was given where it was given last (a file and line, a variable, an option); what is not
    there is a default. ``source`` is the path of the file that was read. Neither counts when settings are compared.
    """

    __slots__ = (
        "accounting",
        "deploy_imagetransfer",
        "general",
        "libvirt",
        "live",
        "notices",
        "opennebula",
        "origins",
        "policy",
        "pricing",
        "scheduling",
        "server",
        "simulation",
        "source",
        "store",
        "tracefile",
    )

    def __init__(
        self,
        sections: Mapping[str, Mapping[str, object]] = EMPTY,
        policy: Mapping[str, Mapping[str, object]] = EMPTY,
        origins: Mapping[str, str] = EMPTY,
        source: str | None = None,
    ) -> None:
        """Take checked values by section (as a file names it) and attribute."""
        self.general = General(**sections.get("general", EMPTY))
        self.scheduling = Scheduling(**sections.get("scheduling", EMPTY))
        self.simulation = Simulation(**sections.get("simulation", EMPTY))
        self.deploy_imagetransfer = DeployImagetransfer(**sections.get("deploy-imagetransfer", EMPTY))
        self.tracefile = Tracefile(**sections.get("tracefile", EMPTY))
        self.accounting = Accounting(**sections.get("accounting", EMPTY))
        self.opennebula = Opennebula(**sections.get("opennebula", EMPTY))
        self.server = Server(**sections.get("server", EMPTY))
        self.store = Store(**sections.get("store", EMPTY))
        self.live = Live(**sections.get("live", EMPTY))
        self.notices = Notices(**sections.get("notices", EMPTY))
        self.libvirt = Libvirt(**sections.get("libvirt", EMPTY))
        self.pricing = Pricing(**sections.get("pricing", EMPTY))
        self.policy = policy
        self.origins = origins
        self.source = source

    def section(self, name: str) -> Section:
        """Return a section by the name it has in a file."""
        found: Section = getattr(self, name.replace("-", "_"))
        return found

    def value(self, name: str) -> object:
        """Return an option's value by its full name, ``section.key``.

        Raises:
            AttributeError: there is no such option.
        """
        section, _, key = name.partition(".")
        return getattr(self.section(section), key.replace("-", "_"))

    def with_values(self, changed: Mapping[str, Mapping[str, object]]) -> "Settings":
        """Return a copy in which some options differ, given by section and attribute."""
        sections = {name: {**vars(self.section(name)), **changed.get(name, EMPTY)} for name in SECTIONS}
        return Settings(sections, self.policy, self.origins, self.source)

    def __reduce__(self) -> tuple[type["Settings"], tuple[object, ...]]:
        # Read-only views, which defaults are, cannot be sent to another process.
        sections = {name: dict(vars(self.section(name))) for name in SECTIONS}
        policy = {name: dict(table) for name, table in self.policy.items()}
        return Settings, (sections, policy, dict(self.origins), self.source)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Settings)
            and all(self.section(name) == other.section(name) for name in SECTIONS)
            and self.policy == other.policy
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = ", ".join(repr(self.section(name)) for name in SECTIONS if vars(self.section(name)))
        return f"Settings({given})"
