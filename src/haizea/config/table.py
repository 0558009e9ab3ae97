"""Every option: its kind, what it allows and what it means.

The one place that checking, ``haizea config`` and the reference documentation draw from. The defaults stand in
:mod:`haizea.config.settings`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from haizea.config.settings import SECTIONS

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "text",
        "path": "path",
        "mode": "permissions",
        "choice": "one of",
        "policy": "policy",
        "boolean": "true or false",
        "integer": "whole number",
        "number": "number",
        "span": "span",
        "instant": "instant",
        "site": "site",
        "words": "list of names",
        "pairs": "table of text",
    }
)
"""The kinds of values, each as the reference names it."""

POLICY_KINDS: Final = ("admission", "preemption", "host-selection", "pricing", "queue")

POLICIES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "admission": {
            "accept-all": "Every request may be scheduled.",
            "no-ARs": "Every request but advance reservations may be scheduled.",
        },
        "preemption": {
            "no-preemption": "No lease gives way to another.",
            "ar-preempts-besteffort": "Advance reservations may preempt best-effort leases.",
            "ar-preempts-everything": (
                "Advance reservations may preempt every preemptible lease that was not promised a time."
            ),
            "deadline": (
                "Reservations and deadline leases may preempt what can wait, "
                "deadline leases with enough slack included."
            ),
        },
        "host-selection": {
            "greedy": "Hosts with the fewest leases to preempt, then those that stay undisturbed longest.",
            "first-fit": "The first hosts, in the site's order, that have room.",
            "best-fit": "The fullest hosts, so that others stay empty.",
            "spread": "The emptiest hosts, so that load is even.",
        },
        "pricing": {
            "free": "Every lease costs nothing.",
            "constant": "The same rate for all, and a surcharge for preemption.",
            "random": "A rate drawn for each lease, and a surcharge for preemption.",
            "maximum": "The highest rate that the lease's user would pay.",
            "adaptive": "A rate that follows what users accept, and a surcharge for preemption.",
        },
        "queue": {
            "fcfs": "Leases wait in the order in which they were submitted.",
            "priority": "Leases of higher priority come first, then those submitted earlier.",
            "fair-share": "Whoever has used least of late, for their share, comes first.",
        },
    }
)
"""The built-in policies by kind, each with what it does."""

POLICY_ALIASES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "admission": {},
        "preemption": {"ar-preempts-be": "ar-preempts-besteffort"},
        "host-selection": {"no-policy": "first-fit", "pack": "best-fit"},
        "pricing": {},
        "queue": {},
    }
)
"""Other names of built-in policies, those of Haizea 1.x among them."""


PROBES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lease": "leases requested, completed and rejected",
        "ar": "advance reservations accepted and rejected",
        "best-effort": "best-effort leases completed; the queue; waiting time and slowdown of each lease",
        "immediate": "immediate leases accepted and rejected",
        "cpu-utilization": "the share of all CPU that running VMs use",
        "deadline": "the slowdown of each deadline lease",
        "price": "what leases have paid, and what their users would have paid; the price of each lease",
        "lease-extras": "what each lease asked for, and its extra values",
        "disk-usage": "MiB that images of disks and of suspended VMs take up on the host where they take up most",
    }
)
"""The probes, by the names that Haizea 1.x has for them, each with what it records."""


class Option(NamedTuple):
    """One option.

    ``choices`` are the values of a choice, or the kind of a policy. ``low`` and ``high`` bound numbers (spans: in
    seconds). ``optional`` options take ``none``. ``ini_unit`` is how many seconds a number in a 1.x file counts.
    ``decimals_max`` bounds a number's decimals where more could not be kept. ``idle`` says why the option has no
    effect in a simulation, where it has none. The ``choices`` of a list of names are the names it may hold.
    """

    section: str
    key: str
    kind: str
    meaning: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    ini_unit: int = 1
    decimals_max: int | None = None
    idle: str = ""

    @property
    def name(self) -> str:
        """``section.key``."""
        return f"{self.section}.{self.key}"

    @property
    def attribute(self) -> str:
        """The name in the section's class."""
        return self.key.replace("-", "_")

    @property
    def default(self) -> Any:
        """The value where none is given."""
        return getattr(SECTIONS[self.section], self.attribute)


