"""Bringing a VM to another host: its saved memory and disk while it is suspended, or the VM itself while it runs."""

from contextlib import suppress
from typing import Final

from haizea.backends.libvirt.book import Vm
from haizea.backends.libvirt.config import LibvirtConfig
from haizea.backends.libvirt.connection import CallFailed, Host, HostUnavailable, TookTooLong, now_ms
from haizea.backends.libvirt.domains import Disk, files_of, name_of, with_paths
from haizea.backends.libvirt.facade import (
    MIGRATE_ABORT_ON_ERROR,
    MIGRATE_LIVE,
    MIGRATE_NON_SHARED_INC,
    MIGRATE_PERSIST_DEST,
    MIGRATE_UNDEFINE_SOURCE,
    MIGRATE_UNSAFE,
    XML_INACTIVE,
    XML_MIGRATABLE,
    XML_SECURE,
    Connection,
)
from haizea.backends.libvirt.images import DISK, SAVED, SEED
from haizea.backends.libvirt.operations import Operations, Wanted
from haizea.backends.libvirt.watching import Standing
from haizea.model.events import Observed
from haizea.model.resources import DISK as DISK_SPACE
from haizea.model.units import Span

_URI: Final = "migrate_uri"
_DISKS_URI: Final = "disks_uri"
_XML: Final = "destination_xml"
_PERSISTENT_XML: Final = "persistent_xml"


