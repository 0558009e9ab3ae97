"""What is used of libvirt, with types: its Python package has none.

The numbers are those of libvirt's stable interface (https://libvirt.org/html/index.html).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from functools import cache
from typing import Final, Protocol, cast


class State(IntEnum):
    """virDomainState."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PMSUSPENDED = 7


class Shutoff(IntEnum):
    """virDomainShutoffReason."""

    UNKNOWN = 0
    SHUTDOWN = 1
    DESTROYED = 2
    CRASHED = 3
    MIGRATED = 4
    SAVED = 5
    FAILED = 6
    FROM_SNAPSHOT = 7
    DAEMON = 8


class Paused(IntEnum):
    """virDomainPausedReason."""

    UNKNOWN = 0
    USER = 1
    MIGRATION = 2
    SAVE = 3
    DUMP = 4
    IOERROR = 5
    WATCHDOG = 6
    FROM_SNAPSHOT = 7
    SHUTTING_DOWN = 8
    SNAPSHOT = 9
    CRASHED = 10
    STARTING_UP = 11
    POSTCOPY = 12
    POSTCOPY_FAILED = 13


class Happened(IntEnum):
    """virDomainEventType."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6
    PMSUSPENDED = 7
    CRASHED = 8


SHUTDOWN_BY_HOST: Final = 2
"""virDomainEventShutdownDetailType: QEMU was told to end by a signal, not by the guest."""

NO_SUPPORT: Final = 3
NO_DOMAIN: Final = 42
NO_STORAGE_POOL: Final = 49
NO_STORAGE_VOL: Final = 50
OPERATION_INVALID: Final = 55

METADATA_ELEMENT: Final = 2
AFFECT_LIVE: Final = 1
AFFECT_CONFIG: Final = 2
XML_SECURE: Final = 1
XML_INACTIVE: Final = 2
XML_MIGRATABLE: Final = 8
UNDEFINE_MANAGED_SAVE: Final = 1
UNDEFINE_SNAPSHOTS: Final = 2
UNDEFINE_NVRAM: Final = 4
UNDEFINE_CHECKPOINTS: Final = 16
SHUTDOWN_ACPI: Final = 1
SAVE_RUNNING: Final = 2
LIFECYCLE: Final = 0
MIGRATE_LIVE: Final = 1
MIGRATE_PERSIST_DEST: Final = 8
MIGRATE_UNDEFINE_SOURCE: Final = 16
MIGRATE_NON_SHARED_INC: Final = 128
MIGRATE_UNSAFE: Final = 512
MIGRATE_ABORT_ON_ERROR: Final = 4096


class Stream(Protocol):
    """virStream."""

    def sendAll(self, handler: Callable[["Stream", int, None], bytes], opaque: None) -> None: ...  # noqa: D102
    def recvAll(self, handler: Callable[["Stream", bytes, None], int], opaque: None) -> None: ...  # noqa: D102
    def finish(self) -> int: ...  # noqa: D102
    def abort(self) -> int: ...  # noqa: D102


class Volume(Protocol):
    """virStorageVol."""

    def name(self) -> str: ...  # noqa: D102
    def path(self) -> str: ...  # noqa: D102
    def info(self) -> Sequence[int]: ...  # noqa: D102
    def delete(self, flags: int = 0) -> int: ...  # noqa: D102
    def upload(self, stream: Stream, offset: int, length: int, flags: int = 0) -> int: ...  # noqa: D102
    def download(self, stream: Stream, offset: int, length: int, flags: int = 0) -> int: ...  # noqa: D102
    def XMLDesc(self, flags: int = 0) -> str: ...  # noqa: D102


class Pool(Protocol):
    """virStoragePool."""

    def isActive(self) -> int: ...  # noqa: D102
    def build(self, flags: int = 0) -> int: ...  # noqa: D102
    def create(self, flags: int = 0) -> int: ...  # noqa: D102
    def setAutostart(self, autostart: int) -> int: ...  # noqa: D102
    def info(self) -> Sequence[int]: ...  # noqa: D102
    def refresh(self, flags: int = 0) -> int: ...  # noqa: D102
    def createXML(self, xml: str, flags: int = 0) -> Volume: ...  # noqa: D102
    def createXMLFrom(self, xml: str, origin: Volume, flags: int = 0) -> Volume: ...  # noqa: D102
    def storageVolLookupByName(self, name: str) -> Volume: ...  # noqa: D102
    def listAllVolumes(self, flags: int = 0) -> Sequence[Volume]: ...  # noqa: D102
    def XMLDesc(self, flags: int = 0) -> str: ...  # noqa: D102


class Domain(Protocol):
    """virDomain."""

    def name(self) -> str: ...  # noqa: D102
    def state(self, flags: int = 0) -> Sequence[int]: ...  # noqa: D102
    def info(self) -> Sequence[int]: ...  # noqa: D102
    def isActive(self) -> int: ...  # noqa: D102
    def isPersistent(self) -> int: ...  # noqa: D102
    def XMLDesc(self, flags: int = 0) -> str: ...  # noqa: D102
    def metadata(self, kind: int, uri: str, flags: int = 0) -> str: ...  # noqa: D102
    def setMetadata(self, kind: int, xml: str, key: str, uri: str, flags: int = 0) -> int: ...  # noqa: D102
    def createWithFlags(self, flags: int = 0) -> int: ...  # noqa: D102
    def suspend(self) -> int: ...  # noqa: D102
    def resume(self) -> int: ...  # noqa: D102
    def shutdownFlags(self, flags: int = 0) -> int: ...  # noqa: D102
    def destroyFlags(self, flags: int = 0) -> int: ...  # noqa: D102
    def undefineFlags(self, flags: int = 0) -> int: ...  # noqa: D102
    def undefine(self) -> int: ...  # noqa: D102
    def saveFlags(self, to: str, xml: str | None, flags: int = 0) -> int: ...  # noqa: D102
    def managedSave(self, flags: int = 0) -> int: ...  # noqa: D102
    def hasManagedSaveImage(self, flags: int = 0) -> int: ...  # noqa: D102
    def managedSaveGetXMLDesc(self, flags: int = 0) -> str: ...  # noqa: D102
    def managedSaveRemove(self, flags: int = 0) -> int: ...  # noqa: D102
    def abortJob(self) -> int: ...  # noqa: D102
    def migrate3(  # noqa: D102
        self, destination: "Connection", parameters: Mapping[str, str | int], flags: int = 0
    ) -> "Domain": ...


LifecycleCallback = Callable[["Connection", Domain, int, int, None], None]
CloseCallback = Callable[["Connection", int, None], None]


class Connection(Protocol):
    """virConnect."""

    def close(self) -> int: ...  # noqa: D102
    def isAlive(self) -> int: ...  # noqa: D102
    def getInfo(self) -> Sequence[str | int]: ...  # noqa: D102
    def getMemoryStats(self, cell: int, flags: int = 0) -> Mapping[str, int]: ...  # noqa: D102
    def getCapabilities(self) -> str: ...  # noqa: D102
    def getLibVersion(self) -> int: ...  # noqa: D102
    def setKeepAlive(self, interval: int, count: int) -> int: ...  # noqa: D102
    def registerCloseCallback(self, callback: CloseCallback, opaque: None) -> int: ...  # noqa: D102
    def unregisterCloseCallback(self) -> int: ...  # noqa: D102
    def domainEventRegisterAny(  # noqa: D102
        self, domain: None, kind: int, callback: LifecycleCallback, opaque: None
    ) -> int: ...
    def domainEventDeregisterAny(self, number: int) -> int: ...  # noqa: D102
    def listAllDomains(self, flags: int = 0) -> Sequence[Domain]: ...  # noqa: D102
    def lookupByName(self, name: str) -> Domain: ...  # noqa: D102
    def defineXMLFlags(self, xml: str, flags: int = 0) -> Domain: ...  # noqa: D102
    def restoreFlags(self, origin: str, xml: str | None, flags: int = 0) -> int: ...  # noqa: D102
    def saveImageGetXMLDesc(self, file: str, flags: int = 0) -> str: ...  # noqa: D102
    def storagePoolLookupByName(self, name: str) -> Pool: ...  # noqa: D102
    def storagePoolDefineXML(self, xml: str, flags: int = 0) -> Pool: ...  # noqa: D102
    def newStream(self, flags: int = 0) -> Stream: ...  # noqa: D102


class LibvirtError(Exception):
    """What libvirt raises, as far as it is looked at."""

    def get_error_code(self) -> int:
        """Return virErrorNumber."""
        raise NotImplementedError


class Api(Protocol):
    """The package's functions."""

    def open(self, uri: str) -> Connection: ...  # noqa: D102

    @property
    def error(self) -> type[LibvirtError]:  # noqa: D102
        ...


class NoLibvirt(Exception):
    """The package is not installed."""


class _Package:
    """The package itself."""

    def __init__(self) -> None:
        try:
            import libvirt
        except ImportError as problem:
            raise NoLibvirt(
                "the Python package libvirt-python is not installed: install Haizea with its extra 'libvirt' "
                "(it is built against libvirt's own headers; docs/admin/libvirt.md)"
            ) from problem
        self._libvirt = libvirt
        self.error = cast("type[LibvirtError]", libvirt.libvirtError)
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._run, name="libvirt-events", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._libvirt.virEventRunDefaultImpl()

    def open(self, uri: str) -> Connection:
        return cast("Connection", self._libvirt.open(uri))


@cache
def load() -> Api:
    """Return libvirt. It has one loop for events in a process, which runs from the first call on.

    Raises:
        NoLibvirt: it is not installed.
    """
    return _Package()
