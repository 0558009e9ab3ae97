"""What libvirt shows of a domain, and what that means: the table of states and reasons, in one place.

A guest that turned itself off, one that crashed, and one that somebody on the host has ended are three things.
"""

from typing import Final, NamedTuple

from haizea.backends.libvirt.domains import NAMESPACE, Mark, read_mark
from haizea.backends.libvirt.facade import (
    METADATA_ELEMENT,
    NO_DOMAIN,
    NO_SUPPORT,
    Api,
    Connection,
    Domain,
    Paused,
    Shutoff,
    State,
)
from haizea.model.events import Observed

_S, _O = State, Observed

BY_STATE: Final[dict[State, Observed | None]] = {
    _S.NOSTATE: _O.UNKNOWN,
    _S.RUNNING: _O.RUNNING,
    _S.BLOCKED: _O.RUNNING,
    _S.SHUTDOWN: None,
    _S.CRASHED: _O.CRASHED,
    _S.PMSUSPENDED: _O.PAUSED,
}
"""What a state means whatever the reason; None is one that passes, and nothing is said of it."""

BY_PAUSE: Final[dict[Paused, Observed | None]] = {
    Paused.UNKNOWN: _O.PAUSED,
    Paused.USER: _O.PAUSED,
    Paused.MIGRATION: None,
    Paused.SAVE: None,
    Paused.DUMP: None,
    Paused.IOERROR: _O.UNKNOWN,
    Paused.WATCHDOG: _O.CRASHED,
    Paused.FROM_SNAPSHOT: None,
    Paused.SHUTTING_DOWN: None,
    Paused.SNAPSHOT: None,
    Paused.CRASHED: _O.CRASHED,
    Paused.STARTING_UP: None,
    Paused.POSTCOPY: None,
    Paused.POSTCOPY_FAILED: _O.UNKNOWN,
}
"""What it means that a VM stands still."""

BY_SHUTOFF: Final[dict[Shutoff, Observed | None]] = {
    # After a restart of libvirtd nothing else is known; a VM that still ran is found running, so this one is gone.
    Shutoff.UNKNOWN: _O.VANISHED,
    Shutoff.SHUTDOWN: _O.GUEST_SHUTDOWN,
    Shutoff.DESTROYED: _O.STOPPED,
    Shutoff.CRASHED: _O.CRASHED,
    Shutoff.MIGRATED: None,
    Shutoff.SAVED: _O.SUSPENDED,
    Shutoff.FAILED: _O.CRASHED,
    Shutoff.FROM_SNAPSHOT: _O.STOPPED,
    Shutoff.DAEMON: _O.VANISHED,
}
"""What it means that a VM does not run."""

_MEMORY_KEPT: Final = frozenset({Shutoff.UNKNOWN, Shutoff.SAVED, Shutoff.FAILED, Shutoff.DAEMON})
"""A VM that is off for one of these reasons can be restored, where its memory was saved completely."""


class Standing(NamedTuple):
    """A domain as it is: ``mark`` is None where it is no lease's VM, ``reason`` libvirt's number."""

    name: str
    state: State
    reason: int
    mark: Mark | None
    kept: bool
    persistent: bool = True

    @property
    def active(self) -> bool:
        """Whether it takes up room on its host."""
        return self.state is not State.SHUTOFF

    @property
    def suspended(self) -> bool:
        """Whether its memory was saved, completely, and it was not started since."""
        return self.state is State.SHUTOFF and self.kept and self.reason in _MEMORY_KEPT

    def observed(self, ended_by_host: bool = False) -> Observed | None:
        """Return what it is to those who do not know libvirt; None while it is on its way to something else.

        ``ended_by_host``: the last thing heard of it was that somebody told QEMU to end.
        """
        if self.state is State.PAUSED:
            return BY_PAUSE.get(_paused(self.reason), _O.PAUSED)
        if self.state is not State.SHUTOFF:
            return BY_STATE[self.state]
        if self.suspended:
            return _O.SUSPENDED
        if self.reason == Shutoff.SHUTDOWN and ended_by_host:
            return _O.STOPPED
        return BY_SHUTOFF.get(_shutoff(self.reason), _O.UNKNOWN)

    def says(self) -> str:
        """Return its state in words."""
        if self.suspended:
            return "suspended"
        if self.state is State.SHUTOFF:
            return f"off ({_shutoff(self.reason).name.lower().replace('_', ' ')})"
        return self.state.name.lower()


def _paused(reason: int) -> Paused:
    return Paused(reason) if reason in Paused.__members__.values() else Paused.UNKNOWN


def _shutoff(reason: int) -> Shutoff:
    return Shutoff(reason) if reason in Shutoff.__members__.values() else Shutoff.UNKNOWN


def _kept(connection: Connection, domain: Domain, mark: Mark, reason: int, api: Api) -> bool:
    """Whether a VM's memory is saved, and whole: libvirtd may have been killed while it was being written."""
    try:
        if mark.saved:
            if reason not in (Shutoff.SAVED, Shutoff.FAILED):
                connection.saveImageGetXMLDesc(mark.saved, 0)
            return True
        if not domain.hasManagedSaveImage():
            return False
        domain.managedSaveGetXMLDesc(0)
    except api.error as problem:
        # The mock driver cannot say, and is never killed.
        return problem.get_error_code() == NO_SUPPORT
    return True


def stand(connection: Connection, domain: Domain, api: Api) -> Standing:
    """Look at a domain. For use within a call to its host."""
    state, reason = domain.state()[:2]
    try:
        mark = read_mark(domain.metadata(METADATA_ELEMENT, NAMESPACE))
    except api.error as problem:
        # It has no metadata of ours, or has just gone.
        if problem.get_error_code() == NO_DOMAIN:
            raise
        mark = None
    known = State(state) if state in State.__members__.values() else State.NOSTATE
    kept = False
    if mark is not None and known is State.SHUTOFF:
        kept = _kept(connection, domain, mark, reason, api)
    return Standing(domain.name(), known, reason, mark, kept, bool(domain.isPersistent()))


def find(connection: Connection, name: str, api: Api) -> tuple[Domain, Standing] | None:
    """Look for a domain by its name. For use within a call to its host."""
    try:
        domain = connection.lookupByName(name)
        return domain, stand(connection, domain, api)
    except api.error as problem:
        if problem.get_error_code() == NO_DOMAIN:
            return None
        raise


def everything(connection: Connection, api: Api) -> list[Standing]:
    """Look at all domains of a host. For use within a call to it."""
    found = []
    for domain in connection.listAllDomains():
        try:
            found.append(stand(connection, domain, api))
        except api.error as problem:
            if problem.get_error_code() != NO_DOMAIN:
                raise
    return found
