"""VMs found in OpenNebula, made requests for leases; and what became of them written back, for ``onevm show`` to tell.

A VM that asks becomes a VM of a lease: the lease's extra values name it, and its user template says which lease it is.
Nothing else needs to be remembered, so that a daemon that was killed goes on, here or elsewhere.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

from pydantic import ValidationError

from haizea.backends.opennebula.belonging import COMMAND, LEASE, VM, VMS, number_said, numbers
from haizea.backends.opennebula.client import Client, OneError, OneUnreachable
from haizea.backends.opennebula.errands import Key
from haizea.backends.opennebula.platform import OpenNebulaPlatform, Snapshot
from haizea.backends.opennebula.pools import Machine
from haizea.backends.opennebula.requests import (
    END,
    REASON,
    REJECTED,
    START,
    STATE,
    Request,
    find,
    lacking,
    node_sets,
)
from haizea.backends.opennebula.states import HOLD, PENDING, Place, look
from haizea.config.settings import Opennebula
from haizea.model.lease import FINAL_STATES
from haizea.model.units import SECOND
from haizea.runtime.ports import PlatformUnavailable
from haizea.runtime.store import StoreError
from haizea.service.errors import ServiceError, Unavailable
from haizea.service.manager import Manager
from haizea.service.models import LeaseOut, LeaseRequestIn
from haizea.service.principal import Principal, Role
from haizea.service.validation import fault_of

WHO: Final = Principal("opennebula", Role.ADMIN, via="opennebula", key="opennebula")
PAGE: Final = 1_000
WRITES_MAX: Final = 200
"""So many VMs are written on in one round; the others follow in the next."""

_FINAL: Final = frozenset(state.label for state in FINAL_STATES)
_BEGUN: Final = frozenset({"active", "suspending", "resuming", "migrating", "paused"})
_LATER: Final = (PlatformUnavailable, StoreError, Unavailable, OneError, OneUnreachable)


class Intake:
    """Takes VMs in, and writes back, in a thread of its own."""

    def __init__(
        self,
        platform: OpenNebulaPlatform,
        client: Client,
        manager: Manager,
        settings: Opennebula,
        zone: tzinfo,
        warn: Callable[[str], None],
    ) -> None:
        """``zone`` is what times without one are in."""
        self._platform = platform
        self._client = client
        self._manager = manager
        self._settings = settings
        self._zone = zone
        self._warn = warn
        self._over: dict[int, LeaseOut] = {}
        self._missing: set[int] = set()
        self._taken: dict[int, float] = {}
        self._troubled = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="haizea-intake", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(max(0.05, self._settings.poll_interval / SECOND)):
            try:
                self.round()
            except _LATER as problem:
                if not self._troubled:
                    self._warn(f"VMs of OpenNebula cannot be taken in or written on, it is tried again: {problem}")
                self._troubled = True
            except Exception as problem:
                # One VM that nobody has thought of must not keep all others from being taken in for ever.
                self._warn(f"taking in VMs of OpenNebula has failed, it is tried again: {problem!r}")
            else:
                self._troubled = False

    def round(self) -> None:
        """Look once: take in who asks, cancel leases whose VMs are gone, write back what became of the others."""
        snapshot = self._platform.snapshot()
        leases = self._active()
        if time.monotonic() - snapshot.at < 2 * max(1.0, self._settings.poll_interval / SECOND):
            self._cancel_gone(snapshot, leases)
        self._write_back(snapshot, leases)
        claimed = self._claimed(snapshot, leases)
        found = find(
            [vm for vm in snapshot.vms.values() if vm.id not in claimed],
            int(time.time()),
            self._platform.owner,
            without=self._settings.without_attribute == "immediate",
            group_wait=-(-self._settings.group_wait // SECOND),
        )
        for request in found.requests:
            self._take(request)

    def _claimed(self, snapshot: Snapshot, leases: Mapping[int, LeaseOut]) -> set[int]:
        """Return the VMs that are a lease's, or were taken in after this look; those that do not say so yet are told.

        Leases are asked for after the look, and so know of everything that was taken in before it.
        """
        self._taken = {number: at for number, at in self._taken.items() if at >= snapshot.at}
        claimed = set(self._taken)
        for lease in leases.values():
            for number, each in enumerate(numbers(lease.extra.get(VMS, "")), 1):
                vm = snapshot.vms.get(each)
                if vm is None or self._platform.owner(vm) != lease.owner:
                    continue
                claimed.add(each)
                if number_said(vm, LEASE) != lease.id and each not in self._taken:
                    self._client.annotate(each, {LEASE: str(lease.id), VM: str(number), COMMAND: "0", **_words(lease)})
        return claimed

    # Requests ------------------------------------------------------------------------------------------------

    def _take(self, request: Request) -> None:
        """Request a lease for VMs, and write on them what became of it."""
        try:
            self._ask(request)
        finally:
            now = time.monotonic()
            self._taken.update((vm.id, now) for vm in request.vms)

    def _ask(self, request: Request) -> None:
        by_cores = self._settings.cpu == "vcpu"
        wrong = request.wrong or lacking(request.vms, by_cores=by_cores)
        if wrong:
            self._reject(request.vms, 0, wrong)
            return
        try:
            asked = self._asked(request, by_cores=by_cores)
            lease = self._manager.leases.request(self._who(request), asked, key=request.key())
        except Unavailable:
            raise
        except ValidationError as problem:
            first = fault_of(problem.errors(include_url=False, include_input=False)[0])
            self._reject(request.vms, 0, f"HAIZEA: {first.field}: {first.detail}")
        except (ServiceError, ValueError) as problem:
            self._reject(request.vms, 0, str(problem))
        else:
            self._welcome(request, lease)

    def _asked(self, request: Request, *, by_cores: bool) -> LeaseRequestIn:
        wish = request.wish
        return LeaseRequestIn.model_validate(
            {
                "nodes": [
                    {"count": count, "resources": dict(demand.items())}
                    for count, demand in node_sets(request.vms, by_cores=by_cores)
                ],
                "duration": wish.duration,
                "start": self._instant(wish.start, request.submitted),
                "deadline": self._instant(wish.deadline, request.submitted),
                "preemptible": wish.preemptible,
                "name": request.label or request.vms[0].name[:128],
                "group": request.group,
                "extra": {VMS: ",".join(str(vm.id) for vm in request.vms)},
            }
        )

    def _instant(self, given: str | None, submitted: int) -> str | None:
        """Write an instant so that it says the same whenever it is read: with its zone, and not relative."""
        if given is None or given.strip().lower() == "now":
            return given
        text = given.strip()
        if text.startswith("+"):
            from haizea.service.instants import iso
            from haizea.workloads.times import parse_span

            return iso(submitted * SECOND + parse_span(text))
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)).isoformat()

    def _who(self, request: Request) -> Principal:
        """Return whom a request comes from: OpenNebula has let them in, and knows their group.

        Raises:
            ServiceError: Haizea knows that user, who is disabled here.
        """
        accounts = self._manager.accounts
        if any(user.name == request.owner and user.disabled for user in accounts.users(WHO)):
            accounts.by_name(request.owner)
        return Principal(request.owner, Role.USER, (request.group,), via="opennebula", key=f"one:{request.owner}")

    def _welcome(self, request: Request, lease: LeaseOut) -> None:
        for number, vm in enumerate(request.vms, 1):
            said = {LEASE: str(lease.id), VM: str(number), COMMAND: "0", **_words(lease)}
            self._client.annotate(vm.id, said)
        if lease.state == REJECTED:
            self._put_aside(request.vms)
        self._platform.wake()

    def _reject(self, vms: Sequence[Machine], lease: int, reason: str) -> None:
        for vm in vms:
            self._client.annotate(vm.id, {LEASE: str(lease), STATE: REJECTED, START: "", END: "", REASON: reason})
        self._put_aside(vms)

    def _put_aside(self, vms: Sequence[Machine]) -> None:
        """Hold VMs whose request was rejected, or terminate them, as configured."""
        for vm in vms:
            if self._settings.rejected == "terminate":
                self._client.act(vm.id, "terminate-hard")
            elif vm.state == PENDING:
                self._client.act(vm.id, "hold")

    # What became of them -------------------------------------------------------------------------------------

    def _active(self) -> dict[int, LeaseOut]:
        found: dict[int, LeaseOut] = {}
        while True:
            page = self._manager.leases.list(WHO, active=True, limit=PAGE, offset=len(found))
            found.update((lease.id, lease) for lease in page.items)
            if len(page.items) < PAGE:
                return found

    def _cancel_gone(self, snapshot: Snapshot, leases: Mapping[int, LeaseOut]) -> None:
        """Cancel leases that have not begun and whose VMs somebody has terminated in OpenNebula.

        Where VMs run, the scheduler hears of it as of anything that happens to a VM.
        """
        missing = set()
        for lease in leases.values():
            ids = numbers(lease.extra.get(VMS, ""))
            gone = [number for number in ids if number not in snapshot.vms]
            if not gone or lease.state in _BEGUN:
                continue
            missing.add(lease.id)
            if lease.id in self._missing:
                self._manager.leases.cancel(WHO, lease.id, reason=f"VM {gone[0]} is not in OpenNebula any more")
        self._missing = missing

    def _write_back(self, snapshot: Snapshot, leases: Mapping[int, LeaseOut]) -> None:
        written = 0
        for key, vm in snapshot.leases.items():
            lease = leases.get(key[0]) or self._ended(key[0])
            if lease is None:
                continue
            if lease.state in _FINAL and self._clear_away(key, vm, lease):
                continue
            if self._platform.busy_with(key):
                # Writing takes oned as long as doing, and something is to be done.
                continue
            words = _words(lease)
            if any(vm.said.get(name, "") != said for name, said in words.items()) and written < WRITES_MAX:
                written += 1
                self._client.annotate(vm.id, words)

    def _ended(self, number: int) -> LeaseOut | None:
        known = self._over.get(number)
        if known is None:
            known = self._manager.leases.show(WHO, number)
            if known.state in _FINAL:
                if len(self._over) >= 10 * PAGE:
                    self._over.clear()
                self._over[number] = known
        return known

    def _clear_away(self, key: Key, vm: Machine, lease: LeaseOut) -> bool:
        """See to a VM whose lease is over and that no command is about; say whether it is gone now."""
        if self._platform.busy_with(key) or number_said(vm, LEASE) != lease.id:
            return False
        if lease.state in (REJECTED, "rejected-by-user", "failed") and vm.state in (PENDING, HOLD):
            if vm.state == PENDING and vm.said.get(STATE) == REJECTED:
                # Its owner has released it: it is asked for again.
                return True
            if vm.state == PENDING or self._settings.rejected == "terminate":
                self._client.annotate(vm.id, _words(lease))
                self._put_aside([vm])
            return False
        if look(vm).place in (Place.RUNNING, Place.MOVING, Place.UNKNOWN):
            # The scheduler's own comparison of what is with what should be sees to those.
            return False
        self._client.annotate(vm.id, _words(lease))
        self._client.act(vm.id, "terminate-hard")
        return True


def _words(lease: LeaseOut) -> dict[str, str]:
    """Return what a VM's user template says of its lease."""
    state = REJECTED if lease.state == "rejected-by-user" else lease.state
    reason = "" if lease.reason is None else lease.reason.text[:1_000]
    return {STATE: state, START: lease.starts or "", END: lease.ends or "", REASON: reason}
