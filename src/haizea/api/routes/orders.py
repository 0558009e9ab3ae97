"""Orders: a route for each row of the tables of verbs, all of the same kind.

What is sent says why and whether the order is only to be tried, and what else there is to say. An order that is refused
is a conflict (409) whose ``reason`` is for machines and whose ``remedy`` says what would help.
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from fastapi import Path as InPath

from haizea.api import examples
from haizea.api.facade import Manager
from haizea.api.preconditions import IfMatch, Precondition, Version
from haizea.api.routing import NUMBER_MAX, Asked, Endpoint, Lanes, LeaseNumber, NameInPath, router
from haizea.service.host_orders import HOST_VERBS, HostVerb
from haizea.service.lease_orders import LEASE_VERBS, LeaseVerb
from haizea.service.order_models import OrderIn, OutcomeOut
from haizea.service.scheduling import SCHEDULER_VERBS, SchedulerVerb

VMNumber = Annotated[int, InPath(ge=1, le=NUMBER_MAX, description="The VM's number in the lease, from 1.")]
EXAMPLE: Final[dict[str, Any]] = {
    "done": True,
    "text": "Lease 17 is extended to 2 h in all.",
    "lease": examples.LEASE,
    "affected": [],
    "left": [],
    "notes": [],
}


def order_routes(manager: Manager, lanes: Lanes) -> APIRouter:
    """Return the routes of orders."""
    of_leases = [_of_lease(manager, verb) for verb in LEASE_VERBS]
    of_hosts = [_of_host(manager, verb) for verb in HOST_VERBS]
    of_scheduler = [_of_scheduler(manager, verb) for verb in SCHEDULER_VERBS]
    return router("orders", lanes, [*of_leases, *of_hosts, *of_scheduler])


def _of_lease(manager: Manager, verb: LeaseVerb) -> Endpoint:
    def give(asked: Any, lease: int, body: OrderIn, version: int | None, if_match: str | None, vm: int = 0) -> Any:
        with Precondition(if_match, version).version(lambda: manager.leases.show(asked.who, lease)) as seen:
            return manager.lease_desk.order(asked.who, verb.verb, lease, body, vm=vm, version=seen)

    more = [required("vm", VMNumber)] if verb.of_vm else []
    parameters = [
        required("asked", Asked),
        required("lease", LeaseNumber),
        *more,
        body_of(verb.model),
        optional("version", Version),
        optional("if_match", IfMatch),
    ]
    path = f"/v1/leases/{{lease}}{'/vms/{vm}' if verb.of_vm else ''}/{verb.name}"
    return order_endpoint(path, give, parameters, verb.verb, verb.says)


def _of_host(manager: Manager, verb: HostVerb) -> Endpoint:
    def give(asked: Any, host: str, body: OrderIn) -> Any:
        return manager.host_desk.order(asked.who, verb.verb, host, body)

    parameters = [required("asked", Asked), required("host", NameInPath), body_of(verb.model)]
    return order_endpoint(f"/v1/hosts/{{host}}/{verb.name}", give, parameters, verb.verb, verb.says)


def _of_scheduler(manager: Manager, verb: SchedulerVerb) -> Endpoint:
    def give(asked: Any, body: OrderIn) -> Any:
        return manager.scheduling.order(asked.who, verb.verb, body)

    path = f"/v1/{verb.verb.replace('.', '/')}"
    return order_endpoint(path, give, [required("asked", Asked), body_of(OrderIn)], verb.verb, verb.says)


def order_endpoint(path: str, give: Callable[..., Any], parameters: list[Parameter], verb: str, says: str) -> Endpoint:
    """Return the route of an order, which is called with these parameters."""
    noun, _, name = verb.partition(".")
    function: Any = give
    # The routes are made of it: what a request has to have, and what the document says of it.
    function.__signature__ = Signature(parameters)
    function.__name__ = f"{name}_{noun}"
    function.__doc__ = (
        f"{says}. With `dry_run` nothing is changed, and the answer says what would be; a refusal is the same either "
        "way."
    )
    return Endpoint("POST", path, function, OutcomeOut, says, EXAMPLE)


def body_of(model: type[OrderIn]) -> Parameter:
    """Return the parameter of what is sent; nothing has to be where all of it has a default."""
    if any(field.is_required() for field in model.model_fields.values()):
        return required("body", Annotated[model, Body()])
    return Parameter("body", Parameter.KEYWORD_ONLY, annotation=Annotated[model, Body()], default=model())


def required(name: str, annotation: Any) -> Parameter:
    """Return a parameter that a request must have."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def optional(name: str, annotation: Any) -> Parameter:
    """Return a parameter that a request may have."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=None)
