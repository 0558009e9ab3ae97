"""The methods of Haizea 1.x, under their names, with their parameters and answers.

Two differences are meant: ``get_lease`` gives the lease, where the original gave 0, and ``notify_event`` is heeded.
"""

from collections.abc import Sequence
from typing import Final

from haizea.api.xmlrpc.methods import Family, Kind, Method, Parameter, Request
from haizea.model.events import Observed
from haizea.model.resources import CPU, MEMORY
from haizea.service.errors import Invalid
from haizea.service.models import HostsOut

END_OF_VM: Final = 0
"""The one event that Haizea 1.x knew: a VM ended before its time."""

ALL_VMS: Final = 0

_ID: Final = Parameter("id", Kind.INT, "the lease's number")


def _hosts(hosts: HostsOut) -> list[dict[str, object]]:
    return [
        {"id": host.id, "hostname": host.name, "cpu": host.capacity.get(CPU, 0), "mem": host.capacity.get(MEMORY, 0)}
        for host in hosts.items
    ]


def _notify(request: Request) -> int:
    lease, _, event = request.arguments
    if event != END_OF_VM:
        raise Invalid(f"event {event} is not known", remedy=f"Send {END_OF_VM}: the lease's VMs have ended.")
    # The original ended the lease, whichever of its VMs the platform's number stood for.
    request.manager.leases.observed(request.caller, lease, ALL_VMS, Observed.GUEST_SHUTDOWN)
    return 0


LEGACY_METHODS: Final[Sequence[Method]] = (
    Method(
        "create_lease", Family.LEGACY, "leases.request_xml", "lease.request",
        (Parameter("xml", Kind.STRING, "the `lease` element"),),
        "the lease's number, also where it was refused: then its state is 2",
        "Request a lease.", "int", answers=lambda lease: lease.id, loop=True,
    ),
    Method(
        "cancel_lease", Family.LEGACY, "leases.cancel", "lease.cancel", (_ID,), "0",
        "Cancel a lease.", "int", answers=lambda _: 0, loop=True,
    ),
    Method(
        "get_leases", Family.LEGACY, "leases.list_xml", "lease.list", (),
        "a `lease` element, as text, for each lease that is not over",
        "List the leases that are not over.",
    ),
    Method(
        "get_lease", Family.LEGACY, "leases.xml", "lease.show", (_ID,), "its `lease` element, as text",
        "Show a lease.", "string",
    ),
    Method(
        "get_queue", Family.LEGACY, "planning.queue_xml", "queue.show", (),
        "a `lease` element, as text, for each lease in the queue, in order",
        "Show the queue.", loop=True,
    ),
    Method(
        "get_hosts", Family.LEGACY, "hosts.list", "host.list", (),
        "a struct for each host: `id`, `hostname`, `cpu` in percent of a core, `mem` in MiB",
        "List the hosts.", answers=_hosts, loop=True,
    ),
    Method(
        "notify_event", Family.LEGACY, _notify, "lease.observed",
        (
            Parameter("lease_id", Kind.INT, "the lease's number"),
            Parameter("enactment_id", Kind.STRING, "the platform's number of the VM; of no consequence", default=""),
            Parameter("event", Kind.INT, "0: a VM of the lease ended before its time", default=END_OF_VM),
        ),
        "0", "Tell that something happened to a lease.", "int", loop=True,
    ),
    Method("test_func", Family.LEGACY, lambda _: 0, "", (), "0", "Test whether somebody answers.", "int"),
)  # fmt: skip
