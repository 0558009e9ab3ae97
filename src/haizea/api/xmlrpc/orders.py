"""The methods that give orders: one for each row of the tables of verbs.

What REST takes as the body is the last parameter, a struct; it may be left out where nothing in it has to be said.
"""

from collections.abc import Callable, Sequence
from typing import Final

from haizea.api.xmlrpc.methods import REQUIRED, Family, Kind, Method, Parameter, Request
from haizea.service.host_orders import HOST_VERBS, HostVerb
from haizea.service.lease_orders import LEASE_VERBS, LeaseVerb
from haizea.service.models import Input
from haizea.service.order_models import AdoptIn, ConfigureIn, HostIn, HostsIn, MaintenanceIn, OrderIn, WhatIfIn
from haizea.service.scheduling import SCHEDULER_VERBS, SchedulerVerb

_ID: Final = Parameter("id", Kind.INT, "the lease's number")
_VM: Final = Parameter("vm", Kind.INT, "the VM's number in the lease, from 1")


def document(model: type[Input]) -> Parameter:
    """Return the parameter that an order's contents are sent as."""
    needed = any(field.is_required() for field in model.model_fields.values())
    return Parameter(
        "document", Kind.STRUCT, f"what there is to say: `{model.__name__}`", model=model,
        default=REQUIRED if needed else {},
    )  # fmt: skip


def _of_lease(verb: LeaseVerb) -> Method:
    def give(request: Request) -> object:
        lease, *vm, given = request.arguments
        return request.manager.lease_desk.order(request.caller, verb.verb, lease, given, vm=vm[0] if vm else 0)

    parameters = (_ID, _VM, document(verb.model)) if verb.of_vm else (_ID, document(verb.model))
    return order_method(f"haizea.{verb.verb}", verb.verb, give, parameters, verb.says)


def order_method(
    name: str, verb: str, give: Callable[[Request], object], parameters: tuple[Parameter, ...], says: str
) -> Method:
    """Return the method of an order."""
    return Method(name, Family.MODERN, give, verb, parameters, "`OutcomeOut`", f"{says}.", loop=True)


def _of_host(verb: HostVerb) -> Method:
    def give(request: Request) -> object:
        host, given = request.arguments
        return request.manager.host_desk.order(request.caller, verb.verb, host, given)

    return order_method(f"haizea.{verb.verb}", verb.verb, give, (_HOST, document(verb.model)), verb.says)


def _of_scheduler(verb: SchedulerVerb) -> Method:
    def give(request: Request) -> object:
        return request.manager.scheduling.order(request.caller, verb.verb, request.arguments[0])

    return order_method(f"haizea.{verb.verb}", verb.verb, give, (document(OrderIn),), verb.says)


def _plan(request: Request) -> object:
    given, window = request.arguments
    return request.manager.host_desk.plan(request.caller, given, window or None)


_HOST: Final = Parameter("host", Kind.STRING, "the host's name or number")
_WINDOW: Final = Parameter("window", Kind.INT, "the maintenance window's number")
_MAINTENANCE: Final = Parameter("document", Kind.STRUCT, "which hosts, when: `MaintenanceIn`", model=MaintenanceIn)
_EVERYTHING: Final = Parameter("everything", Kind.BOOLEAN, "what agrees, too", to="everything", default=False)
_MODERN: Final = Family.MODERN

_CONTROL_METHODS: Final[Sequence[Method]] = (
    Method("haizea.host.add", _MODERN, "host_desk.add", "host.add", (document(HostIn),), "`OutcomeOut`",
           "Add a host.", loop=True),
    Method("haizea.host.remove", _MODERN, "host_desk.remove", "host.remove", (_HOST, document(HostsIn)),
           "`OutcomeOut`", "Remove a host.", loop=True),
    Method("haizea.maintenancepool.info", _MODERN, "host_desk.windows", "host.list", (), "`MaintenancesOut`",
           "List the maintenance windows that are not over.", loop=True),
    Method("haizea.maintenance.plan", _MODERN, _plan, "host.maintain",
           (_MAINTENANCE, _WINDOW._replace(says="the window that is planned anew; 0: a new one", default=0)),
           "`OutcomeOut`", "Plan maintenance of hosts, or plan it anew.", loop=True),
    Method("haizea.maintenance.cancel", _MODERN, "host_desk.end", "host.maintain", (_WINDOW, document(OrderIn)),
           "`OutcomeOut`", "End a maintenance window, or have it not begin.", loop=True),
    Method("haizea.vmpool.info", _MODERN, "vms.list", "lease.show", (_ID,), "`VMsOut`", "List the VMs of a lease."),
    Method("haizea.straypool.info", _MODERN, "vms.strays", "scheduler.diff", (), "`StraysOut`",
           "List the VMs that are no lease's.", loop=True),
    Method("haizea.lease.adopt", _MODERN, "vms.adopt", "lease.adopt", (document(AdoptIn),), "`OutcomeOut`",
           "Take VMs that nobody knows as one lease.", loop=True),
    Method("haizea.scheduler.info", _MODERN, "scheduling.show", "configuration.show", (), "`SchedulerOut`",
           "Show what the scheduler is doing, and by which options.", loop=True),
    Method("haizea.scheduler.configure", _MODERN, "scheduling.configure", "scheduler.configure",
           (document(ConfigureIn),), "`OutcomeOut`",
           "Have the scheduler go by other options until the daemon is restarted.", loop=True),
    Method("haizea.scheduler.diff", _MODERN, "scheduling.diff", "scheduler.diff", (_EVERYTHING,), "`DiffOut`",
           "Show what is desired beside what is observed.", loop=True),
    Method("haizea.scheduler.reconcile", _MODERN, "scheduling.reconcile", "scheduler.reconcile",
           (document(OrderIn),), "`ReconciledOut`", "Compare what is desired with what is, and mend.", loop=True),
    Method("haizea.scheduler.whatif", _MODERN, "what_if.what_if", "scheduler.simulate", (document(WhatIfIn),),
           "`WhatIfOut`", "Try something on a copy of the present schedule.", loop=True),
)  # fmt: skip

# Cancelling has a method of its own, which takes what there is to say as parameters.
ORDER_METHODS: Final[Sequence[Method]] = (
    *(_of_lease(verb) for verb in LEASE_VERBS if verb.name != "cancel"),
    *(_of_host(verb) for verb in HOST_VERBS),
    *(_of_scheduler(verb) for verb in SCHEDULER_VERBS),
    *_CONTROL_METHODS,
)