class Moving:
    """Moves VMs between hosts."""

    def __init__(self, operations: Operations, config: LibvirtConfig) -> None:
        self._operations = operations
        self._images = operations.images
        self._config = config

    def resume(self, target: Host, vm: Vm, command: int, wanted: Wanted | None) -> Span:
        """Bring a VM back on a host, wherever its saved memory is; return how long that took.

        Raises:
            HostUnavailable, CallFailed, ImageRefused: it cannot be done.
        """
        found = self._operations.where(vm, target)
        if found is None:
            raise CallFailed(f"lease {vm[0]}'s VM {vm[1]} is nowhere")
        source, standing = found
        if source.number == target.number:
            return self._operations.restore(target, vm, command)
        if standing.active:
            return self._live(source, target, vm, command, wanted)
        begun = now_ms()
        self._cold(source, target, vm, command, standing, wanted)
        self._operations.restore(target, vm, command)
        return now_ms() - begun

    def migrate(self, target: Host, vm: Vm, command: int, wanted: Wanted | None) -> Span:
        """Bring a VM to a host, running where it runs, suspended where it is suspended; return how long that took.

        Raises:
            HostUnavailable, CallFailed, ImageRefused: it cannot be done; the VM stays where it was.
        """
        found = self._operations.where(vm, target)
        if found is None:
            raise CallFailed(f"lease {vm[0]}'s VM {vm[1]} is nowhere")
        source, standing = found
        if source.number == target.number:
            return 0
        if standing.active:
            return self._live(source, target, vm, command, wanted)
        begun = now_ms()
        self._cold(source, target, vm, command, standing, wanted)
        return now_ms() - begun

    def _cold(
        self, source: Host, target: Host, vm: Vm, command: int, standing: Standing, wanted: Wanted | None
    ) -> None:
        """Move what a suspended VM consists of."""
        operations, images = self._operations, self._images
        if not standing.suspended or standing.mark is None:
            raise CallFailed(
                f"host {source.name}: lease {vm[0]}'s VM {vm[1]} has no saved memory to move, it is {standing.says()}"
            )
        saved = standing.mark.saved
        if not saved:
            raise CallFailed(
                f"host {source.name}: lease {vm[0]}'s VM {vm[1]} was saved by libvirt for this host alone; "
                "to move it, memory must be saved to files (libvirt.suspend-to)"
            )
        xml = source.call(lambda c: operations.domain(c, vm, source).XMLDesc(XML_INACTIVE | XML_SECURE))
        if self._config.shared:
            paths: dict[str, str] = {}
            there = saved
        else:
            paths = self._disks(source, target, vm, xml, wanted)
            there = images.move(source, target, name_of(*vm) + SAVED)[1]
        new = with_paths(xml, paths)
        target.call(lambda c: c.defineXMLFlags(new, 0))
        operations.mark(target, vm, command, there)
        operations.keep(target, vm, Observed.SUSPENDED)
        self._leave(source, vm)

    def _disks(self, source: Host, target: Host, vm: Vm, xml: str, wanted: Wanted | None) -> dict[str, str]:
        """Copy a VM's own disks, and have the image below them at the target; return what is where: old path to new."""
        files, images = files_of(xml), self._images
        paths: dict[str, str] = {}
        if "backing" in files:
            if wanted is None or wanted.image is None:
                raise CallFailed(f"nothing is known of the image of lease {vm[0]}'s VM {vm[1]}")
            image = images.bring(target, wanted.image, lambda _permille: None, anew=False)
            if image.path.rpartition("/")[2] != files["backing"].rpartition("/")[2]:
                raise CallFailed(
                    f"host {target.name} has another version of the image {wanted.image.id} than the one below "
                    f"the disk of lease {vm[0]}'s VM {vm[1]}"
                )
            paths[files["backing"]] = image.path
        for ending in (DISK, SEED):
            name = name_of(*vm) + ending
            if any(path.endswith("/" + name) for path in files.values()):
                old, new = images.move(source, target, name)
                paths[old] = new
        return paths

    def _leave(self, source: Host, vm: Vm) -> None:
        """Remove what has been moved away: the domain, and its files where they are not shared."""

        def undefine(connection: Connection) -> None:
            self._operations.domain(connection, vm, source).undefineFlags(0)

        source.call(undefine)
        if not self._config.shared:
            self._images.clean(source, *vm)
        self._operations.book.drop(vm, source.number)

    # Running VMs ---------------------------------------------------------------------------------------------

    def _live(self, source: Host, target: Host, vm: Vm, command: int, wanted: Wanted | None) -> Span:
        """Move a VM while it runs; its disks too, where hosts share no storage."""
        operations, book = self._operations, self._operations.book
        begun = now_ms()
        name = name_of(*vm)
        known = book.get(vm, source.number)
        if known is not None:
            name = known.name
        parameters: dict[str, str | int] = {}
        if target.config.migration:
            parameters[_URI] = target.config.migration.replace("{name}", name)
        flags = MIGRATE_LIVE | MIGRATE_PERSIST_DEST | MIGRATE_UNDEFINE_SOURCE | MIGRATE_ABORT_ON_ERROR
        if self._config.shared:
            # libvirt knows only some kinds of shared storage; that this is one, and not cached, is known here.
            flags |= MIGRATE_UNSAFE
        else:
            flags |= self._prepare(source, target, vm, wanted, parameters, name)
        with source.heavy:
            try:
                self._send(source, target, vm, parameters, flags)
            except BaseException:
                if not self._config.shared:
                    with suppress(CallFailed, HostUnavailable):
                        self._images.clean(target, *vm)
                raise
        book.note_end(target.number, name, by_host=False)
        operations.keep(target, vm, Observed.RUNNING)
        operations.mark(target, vm, command)
        book.drop(vm, source.number)
        if not self._config.shared:
            self._images.clean(source, *vm)
        return now_ms() - begun

    def _send(self, source: Host, target: Host, vm: Vm, parameters: dict[str, str | int], flags: int) -> None:
        operations = self._operations

        def send(here: Connection) -> None:
            domain = operations.domain(here, vm, source)
            # The other connection is only spoken to from here, within this call's limit.
            target.call(lambda there: domain.migrate3(there, parameters, flags), self._config.timing.operation)

        try:
            source.call(send, self._config.timing.operation)
        except TookTooLong:
            source.call(lambda connection: operations.domain(connection, vm, source).abortJob())
            raise

    def _prepare(
        self,
        source: Host,
        target: Host,
        vm: Vm,
        wanted: Wanted | None,
        parameters: dict[str, str | int],
        name: str,
    ) -> int:
        """Make room for a VM's disks at the target; return the flags to copy them by."""
        operations, images = self._operations, self._images
        live = source.call(lambda c: operations.domain(c, vm, source).XMLDesc(XML_SECURE | XML_MIGRATABLE))
        lasting = source.call(lambda c: operations.domain(c, vm, source).XMLDesc(XML_SECURE | XML_INACTIVE))
        files = files_of(lasting)
        disk = next((path for path in files.values() if path.endswith("/" + name_of(*vm) + DISK)), None)
        if disk is None:
            return 0
        if "backing" not in files or wanted is None or wanted.image is None:
            raise CallFailed(
                f"host {source.name}: lease {vm[0]}'s VM {vm[1]} runs from a disk of its own, which cannot be moved "
                "with it while it runs; hosts would have to share storage (libvirt.shared-storage)"
            )
        image = images.bring(target, wanted.image, lambda _permille: None, anew=False)
        made: Disk = images.disk(target, *vm, image, wanted.demand[DISK_SPACE])
        paths = {disk: made.path, files["backing"]: image.path}
        seed = next((path for path in files.values() if path.endswith(SEED)), None)
        if seed is not None:
            paths[seed] = images.move(source, target, name_of(*vm) + SEED)[1]
        parameters[_XML] = with_paths(live, paths)
        parameters[_PERSISTENT_XML] = with_paths(lasting, paths)
        where = str(parameters.get(_URI, ""))
        if where.startswith("unix:"):
            # Disks go by a socket of their own; without one, libvirt would choose a port.
            parameters[_DISKS_URI] = where + ".disks"
        return MIGRATE_NON_SHARED_INC
