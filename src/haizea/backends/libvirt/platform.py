"""A site of libvirt hosts behind the port of platforms: commands in, what happened out.

Each VM has a lane of its own, in which its commands are carried out in order, by threads of the host that they are
about; what concerns two hosts is done by threads of that pair. So a host that hangs holds up nobody but who needs it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeVar

from haizea.backends.libvirt import watching
from haizea.backends.libvirt.book import Book, Known, Vm
from haizea.backends.libvirt.config import LibvirtConfig
from haizea.backends.libvirt.connection import CallFailed, Event, Host, HostUnavailable
from haizea.backends.libvirt.crew import Abandoned, Lanes, Workers, workers
from haizea.backends.libvirt.domains import Template, labels_of, size_of
from haizea.backends.libvirt.facade import NO_DOMAIN, SHUTDOWN_BY_HOST, Api, Connection, Happened, State, load
from haizea.backends.libvirt.images import Images
from haizea.backends.libvirt.moving import Moving
from haizea.backends.libvirt.operations import Operations, Wanted
from haizea.backends.libvirt.repository import ImageRefused, Repository
from haizea.backends.libvirt.running import Running
from haizea.backends.libvirt.watching import Standing
from haizea.model.events import Observed
from haizea.model.site import Host as SiteHost
from haizea.model.site import HostState, Site
from haizea.model.units import SECOND, Span
from haizea.runtime.ports import HostSeen, PlatformUnavailable, Progress, Report, Said, Seen, Shown, Stranger, Terms
from haizea.runtime.rows import CommandRow

T = TypeVar("T")

WORKERS_MAX: Final = 64
TRIES: Final = 3
SAID_MAX: Final = 3
KEPT: Final = 100_000
"""The outcomes of so many commands are remembered, and told again where one comes again."""


class LibvirtPlatform:
    """Runs VMs on libvirt hosts."""

    def __init__(self, config: LibvirtConfig, terms: Terms, folder: Path, api: Api | None = None) -> None:
        """``folder`` is for what must be kept on this machine: images on their way, pools of session daemons.

        Raises:
            haizea.backends.libvirt.facade.NoLibvirt: libvirt's package is not installed.
            haizea.backends.libvirt.domains.TemplateError: the template cannot be used.
        """
        self._api = load() if api is None else api
        self._config = config._replace(spool=config.spool or folder / "spool")
        self._terms = terms
        template = Template.read(config.template) if config.template is not None else Template(_default())
        spool = self._config.spool or folder
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        repository = Repository(config.images, config.image_hosts, spool, config.checksums_required)
        timing = config.timing
        self._hosts = [
            Host(number, each, self._api, timing, config.parallel, self._heard)
            for number, each in enumerate(config.hosts)
        ]
        self._book = Book()
        images = Images(self._config, repository, self._api, str(folder / "pools"))
        self._operations = Operations(self._hosts, self._config, template, images, self._book, self._api)
        self._moving = Moving(self._operations, self._config)
        self._lanes = Lanes()
        self._crews: dict[tuple[int, ...], Workers] = {}
        self._lock = threading.Lock()
        self._running: dict[int, Running] = {}
        self._done: OrderedDict[int, Report] = OrderedDict()
        self._news: list[SimpleQueue[str | None]] = [SimpleQueue() for _ in self._hosts]
        self._told_up: dict[int, bool] = {}
        self._scanned = [threading.Event() for _ in self._hosts]
        self._tell: Callable[[Said], None] = lambda _said: None
        self._telling = False
        self._stopping = threading.Event()
        self._connecting = False

    # The port ------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Begin to connect to the hosts; done by :meth:`start` where it was not before."""
        if self._connecting:
            return
        self._connecting = True
        for host in self._hosts:
            host.start(self._changed)
            threading.Thread(target=self._watch, args=(host,), name=f"libvirt-{host.name}-watcher", daemon=True).start()

    def site(self, kept: Site | None = None) -> Site:
        """Return the hosts with what they have; those in ``kept`` as they are there.

        Raises:
            PlatformUnavailable: what a host has is not known, because it does not answer.
        """
        known = {} if kept is None else {host.name: host for host in kept.hosts}
        found = []
        for host in self._hosts:
            if host.name in known:
                found.append(known[host.name])
                continue
            if not host.wait_tried(self._config.timing.call) or host.capacity is None:
                raise PlatformUnavailable(f"host {host.name} ({host.config.uri}) does not answer: {host.why}")
            found.append(SiteHost(host.name, host.capacity, host.config.labels))
        return Site(tuple(found))

    def start(self, tell: Callable[[Said], None], /) -> None:
        """Begin to work, and to tell."""
        self._tell = tell
        self._telling = True
        self.connect()

    def submit(self, command: CommandRow, /) -> None:
        """Begin to carry out a command."""
        with self._lock:
            before = self._done.get(command.id)
            if before is None and command.id in self._running:
                return
            if before is None:
                # An image is brought to hosts, not to VMs.
                vms = self._vms(command) if command.verb != "transfer" else []
                running = self._running[command.id] = Running(command, [vm for vm, _host in vms])
        if before is not None:
            self._tell(before)
            return
        if command.verb == "transfer":
            self._transfer(command, running)
            return
        if not vms:
            self._over(running)
            return
        for vm, host in vms:
            self._put((command.lease, vm), host, running)

    def observe(self) -> Shown[Seen]:
        """Return all VMs of leases on all hosts that answer."""
        found: list[Seen] = []
        everywhere, away = self._everywhere(lambda connection: watching.everything(connection, self._api))
        for host, standings in everywhere:
            for one in standings:
                if one.mark is None:
                    continue
                observed = one.observed(self._book.ended_by_host(host.number, one.name))
                if observed is None:
                    # On its way: as it is still meant to be, as far as is known.
                    known = self._book.get((one.mark.lease, one.mark.vm), host.number)
                    if one.state is State.SHUTOFF:
                        continue
                    observed = known.observed if known is not None else Observed.RUNNING
                found.append(Seen(one.mark.lease, one.mark.vm, observed, host.number))
        return Shown(sorted(found), away)

    def hosts(self) -> Sequence[HostSeen]:
        """Return all hosts: up where they answer, suspect where they do not."""
        return [_seen(host) for host in self._hosts]

    def strangers(self) -> Shown[Stranger]:
        """Return the running VMs that are no lease's, each called ``host/name``."""
        found: list[Stranger] = []
        everywhere, away = self._everywhere(self._domains_of_others)
        for host, domains in everywhere:
            found += [
                Stranger(f"{host.name}/{name}", host.number, size_of(xml), {**labels_of(xml), "name": name})
                for name, xml in domains
            ]
        return Shown(found, away)

    def _domains_of_others(self, connection: Connection) -> list[tuple[str, str]]:
        found = []
        for domain in connection.listAllDomains():
            try:
                if domain.isActive() and watching.stand(connection, domain, self._api).mark is None:
                    found.append((domain.name(), domain.XMLDesc()))
            except self._api.error as problem:
                # It has ended meanwhile.
                if problem.get_error_code() != NO_DOMAIN:
                    raise
        return found

    def adopt(self, name: str, lease: int, vm: int, /) -> None:
        """Take a stranger to be a lease's VM from now on: its metadata says so.

        Raises:
            LookupError: there is none of that name.
            PlatformUnavailable: its host does not answer.
        """
        of_host, _, domain = name.partition("/")
        for host in self._hosts:
            if host.name == of_host:
                try:
                    self._operations.adopt(host, domain, (lease, vm))
                except CallFailed as problem:
                    raise PlatformUnavailable(str(problem)) from problem
                return
        raise LookupError(f"there is no host {of_host}: strangers are called HOST/NAME")

    def stop(self) -> None:
        """Let go of the hosts; VMs run on."""
        self._telling = False
        self._stopping.set()
        for queue in self._news:
            queue.put(None)
        for host in self._hosts:
            if self._connecting:
                host.stop()
        with self._lock:
            crews = list(self._crews.values())
        for crew in crews:
            crew.abandon("Haizea is stopping")

    # Commands ------------------------------------------------------------------------------------------------

    def _vms(self, command: CommandRow) -> list[tuple[int, int | None]]:
        """Return the numbers of the VMs that a command is about, each with its host as far as it says so."""
        hosts = command.hosts
        if not command.vms:
            numbers = set(range(1, len(hosts) + 1))
            if command.verb in ("destroy", "shut-down"):
                numbers |= set(self._book.vms_of(command.lease))
                wanted = self._terms(command.lease)
                numbers |= set(range(1, wanted.node_count + 1)) if wanted is not None else set()
            return [(vm, hosts[vm - 1] if vm <= len(hosts) else None) for vm in sorted(numbers)]
        if len(hosts) == len(command.vms) and max(command.vms) > len(hosts):
            return list(zip(command.vms, hosts, strict=True))
        return [(vm, hosts[vm - 1] if vm <= len(hosts) else None) for vm in command.vms]

    def _put(self, vm: Vm, number: int | None, running: Running) -> None:
        verb = running.command.verb
        involved = set(self._book.hosts(vm)) | ({number} if number is not None else set())
        if verb not in ("resume", "migrate", "destroy", "shut-down", "start") and number is not None:
            involved = {number}
        crew = self._crew(tuple(sorted(involved)) or (-1,))
        self._lanes.put(vm, crew, lambda: self._carry_out(vm, number, running))

    def _crew(self, key: tuple[int, ...]) -> Workers:
        with self._lock:
            found = self._crews.get(key)
            if found is None:
                found = self._crews[key] = workers("libvirt-work", WORKERS_MAX)
            return found

    def _carry_out(self, vm: Vm, number: int | None, running: Running) -> None:
        """Do what a command says with one of its VMs, and tell when it was the last one."""
        took: Span | None = None
        error = ""
        for host, scanned in zip(self._hosts, self._scanned, strict=True):
            if host.up or host.number == number:
                # What there is is known before anything is done.
                scanned.wait(self._config.timing.call / SECOND)
        for attempt in range(TRIES):
            try:
                took = self._do(vm, number, running.command)
            except HostUnavailable as problem:
                # It may be back in a moment, and looking what there is comes first.
                error = str(problem)
                if attempt + 1 < TRIES and not self._stopping.wait(attempt):
                    continue
            except (CallFailed, ImageRefused, ValueError, OSError) as problem:
                error = str(problem)
            else:
                error = ""
            break
        if self._stopping.is_set() and error:
            # Whoever comes next sends it again.
            return
        # Nothing is measured where nothing had to be done.
        if running.finish(vm[1], took or None, error):
            self._over(running)
        self._check(vm)

    def _do(self, vm: Vm, number: int | None, command: CommandRow) -> Span:
        verb = command.verb
        operations = self._operations
        host = self._hosts[number] if number is not None and number < len(self._hosts) else None
        if verb == "suspend":
            return operations.suspend(vm, host, command.id)[1]
        if verb in ("shut-down", "destroy"):
            return self._remove(vm, host, command)
        if verb in ("pause", "unpause"):
            found = operations.where(vm, host)
            if found is None or not found[1].active:
                raise CallFailed(f"lease {vm[0]}'s VM {vm[1]} does not run")
            return operations.pause(found[0], vm) if verb == "pause" else operations.unpause(found[0], vm)
        if host is None:
            raise CallFailed(f"the site has no host number {number}")
        wanted = self._wanted(vm)
        if verb == "start":
            return operations.start(host, vm, command.id, wanted)
        if verb == "resume":
            return self._moving.resume(host, vm, command.id, wanted)
        if verb == "migrate":
            return self._moving.migrate(host, vm, command.id, wanted)
        raise CallFailed(f"libvirt hosts know no command {verb}")

    def _remove(self, vm: Vm, host: Host | None, command: CommandRow) -> Span:
        """End a VM wherever it is."""
        grace = 0
        if command.verb == "shut-down":
            limit = self._config.timing.shutdown
            grace = max(0, command.until - command.at) if limit is None else limit
        took = 0
        there = {self._hosts[number] for number in self._book.hosts(vm)} | ({host} if host is not None else set())
        for each in sorted(there, key=lambda one: one.number):
            took = max(took, self._operations.shut_down(each, vm, grace, self._stopping))
        return took

    def _wanted(self, vm: Vm) -> Wanted | None:
        terms = self._terms(vm[0])
        if terms is None:
            return None
        number = vm[1]
        for nodes in terms.nodes:
            if number <= nodes.count:
                return Wanted(nodes.demand, terms.software)
            number -= nodes.count
        return None

    def _transfer(self, command: CommandRow, running: Running) -> None:
        """Bring a lease's image to hosts."""
        for number in command.hosts:
            running.add(number)

        def bring(number: int) -> None:
            error = ""
            try:
                terms = self._terms(command.lease)
                if terms is None or terms.software is None:
                    raise CallFailed(f"nothing is known of an image of lease {command.lease}")
                host = self._hosts[number]
                self._operations.images.bring(
                    host, terms.software, lambda permille: self._progress(running, number, permille), anew=True
                )
            except (CallFailed, ImageRefused, HostUnavailable, OSError) as problem:
                error = str(problem)
            if running.finish(number, None, error):
                self._over(running)

        for number in command.hosts:
            self._crew((number,)).submit(lambda _none, number=number: bring(number))  # type: ignore[misc]
        if not command.hosts:
            self._over(running)

    def _progress(self, running: Running, number: int, permille: int) -> None:
        command = running.command

        def tell(so_far: int) -> None:
            if self._telling:
                self._tell(Progress(command.id, command.verb, command.lease, so_far))

        running.progress(number, permille, self._config.timing.progress, tell)

    def _over(self, running: Running) -> None:
        report = running.report()
        with self._lock:
            self._running.pop(report.command, None)
            # What failed may be tried again under the same number.
            if not report.error:
                self._done[report.command] = report
                while len(self._done) > KEPT:
                    self._done.popitem(last=False)
        if self._telling:
            self._tell(report)

    # Watching ------------------------------------------------------------------------------------------------

    def _heard(self, host: Host, event: Event) -> None:
        """Take an event in; called by libvirt's thread, which must not wait."""
        if event.happened == Happened.SHUTDOWN:
            self._book.note_end(host.number, event.name, by_host=event.detail == SHUTDOWN_BY_HOST)
        elif event.happened == Happened.STARTED:
            self._book.note_end(host.number, event.name, by_host=False)
        self._news[host.number].put(event.name)

    def _changed(self, host: Host, up: bool) -> None:
        """Deal with a connection that was made or lost."""
        if up:
            self._scan(host)
        before = self._told_up.get(host.number)
        if before is not up and not self._stopping.is_set():
            self._told_up[host.number] = up
            if self._telling and (before is not None or not up):
                self._tell(_seen(host))

    def _watch(self, host: Host) -> None:
        """Look at what events are about, one after the other; everything, now and then."""
        from queue import Empty

        queue = self._news[host.number]
        while not self._stopping.is_set():
            try:
                name = queue.get(timeout=self._config.timing.rescan / SECOND)
            except Empty:
                if host.up:
                    self._scan(host)
                continue
            if name is None:
                return
            vm = self._book.who(host.number, name)
            if vm is None:
                self._newcomer(host, name)
            elif not self._lanes.busy(vm):
                self._look(host, vm)

    def _newcomer(self, host: Host, name: str) -> None:
        """Look whether a domain that was not known is a lease's VM: somebody may have moved one here."""
        try:
            found = host.call(lambda connection: watching.find(connection, name, self._api))
        except (CallFailed, HostUnavailable):
            # Everything is looked at when the host is back, and now and then.
            return
        if found is not None and found[1].mark is not None:
            vm = (found[1].mark.lease, found[1].mark.vm)
            if not self._lanes.busy(vm):
                self._compare(host, vm, found[1])

    def _look(self, host: Host, vm: Vm, *, tidy: bool = False) -> None:
        try:
            standing = self._operations.look(host, vm)
            if tidy:
                self._operations.tidy(host, vm, standing)
        except (CallFailed, HostUnavailable):
            # As above.
            return
        self._compare(host, vm, standing)

    def _check(self, vm: Vm) -> None:
        """Look whether a VM is still what a command has just made of it: what happened meanwhile was not looked at."""
        for number in self._book.hosts(vm):
            if self._hosts[number].up:
                self._look(self._hosts[number], vm, tidy=True)

    def _compare(self, host: Host, vm: Vm, standing: Standing | None) -> None:
        """Tell what a VM is, where that is not what was known."""
        known = self._book.get(vm, host.number)
        if standing is None:
            if known is None:
                return
            self._book.drop(vm, host.number)
            gone = known.observed in (Observed.RUNNING, Observed.PAUSED, Observed.SUSPENDED, Observed.UNKNOWN)
            if gone and not self._book.elsewhere(vm, host.number, (Observed.RUNNING, Observed.PAUSED)):
                self._say(vm, Observed.VANISHED, None)
            return
        observed = standing.observed(self._book.ended_by_host(host.number, standing.name))
        if observed is None:
            return
        self._book.put(vm, host.number, Known(standing.name, observed))
        if known is None or known.observed is not observed:
            self._say(vm, observed, host.number)

    def _say(self, vm: Vm, observed: Observed, host: int | None) -> None:
        if self._telling:
            self._tell(Seen(vm[0], vm[1], observed, host))

    def _scan(self, host: Host) -> None:
        """Look at all of a host's VMs; what is not as it was known to be is told, but for the first time."""
        first = host.number not in self._told_up
        try:
            standings = host.call(lambda connection: watching.everything(connection, self._api))
        except (CallFailed, HostUnavailable):
            # It is connected to again, and then looked at again.
            return
        there = set()
        for one in standings:
            if one.mark is None:
                continue
            vm = (one.mark.lease, one.mark.vm)
            there.add(vm)
            if first:
                observed = one.observed()
                if observed is not None:
                    self._book.put(vm, host.number, Known(one.name, observed))
            elif not self._lanes.busy(vm):
                self._compare(host, vm, one)
            if one.mark.saved and one.active:
                # Whoever restored it, or could not save it, has not come to do this.
                self._lanes.put(vm, self._crew((host.number,)), partial(self._look, host, vm, tidy=True))
        self._scanned[host.number].set()
        for vm, _known in self._book.on(host.number):
            if vm not in there and not self._lanes.busy(vm):
                # Looked at again: it may have come or gone while all were looked at.
                self._look(host, vm)

    def _everywhere(self, work: Callable[[Connection], T]) -> tuple[list[tuple[Host, T]], frozenset[int]]:
        """Have something looked at on all hosts, side by side; return what was found, and which do not answer.

        Raises:
            PlatformUnavailable: none does.
        """
        limit = self._config.timing.call
        # One that was lost is not waited for.
        asked: list[tuple[Host, Future[T]]] = [
            (host, self._crew((host.number,)).submit(lambda _none, host=host: host.call(work)))  # type: ignore[misc]
            for host in self._hosts
            if host.wait_tried(limit)
        ]
        found, why = [], [f"host {host.name} does not answer: {host.why}" for host in self._hosts if not host.up]
        end = time.monotonic() + 2 * limit / SECOND
        for host, future in asked:
            try:
                found.append((host, future.result(max(0.0, end - time.monotonic()))))
            except (CallFailed, HostUnavailable, Abandoned, TimeoutError) as problem:
                why.append(f"host {host.name} cannot be asked what it has: {problem}")
        if not found and self._hosts:
            raise PlatformUnavailable("; ".join(why[:SAID_MAX]))
        return found, frozenset(host.number for host in self._hosts) - {host.number for host, _found in found}


def _seen(host: Host) -> HostSeen:
    state = HostState.UP if host.up else HostState.SUSPECT
    return HostSeen(host.number, state, host.capacity, host.name, host.config.labels)


def _default() -> str:
    from haizea.backends.libvirt.domains import DEFAULT_TEMPLATE

    return DEFAULT_TEMPLATE