_COUNT_MAX = 2**31 - 1
_RATE_MAX = 2**40
_NO_LIBVIRT = "a simulation does not talk to libvirt"
_NO_OPENNEBULA = "a simulation does not talk to OpenNebula"

OPTIONS: Final[tuple[Option, ...]] = (
    Option("general", "loglevel", "choice",
           "How much is logged: how far the run has come; requests and ends of leases; all that is done; or the queue "
           "at every step as well.", ("STATUS", "INFO", "DEBUG", "VDEBUG")),
    Option("general", "logfile", "path", "Where the log is written; a simulation writes one where this is given."),
    Option("general", "mode", "choice", "What carries leases out: a simulation, or OpenNebula.",
           ("simulated", "opennebula")),
    Option("general", "lease-preparation", "choice",
           "Whether disk images must be transferred before a lease starts, or are none of Haizea's business.",
           ("unmanaged", "imagetransfer")),
    Option("general", "lease-failure-handling", "choice",
           "Accepted for Haizea 1.x, which could end when a lease failed; a failed lease is cancelled, and all others "
           "go on.",
           ("cancel", "exit", "exit-raise"),
           idle="no VM fails in a simulation, and a fault of Haizea or of a policy ends it whatever this says"),
    Option("general", "persistence-file", "path", "Where a daemon keeps its leases; none keeps them in memory only.",
           optional=True, idle="a simulation keeps nothing for the next one"),
    Option("scheduling", "mapper", "choice",
           "Accepted for Haizea 1.x; there is one mapper, and it serves deadlines too.", ("greedy", "deadline"),
           idle="there is one mapper, and it serves deadlines too"),
    Option("scheduling", "policy-admission", "policy", "Which requests may be scheduled at all.", ("admission",)),
    Option("scheduling", "policy-preemption", "policy", "Which leases may be preempted for which.", ("preemption",)),
    Option("scheduling", "policy-host-selection", "policy", "Which hosts are preferred for a lease's VMs.",
           ("host-selection",)),
    Option("scheduling", "policy-pricing", "policy", "What a lease costs.", ("pricing",)),
    Option("scheduling", "policy-queue", "policy", "In which order leases wait for room.", ("queue",)),
    Option("scheduling", "wakeup-interval", "span", "How often a real clock looks for work that is due.", low=0.001,
           idle="time jumps from event to event"),
    Option("scheduling", "backfilling", "choice",
           "How many best-effort leases may hold a reservation in the future: none, one, "
           "backfilling-reservations, or all.",
           ("off", "aggressive", "intermediate", "conservative")),
    Option("scheduling", "backfilling-reservations", "integer",
           "How many reservations in the future intermediate backfilling allows.",
           low=0, high=_COUNT_MAX, optional=True),
    Option("scheduling", "suspension", "choice", "Which leases may be suspended: none, those of one VM, or all.",
           ("none", "serial-only", "all")),
    Option("scheduling", "suspend-rate", "number", "MiB of a VM's memory that are saved in a second.",
           low=0.001, high=_RATE_MAX, decimals_max=3),
    Option("scheduling", "resume-rate", "number", "MiB of a VM's memory that are restored in a second.",
           low=0.001, high=_RATE_MAX, decimals_max=3),
    Option("scheduling", "suspendresume-exclusion", "choice",
           "Whether the VMs of a lease are suspended and resumed one at a time on each host, or one at a time.",
           ("local", "global")),
    Option("scheduling", "scheduling-threshold-factor", "number",
           "A lease that will have to give way starts only if it can run this many times as long as its overheads "
           "take: suspending it and, where it was suspended, resuming it.",
           low=0, high=1_000_000, decimals_max=3),
    Option("scheduling", "force-scheduling-threshold", "span",
           "The least time a lease must be able to run, in place of the one computed from its overheads.",
           optional=True),
    Option("scheduling", "override-suspend-time", "span",
           "How long suspending a VM takes, in place of the time computed from its memory.", optional=True),
    Option("scheduling", "override-resume-time", "span",
           "How long resuming a VM takes, in place of the time computed from its memory.", optional=True),
    Option("scheduling", "migration", "choice",
           "Whether a suspended VM may resume on another host: no, after its images are copied, or at no cost.",
           ("no", "yes", "yes-notransfer")),
    Option("scheduling", "non-schedulable-interval", "span",
           "The least time between a decision and its start; where not given, 10 s on a real clock and 0 on a "
           "simulated one.", optional=True),
    Option("scheduling", "shutdown-time", "span", "How long shutting a VM down takes."),
    Option("scheduling", "cleaning-time", "span",
           "For how long nobody gets the share of a host that VMs have left, so that it can be cleaned."),
    Option("scheduling", "extensions-max", "integer",
           "How often a lease that wishes for it is extended at its end.", low=0, high=_COUNT_MAX),
    Option("scheduling", "kept-max", "span",
           "For how long a lease that was suspended at its end is kept, until it is cancelled.", low=0.001),
    Option("scheduling", "enactment-overhead", "span",
           "How long sending a command takes; added for each VM to suspending, resuming and shutting down."),
    Option("simulation", "clock", "choice",
           "Whether time jumps from event to event, or passes as it does outside.", ("simulated", "real")),
    Option("simulation", "starttime", "instant", "When the simulated run begins.", optional=True),
    Option("simulation", "resources", "site",
           "The simulated site: the one in the workload, or one line."),
    Option("simulation", "imagetransfer-bandwidth", "integer",
           "Mb/s at which images leave the repository, and at which memory images are copied when VMs migrate.",
           low=1, high=_RATE_MAX),
    Option("simulation", "stop-when", "choice", "When the run ends.",
           ("all-leases-done", "besteffort-submitted", "besteffort-done", "exact")),
    Option("simulation", "stop-when-time", "span", "How long after its begin the run ends, with stop-when exact.",
           optional=True),
    Option("simulation", "status-message-interval", "span",
           "How often, in simulated time, the state of the run is told, on standard error and in the log (a number in "
           "a 1.x file counts minutes).",
           low=0.001, optional=True, ini_unit=60),
    Option("simulation", "sanity-check", "boolean", "Whether the schedule is verified after every event."),
    Option("simulation", "seed", "integer", "What everything drawn at random is derived from.", low=0, high=2**63 - 1),
    Option("deploy-imagetransfer", "transfer-mechanism", "choice",
           "Whether an image goes to one host at a time, or one transfer feeds all hosts of a lease.",
           ("unicast", "multicast")),
    Option("deploy-imagetransfer", "avoid-redundant-transfers", "boolean",
           "Whether a lease may ride on a planned transfer of the same image to the same host."),
    Option("deploy-imagetransfer", "force-imagetransfer-time", "span",
           "How long a transfer takes, in place of the time computed from the image's size.", optional=True),
    Option("deploy-imagetransfer", "diskimage-reuse", "choice", "Whether hosts keep images for later leases.",
           ("none", "image-caches")),
    Option("deploy-imagetransfer", "diskimage-cache-size", "integer",
           "MiB of images that a host may keep; none and -1 mean no limit.", low=-1, high=2**40 - 1, optional=True),
    Option("tracefile", "tracefile", "path", "The workload, where the command line names none.", optional=True),
    Option("tracefile", "annotationfile", "path", "Annotations that are applied to the workload's leases.",
           optional=True),
    Option("tracefile", "injectionfile", "path", "A second workload that is merged into the first.", optional=True),
    Option("tracefile", "runtime-slowdown-overhead", "number",
           "Percent by which leases run longer for being in VMs (see add-overhead); the result is rounded up to a "
           "whole second.", low=0, high=1_000_000),
    Option("tracefile", "add-overhead", "choice", "Which leases the two overheads of this section are added to.",
           ("none", "besteffort", "all")),
    Option("tracefile", "bootshutdown-overhead", "span",
           "Time added to a lease's duration for booting and shutting down (see add-overhead)."),
    Option("tracefile", "override-memory", "integer",
           "MiB of memory that every VM asks for, whatever the workload says; none and -1 leave it.",
           low=-1, high=2**40 - 1, optional=True),
    Option("accounting", "datafile", "path",
           "The folder that results are written to, where the command line names none.", optional=True),
    Option("accounting", "probes", "words", "What is recorded in counters.csv and lease-data.csv beside the results.",
           tuple(PROBES)),
    Option("accounting", "attributes", "pairs", "Names and values that are copied into the results."),
    Option("opennebula", "host", "text", "The machine that OpenNebula's XML-RPC server runs on.",
           idle=_NO_OPENNEBULA),
    Option("opennebula", "port", "integer", "The port of OpenNebula's XML-RPC server.", low=1, high=65535,
           idle=_NO_OPENNEBULA),
    Option("opennebula", "stop-when-no-more-leases", "boolean", "Whether Haizea ends when no lease is left.",
           idle=_NO_OPENNEBULA),
    Option("opennebula", "dry-run", "boolean", "Whether time jumps from event to event although OpenNebula is used.",
           idle=_NO_OPENNEBULA),
    Option("opennebula", "endpoint", "text",
           "The address of OpenNebula's XML-RPC server; where none is given, ONE_XMLRPC, else host and port.",
           optional=True, idle=_NO_OPENNEBULA),
    Option("opennebula", "auth-file", "path",
           "The file with user:password of Haizea's own user there; where none is given, ONE_AUTH, else "
           "~/.one/one_auth.", optional=True, idle=_NO_OPENNEBULA),
    Option("opennebula", "poll-interval", "span",
           "How often OpenNebula is looked at; four times a second while something is under way.",
           idle=_NO_OPENNEBULA),
    Option("opennebula", "publisher", "text",
           "The address of OpenNebula's event publisher, such as tcp://frontend:2101: changes are noticed at once. It "
           "needs the extra zmq.", optional=True, idle=_NO_OPENNEBULA),
    Option("opennebula", "template", "integer",
           "The template that VMs of leases are made of that were requested of Haizea itself and name none.",
           low=0, high=_COUNT_MAX, optional=True, idle=_NO_OPENNEBULA),
    Option("opennebula", "without-attribute", "choice",
           "What becomes of pending VMs without the HAIZEA attribute: an immediate lease of unlimited duration, or "
           "nothing.", ("immediate", "ignore"), idle=_NO_OPENNEBULA),
    Option("opennebula", "rejected", "choice", "What becomes of VMs whose request was rejected.",
           ("hold", "terminate"), idle=_NO_OPENNEBULA),
    Option("opennebula", "group-wait", "span",
           "A group of VMs is complete when none has come for so long.", idle=_NO_OPENNEBULA),
    Option("opennebula", "owners", "pairs",
           "Users of leases by users of OpenNebula, where their names differ.", idle=_NO_OPENNEBULA),
    Option("opennebula", "cpu", "choice", "Which attribute says how much CPU a VM has: CPU, or VCPU where it has one.",
           ("cpu", "vcpu"), idle=_NO_OPENNEBULA),
    Option("opennebula", "suspend", "choice",
           "How VMs are suspended: on their host, or stopped, so that their memory is in the system datastore and they "
           "may resume on any host.", ("suspend", "stop"), idle=_NO_OPENNEBULA),
    Option("opennebula", "shutdown-limit", "span",
           "So long a guest may take to shut itself down before it is switched off.",
           idle=_NO_OPENNEBULA),
    Option("opennebula", "stuck-after", "span",
           "A VM that OpenNebula has been working on for so long is given up; longer than any suspension takes.",
           idle=_NO_OPENNEBULA),
    Option("server", "listen", "text",
           "Address and port of the REST API; none to be reached by the Unix socket only. Off loopback it needs TLS."),
    Option("server", "xmlrpc", "text", "Address and port of XML-RPC, or none."),
    Option("server", "socket", "path",
           "The Unix socket; where none is given, haizea/haizea.sock in XDG_RUNTIME_DIR or ~/.local/share.",
           optional=True),
    Option("server", "socket-mode", "mode",
           "Who may connect to the Unix socket. Where none is given it is 0600, its owner alone; with a socket-group "
           "0660, its members too.", optional=True),
    Option("server", "socket-group", "text",
           "The Unix group that the socket belongs to, one that the daemon's user is in. Its members may connect, and "
           "are who the users of the same name are.", optional=True),
    Option("server", "anonymous", "choice",
           "What somebody on loopback who does not say who they are may do; nothing, where none.",
           ("none", "viewer", "user", "operator", "admin")),
    Option("server", "tls-certificate", "path", "The certificate chain, in PEM.", optional=True),
    Option("server", "tls-key", "path", "The certificate's key, in PEM, without a password.", optional=True),
    Option("server", "hosts", "words", "Names under which the server is reached, beside those of the machine."),
    Option("server", "rate", "number", "Requests a second that a user may send; 0 is no limit.", low=0, high=1e6),
    Option("server", "priority-max", "integer", "The highest priority that users may ask for; operators may any.",
           low=-1_000_000, high=1_000_000, idle="a workload's priorities are as they are"),
    Option("server", "webhook-networks", "words",
           "Networks such as 10.0.0.0/8 that webhooks may be sent to although they are not public."),
    Option("server", "token-verifier", "text",
           "What is asked about tokens that are not Haizea's own: an entry point's name, or module:Class.",
           optional=True),
    Option("server", "time-zone", "text",
           "The zone of times that Haizea 1.x clients send and get, such as Europe/Madrid."),
    Option("store", "url", "text",
           "sqlite:///path, postgresql://…, or memory:. Where none is given, a SQLite file under XDG_DATA_HOME.",
           optional=True),
    Option("live", "backend", "choice", "What runs the VMs; pretended only pretends to.",
           ("pretended", "libvirt", "opennebula")),
    Option("live", "site", "site", "The pretended site, in one line."),
    Option("live", "platform-file", "path",
           "Where the pretended platform keeps its VMs; beside the store, where that is a file. Daemons that stand in "
           "for each other must have the same one.", optional=True),
    Option("live", "pretended-times", "pairs",
           "How long operations of the pretended platform take: transfer, boot, suspend, resume, migrate, shutdown; "
           "each 3x as long as planned, or a span. Where nothing is said, as long as planned."),
    Option("live", "time-scale", "number", "How many times faster than real time the pretended site lives.",
           low=1, high=1_000_000),
    Option("live", "lateness", "span", "By how much a start or end may be missed before it is planned anew."),
    Option("live", "reconcile-every", "span",
           "How often all VMs and hosts are compared with what they should be; 0 for only at the start and on demand."),
    Option("live", "strays", "choice",
           "What is done about VMs of leases that there are not: they are destroyed, or only reported.",
           choices=("destroy", "report")),
    Option("live", "ignored-strays", "words",
           "VMs that are no lease's and have one of these labels are neither counted nor shown: a label, or "
           "label=value, in which * stands for any text."),
    Option("live", "learn", "boolean",
           "Whether suspensions, resumptions, shutdowns and transfers are planned as fast as they were measured."),
    Option("live", "learn-quantile", "integer",
           "So many of a hundred measurements were not slower than what is planned with.", low=50, high=100),
    Option("live", "learn-least", "integer",
           "The least time planned, in percent of what is configured, however fast the platform is.", low=1, high=100),
    Option("live", "learn-most", "integer",
           "The most time planned, in percent of what is configured, however slow the platform is.",
           low=100, high=100_000),
    Option("live", "learn-samples", "integer",
           "So many of the last measurements count, of each host and kind of operation.", low=1, high=10_000),
    Option("live", "vm-grace", "span", "For how long a VM may be unknown before it counts as failed."),
    Option("live", "host-grace", "span", "For how long a host may be suspect before it counts as down."),
    Option("live", "restarts", "integer",
           "How many times a VM that failed is started again where it was, and an operation that failed is tried "
           "again.", low=0, high=1000),
    Option("live", "restart-backoff", "span",
           "How long after the first time, which is at once, something is tried again; twice as long each time then."),
    Option("live", "overdue-after", "span",
           "By how much an operation may be late before it is dealt with as overdue says."),
    Option("live", "overdue", "choice",
           "What is done about an operation that is late for too long: force breaks it off and takes it to have "
           "failed, cancel cancels the lease.", choices=("force", "cancel")),
    Option("live", "contradictions", "integer",
           "How many times somebody may undo with the platform's own tools what was commanded for a lease, before the "
           "lease is held.", low=1, high=1000),
    Option("live", "images-survive-host", "boolean",
           "Whether memory images of suspended VMs are kept where they outlive the host they were made on."),
    Option("notices", "before-start", "span", "How long before a reservation starts its owner is told.",
           optional=True),
    Option("notices", "before-end", "span", "How long before a lease ends its owner is told.", optional=True),
    Option("notices", "smtp", "text", "The mail server that notices are sent by, host:port.", optional=True),
    Option("notices", "smtp-from", "text", "The address that mails are from."),
    Option("notices", "smtp-tls", "choice",
           "How the connection to the mail server is protected: not at all, from the start, or after STARTTLS.",
           ("none", "tls", "starttls")),
    Option("notices", "mail-domain", "text",
           "The domain of users who have no address of their own: user@domain.", optional=True),
    Option("notices", "command", "path",
           "A program that is run for each notice, which it gets as JSON on its standard input.", optional=True),
    Option("libvirt", "hosts", "pairs",
           "The hosts: a name for each, and the URI by which libvirt reaches it. Their order is that of the site; new "
           "ones go to its end.", idle=_NO_LIBVIRT),
    Option("libvirt", "labels", "pairs", "Labels of hosts by their names, each as name=value, separated by spaces.",
           idle=_NO_LIBVIRT),
    Option("libvirt", "migration-uris", "pairs",
           "Where other hosts send running VMs to, by hosts' names, such as tcp://10.0.0.2; where none is given, "
           "libvirt finds out. {name} stands for the VM's domain.", idle=_NO_LIBVIRT),
    Option("libvirt", "domain-type", "choice",
           "What runs VMs; auto is KVM where the host has it, else QEMU, which is slow.", ("auto", "kvm", "qemu"),
           idle=_NO_LIBVIRT),
    Option("libvirt", "template", "path",
           "The domain XML that VMs are made from; Haizea fills in name, size, disks and network.", optional=True,
           idle=_NO_LIBVIRT),
    Option("libvirt", "network", "text", "The libvirt network that VMs are in; none gives them no network card.",
           optional=True, idle=_NO_LIBVIRT),
    Option("libvirt", "user-data", "path", "What cloud-init is to do at a guest's first boot.", optional=True,
           idle=_NO_LIBVIRT),
    Option("libvirt", "cpu-limits", "choice",
           "Whether VMs may use no more CPU than their lease asked for; auto is yes, but for URIs of qemu:///session.",
           ("auto", "yes", "no"), idle=_NO_LIBVIRT),
    Option("libvirt", "images", "text", "The repository of disk images: a folder, or the beginning of an HTTP URL.",
           optional=True, idle=_NO_LIBVIRT),
    Option("libvirt", "image-hosts", "words",
           "Machines (with their ports) that images may be fetched from by HTTP, beside the repository.",
           idle=_NO_LIBVIRT),
    Option("libvirt", "checksums", "choice",
           "Whether an image is only used if a file IMAGE.sha256 beside it says what it must be.",
           ("where-given", "required"), idle=_NO_LIBVIRT),
    Option("libvirt", "pool", "text", "The storage pool of each host for images, disks and saved memory.",
           idle=_NO_LIBVIRT),
    Option("libvirt", "pool-folder", "path",
           "Where the pool is made on a host that has none of that name; /var/lib/libvirt/haizea, for qemu:///session "
           "beside the store.", optional=True, idle=_NO_LIBVIRT),
    Option("libvirt", "disks", "choice", "Whether a VM's disk stands on top of its image, or is a copy of it.",
           ("overlay", "copy"), idle=_NO_LIBVIRT),
    Option("libvirt", "shared-storage", "boolean", "Whether the pools of all hosts are one and the same storage.",
           idle=_NO_LIBVIRT),
    Option("libvirt", "suspend-to", "choice",
           "Where memory is saved: in a file in the pool, or where libvirt keeps it, which can only be resumed on the "
           "same host.", ("file", "managed"), idle=_NO_LIBVIRT),
    Option("libvirt", "parallel", "integer", "How many VMs a host starts, saves, restores and moves at a time.",
           low=1, high=64, idle=_NO_LIBVIRT),
    Option("libvirt", "shutdown-limit", "span",
           "How long a guest may take to shut itself down before it is ended; as planned (scheduling.shutdown-time), "
           "where none is given.", optional=True, idle=_NO_LIBVIRT),
    Option("libvirt", "call-limit", "span", "How long a host may take to answer.", low=0.1, idle=_NO_LIBVIRT),
    Option("libvirt", "operation-limit", "span",
           "How long starting, saving, restoring or moving a VM, or transferring an image, may take before it is given "
           "up.", low=1, idle=_NO_LIBVIRT),
    Option("libvirt", "keepalive", "span", "How long a host may be silent before its connection is made anew.", low=1,
           idle=_NO_LIBVIRT),
    Option("libvirt", "folder", "path",
           "Where files are kept on their way from one host to another; beside the store, where that is a file.",
           optional=True, idle=_NO_LIBVIRT),
    Option("pricing", "rate", "number", "Price of a VM for an hour; the first one, where the policy adapts it.",
           low=0, high=1e12, optional=True),
    Option("pricing", "seed", "integer", "Seed of random rates; simulation.seed where not given.",
           low=0, high=2**63 - 1, optional=True),
    Option("pricing", "min-rate", "number", "The lowest random rate.", low=0, high=1e12, optional=True),
    Option("pricing", "max-rate", "number", "The highest random rate.", low=0, high=1e12, optional=True),
)  # fmt: skip
"""Every option, in the order of the reference."""

