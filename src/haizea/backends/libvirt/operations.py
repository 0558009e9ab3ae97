"""What can be done with one VM, each for its own: look what there is, and do what is missing.

So a command that comes twice does nothing the second time, and one that was broken off is taken up where it stopped.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from haizea.backends.libvirt.book import Book, Known, Vm
from haizea.backends.libvirt.config import LibvirtConfig
from haizea.backends.libvirt.connection import CallFailed, Host, HostUnavailable, TookTooLong, now_ms
from haizea.backends.libvirt.domains import (
    NAMESPACE,
    PREFIX,
    Mark,
    Spec,
    Template,
    files_of,
    name_of,
    with_paths,
)
from haizea.backends.libvirt.facade import (
    AFFECT_CONFIG,
    AFFECT_LIVE,
    METADATA_ELEMENT,
    NO_DOMAIN,
    NO_SUPPORT,
    OPERATION_INVALID,
    SAVE_RUNNING,
    SHUTDOWN_ACPI,
    UNDEFINE_CHECKPOINTS,
    UNDEFINE_MANAGED_SAVE,
    UNDEFINE_NVRAM,
    UNDEFINE_SNAPSHOTS,
    XML_INACTIVE,
    XML_SECURE,
    Api,
    Connection,
    Domain,
    Shutoff,
    State,
)
from haizea.backends.libvirt.images import SAVED, Images
from haizea.backends.libvirt.seed import seed_image
from haizea.backends.libvirt.watching import Standing, find
from haizea.model.events import Observed
from haizea.model.lease import DiskImage
from haizea.model.resources import DISK as DISK_SPACE
from haizea.model.resources import Capacity
from haizea.model.units import SECOND, Span

POLL_S: Final = 0.05
_UNDEFINE: Final = UNDEFINE_MANAGED_SAVE | UNDEFINE_SNAPSHOTS | UNDEFINE_NVRAM | UNDEFINE_CHECKPOINTS
_OVER: Final = frozenset({Shutoff.SHUTDOWN, Shutoff.DESTROYED, Shutoff.CRASHED})


class Wanted(NamedTuple):
    """What a VM is to be: its size, and the image that its disk is made from."""

    demand: Capacity
    image: DiskImage | None = None


class Operations:
    """Starts, suspends, restores, pauses, shuts down and removes VMs on one host at a time."""

    def __init__(
        self, hosts: Sequence[Host], config: LibvirtConfig, template: Template, images: Images, book: Book, api: Api
    ) -> None:
        self._hosts = hosts
        self._config = config
        self._template = template
        self.images = images
        self.book = book
        self._api = api

    # Looking -------------------------------------------------------------------------------------------------

    def look(self, host: Host, vm: Vm) -> Standing | None:
        """Return a VM as it is on a host; None where it is not there.

        Raises:
            HostUnavailable: the host does not answer.
            CallFailed: somebody else's domain has its name.
        """
        known = self.book.get(vm, host.number)
        name = known.name if known is not None else name_of(*vm)
        found = host.call(lambda connection: find(connection, name, self._api))
        if found is None:
            return None
        standing = found[1]
        if standing.mark is None or (standing.mark.lease, standing.mark.vm) != vm:
            raise CallFailed(f"host {host.name}: the domain {name} is not lease {vm[0]}'s VM {vm[1]}")
        return standing

    def where(self, vm: Vm, first: Host | None) -> tuple[Host, Standing] | None:
        """Look for a VM: on the host where it should be, where it was last, then everywhere."""
        likely = [host.number for host in (first,) if host is not None] + self.book.hosts(vm)
        rest = [host.number for host in self._hosts if host.up]
        off: tuple[Host, Standing] | None = None
        unavailable: HostUnavailable | None = None
        for number in dict.fromkeys([*likely, *rest]):
            host = self._hosts[number]
            try:
                standing = self.look(host, vm)
            except HostUnavailable as problem:
                if number in likely:
                    unavailable = problem
                continue
            if standing is not None and (standing.active or standing.suspended):
                return host, standing
            if standing is not None and off is None:
                off = host, standing
        if off is None and unavailable is not None:
            raise unavailable
        return off

    def domain(self, connection: Connection, vm: Vm, host: Host) -> Domain:
        """Return a VM's domain. For use within a call."""
        known = self.book.get(vm, host.number)
        return connection.lookupByName(known.name if known is not None else name_of(*vm))

    def mark(self, host: Host, vm: Vm, command: int, saved: str = "") -> None:
        """Write into a domain's metadata whose it is."""
        text = Mark(*vm, command, saved).xml()

        def write(connection: Connection) -> None:
            domain = self.domain(connection, vm, host)
            flags = (AFFECT_LIVE if domain.isActive() else 0) | (AFFECT_CONFIG if domain.isPersistent() else 0)
            domain.setMetadata(METADATA_ELEMENT, text, PREFIX, NAMESPACE, flags)

        host.call(write)

    def keep(self, host: Host, vm: Vm, observed: Observed) -> None:
        """Note what a VM was brought to."""
        known = self.book.get(vm, host.number)
        self.book.put(vm, host.number, Known(known.name if known is not None else name_of(*vm), observed))

    # Starting ------------------------------------------------------------------------------------------------

    def start(self, host: Host, vm: Vm, command: int, wanted: Wanted | None) -> Span:
        """Boot a VM anew; return how long that took.

        Raises:
            HostUnavailable, CallFailed, ImageRefused: it cannot be done.
        """
        standing = self.look(host, vm)
        if standing is not None and standing.active and standing.state is not State.CRASHED:
            if standing.state is State.PAUSED:
                self.unpause(host, vm)
            self.keep(host, vm, Observed.RUNNING)
            return 0
        same = standing is not None and standing.mark is not None and standing.mark.command == command
        if standing is not None and same and standing.reason in _OVER:
            # It was started, and has ended since: what it is now is told, and is not to be undone.
            return 0
        for number in self.book.hosts(vm):
            if number != host.number:
                self.remove(self._hosts[number], vm)
        begun = now_ms()
        with host.heavy:
            if standing is None:
                if wanted is None:
                    raise CallFailed(f"nothing is known of what lease {vm[0]}'s VM {vm[1]} is to be like")
                self._define(host, vm, command, wanted)
            else:
                self._forget_memory(host, vm, standing)
                self.mark(host, vm, command)
            try:
                self._boot(host, vm)
            except (CallFailed, HostUnavailable) as problem:
                if standing is None and not isinstance(problem, TookTooLong | HostUnavailable):
                    with suppress(CallFailed, HostUnavailable):
                        self.remove(host, vm)
                raise
        self.keep(host, vm, Observed.RUNNING)
        return now_ms() - begun

    def _define(self, host: Host, vm: Vm, command: int, wanted: Wanted) -> None:
        disk = seed = None
        if wanted.image is not None:
            image = self.images.bring(host, wanted.image, lambda _permille: None, anew=False)
            self.images.clean(host, *vm)
            disk = self.images.disk(host, *vm, image, wanted.demand[DISK_SPACE])
        if self._config.user_data is not None:
            contents = seed_image(name_of(*vm), self._config.user_data.read_text(encoding="utf-8"), vm)
            seed = self.images.seed(host, *vm, contents)
        limits = self._config.cpu_limits
        spec = Spec(
            Mark(*vm, command),
            wanted.demand,
            host.domain_type if self._config.domain_type == "auto" else self._config.domain_type,
            disk,
            seed or "",
            self._config.network,
            limits == "yes" or (limits == "auto" and not host.config.session),
            self._config.shared,
        )
        xml = self._template.render(spec)
        try:
            host.call(lambda connection: connection.defineXMLFlags(xml, 0))
        except CallFailed:
            if disk is not None or seed:
                with suppress(CallFailed, HostUnavailable):
                    self.images.clean(host, *vm)
            raise

    def _boot(self, host: Host, vm: Vm) -> None:
        def boot(connection: Connection) -> None:
            domain = self.domain(connection, vm, host)
            if domain.state()[0] == State.CRASHED:
                domain.destroyFlags(0)
            if not domain.isActive():
                domain.createWithFlags(0)

        self.book.note_end(host.number, name_of(*vm), by_host=False)
        host.call(boot, self._config.timing.operation)

    def _forget_memory(self, host: Host, vm: Vm, standing: Standing) -> None:
        """Delete saved memory, so that a VM boots; its disk stays."""

        def forget(connection: Connection) -> None:
            domain = self.domain(connection, vm, host)
            if domain.hasManagedSaveImage():
                domain.managedSaveRemove(0)

        host.call(forget)
        if standing.mark is not None and standing.mark.saved:
            self.images.clean(host, *vm, (SAVED,))

    # Suspending and restoring --------------------------------------------------------------------------------

    def suspend(self, vm: Vm, host: Host | None, command: int) -> tuple[Host, Span]:
        """Save a VM's memory to the disk and stop it; return where, and how long that took.

        Raises:
            HostUnavailable, CallFailed: it cannot be done; the VM runs on where it did.
        """
        found = self.where(vm, host)
        if found is None:
            raise CallFailed(f"lease {vm[0]}'s VM {vm[1]} is nowhere")
        host, standing = found
        if standing.suspended:
            self.keep(host, vm, Observed.SUSPENDED)
            return host, 0
        if not standing.active:
            raise CallFailed(f"host {host.name}: lease {vm[0]}'s VM {vm[1]} cannot be saved, it is {standing.says()}")
        begun = now_ms()
        with host.heavy:
            if self._config.managed_save and not host.config.pretends:
                self._limited(host, vm, lambda domain: domain.managedSave(SAVE_RUNNING))
                self.mark(host, vm, command)
            else:
                path = self.images.save_path(host, *vm) if not host.config.pretends else self._pretended_path(host, vm)
                # Said before: whoever finds the VM off, with libvirtd restarted meanwhile, knows where to look.
                self.mark(host, vm, command, path)
                # One that stood still, be it because libvirtd was killed over it, is to run once it is restored.
                flags = 0 if host.config.pretends else SAVE_RUNNING
                self._limited(host, vm, lambda domain: domain.saveFlags(path, None, flags))
        self.keep(host, vm, Observed.SUSPENDED)
        return host, now_ms() - begun

    def _pretended_path(self, host: Host, vm: Vm) -> str:
        """Libvirt's mock driver has no storage for this, but writes a file."""
        spool = self._config.spool
        if spool is None:
            raise CallFailed(f"host {host.name}: there is no folder for saved memory")
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(spool / f"{host.name}-{name_of(*vm)}{SAVED}")

    def _limited(self, host: Host, vm: Vm, work: Callable[[Domain], object]) -> None:
        """Do what libvirt does as a job; where that takes too long, have it broken off."""
        try:
            host.call(lambda connection: work(self.domain(connection, vm, host)), self._config.timing.operation)
        except TookTooLong:
            host.call(lambda connection: self.domain(connection, vm, host).abortJob())
            raise

    def restore(self, host: Host, vm: Vm, command: int) -> Span:
        """Bring a VM back from its saved memory, on the host where that is; return how long that took.

        Raises:
            HostUnavailable, CallFailed: it cannot be done; the memory stays saved.
        """
        standing = self.look(host, vm)
        if standing is None or standing.mark is None:
            raise CallFailed(f"host {host.name}: lease {vm[0]}'s VM {vm[1]} is not there")
        begun = now_ms()
        if standing.active:
            if standing.state is State.PAUSED:
                self.unpause(host, vm)
            self.keep(host, vm, Observed.RUNNING)
            return 0
        if not standing.suspended:
            raise CallFailed(
                f"host {host.name}: lease {vm[0]}'s VM {vm[1]} has no saved memory, it is {standing.says()}"
            )
        saved = standing.mark.saved

        def restore(connection: Connection) -> None:
            if saved:
                domain = self.domain(connection, vm, host)
                xml = None if host.config.pretends else self._moved_xml(connection, domain, saved)
                connection.restoreFlags(saved, xml, 0 if host.config.pretends else SAVE_RUNNING)
            else:
                self.domain(connection, vm, host).createWithFlags(0)
            self._go_on(self.domain(connection, vm, host))

        self.book.note_end(host.number, name_of(*vm), by_host=False)
        with host.heavy:
            host.call(restore, self._config.timing.operation)
            took = now_ms() - begun
            self.mark(host, vm, command)
            self._delete_memory(host, vm, saved)
        self.keep(host, vm, Observed.RUNNING)
        return took

    def _moved_xml(self, connection: Connection, domain: Domain, saved: str) -> str | None:
        """Return the XML that saved memory is to be restored by, where files are elsewhere than when it was saved."""
        kept = connection.saveImageGetXMLDesc(saved, XML_SECURE)
        before, now = files_of(kept), files_of(domain.XMLDesc(XML_INACTIVE | XML_SECURE))
        changed = {path: now[target] for target, path in before.items() if now.get(target, path) != path}
        return with_paths(kept, changed) if changed else None

    def tidy(self, host: Host, vm: Vm, standing: Standing | None) -> None:
        """Delete memory that a running VM was restored from, or could not be saved to: it is of no use any more."""
        mark = standing.mark if standing is not None and standing.state is State.RUNNING else None
        if mark is None or not mark.saved:
            return
        self.mark(host, vm, mark.command)
        self._delete_memory(host, vm, mark.saved)

    def _delete_memory(self, host: Host, vm: Vm, saved: str) -> None:
        if host.config.pretends:
            from pathlib import Path

            if saved:
                Path(saved).unlink(missing_ok=True)
        elif saved:
            self.images.clean(host, *vm, (SAVED,))

    # Pausing -------------------------------------------------------------------------------------------------

    def pause(self, host: Host, vm: Vm) -> Span:
        """Have a VM stand still, in memory; return how long that took."""
        begun = now_ms()
        host.call(lambda connection: self._still(self.domain(connection, vm, host)))
        self.keep(host, vm, Observed.PAUSED)
        return now_ms() - begun

    def _still(self, domain: Domain) -> None:
        if domain.state()[0] != State.PAUSED:
            domain.suspend()

    def unpause(self, host: Host, vm: Vm) -> Span:
        """Have a paused VM go on; return how long that took."""
        begun = now_ms()
        host.call(lambda connection: self._go_on(self.domain(connection, vm, host)))
        self.keep(host, vm, Observed.RUNNING)
        return now_ms() - begun

    def _go_on(self, domain: Domain) -> None:
        if domain.state()[0] == State.PAUSED:
            domain.resume()

    # Ending --------------------------------------------------------------------------------------------------

    def shut_down(self, host: Host, vm: Vm, grace: Span, stopping: threading.Event) -> Span:
        """Ask the guest to shut itself down, end it where it has not within ``grace``, and remove it.

        Raises:
            HostUnavailable, CallFailed: it cannot be done.
        """
        begun = now_ms()
        standing = self.look(host, vm)
        if standing is not None and standing.state is State.RUNNING and grace > 0:
            try:
                host.call(lambda connection: self.domain(connection, vm, host).shutdownFlags(self._how(host)))
            except CallFailed as problem:
                if problem.code not in (NO_DOMAIN, OPERATION_INVALID, NO_SUPPORT):
                    raise
            end = time.monotonic() + grace / SECOND
            while standing is not None and standing.active and time.monotonic() < end:
                stopping.wait(POLL_S)
                standing = self.look(host, vm)
        self.remove(host, vm)
        return now_ms() - begun

    def _how(self, host: Host) -> int:
        return 0 if host.config.pretends else SHUTDOWN_ACPI

    def remove(self, host: Host, vm: Vm) -> Span:
        """End a VM at once, and leave nothing of it on a host: no domain, no disk, no saved memory.

        Raises:
            HostUnavailable, CallFailed: it cannot be done.
        """
        begun = now_ms()
        standing = self.look(host, vm)
        if standing is not None:
            host.call(lambda connection: self._end(self.domain(connection, vm, host)), self._config.timing.operation)
            if host.config.pretends and standing.mark is not None:
                self._delete_memory(host, vm, standing.mark.saved)
        if not host.config.pretends:
            self.images.clean(host, *vm)
        self.book.drop(vm, host.number)
        return now_ms() - begun

    def _end(self, domain: Domain) -> None:
        api = self._api
        persistent = domain.isPersistent()
        if domain.isActive():
            try:
                domain.destroyFlags(0)
            except api.error as problem:
                # It has ended by itself between the two calls.
                if problem.get_error_code() not in (NO_DOMAIN, OPERATION_INVALID):
                    raise
        if not persistent:
            return
        try:
            domain.undefineFlags(_UNDEFINE)
        except api.error as problem:
            if problem.get_error_code() == NO_DOMAIN:
                return
            domain.undefine()

    # Adopting ------------------------------------------------------------------------------------------------

    def adopt(self, host: Host, name: str, vm: Vm) -> None:
        """Make somebody's domain a lease's VM.

        Raises:
            LookupError: there is none of that name that is nobody's yet.
            HostUnavailable, CallFailed: it cannot be done.
        """
        text = Mark(*vm, 0).xml()

        def write(connection: Connection) -> bool:
            found = find(connection, name, self._api)
            if found is None or found[1].mark is not None:
                return False
            domain = found[0]
            if not domain.isPersistent():
                # Or it would be gone with its reason when it ends.
                connection.defineXMLFlags(domain.XMLDesc(XML_INACTIVE | XML_SECURE), 0)
            flags = (AFFECT_LIVE if domain.isActive() else 0) | AFFECT_CONFIG
            domain.setMetadata(METADATA_ELEMENT, text, PREFIX, NAMESPACE, flags)
            return True

        if not host.call(write):
            raise LookupError(f"host {host.name} has no VM {name} that is nobody's")
        self.book.put(vm, host.number, Known(name, Observed.RUNNING))