BY_SECTION: Final[Mapping[str, Mapping[str, Option]]] = MappingProxyType(
    {section: {o.key: o for o in OPTIONS if o.section == section} for section in SECTIONS}
)
"""The options by section and key."""


def allowed(option: Option) -> str:
    """Say which values an option takes."""
    words = _allowed(option)
    return f"{words}, or none" if option.optional else words


def _allowed(option: Option) -> str:
    kind = option.kind
    if kind == "words" and option.choices:
        return f"any of {', '.join(option.choices)}, as a list or separated by spaces"
    if kind == "choice":
        return ", ".join(option.choices)
    if kind == "policy":
        return f"{', '.join(POLICIES[option.choices[0]])}, an entry point's name, or module:Class"
    if kind in ("integer", "number"):
        what = "a whole number" if kind == "integer" else "a number"
        if option.decimals_max is not None:
            what += f" with at most {option.decimals_max} decimals"
        if option.low is not None and option.high is not None:
            return f"{what} from {option.low if option.low % 1 else int(option.low)} to {int(option.high)}"
        return what
    return {
        "text": "text",
        "path": "a path",
        "mode": "three or four octal digits as text, such as '0660', which let the owner read and write",
        "boolean": "true or false (also yes, no, on, off)",
        "span": "a span of time: a number of seconds, or text such as 90s, 5m, 1h30m, 01:30:00, 1:12:00:00",
        "instant": "an instant such as 2006-11-25 13:00:00 or 2006-11-25T13:00:00Z (UTC where no zone is given)",
        "site": "in-tracefile, or a line such as '4 CPU:100 Memory:1024'",
        "words": "names, as a list or separated by spaces",
        "pairs": "a table of text, or name=value separated by commas",
    }[kind]
