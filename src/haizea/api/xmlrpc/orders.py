"""The methods that give orders: one for each row of the tables of verbs.

What REST takes as the body is the last parameter, a struct; it may be left out where nothing in it has to be said.
"""

from collections.abc import Callable, Sequence
from typing import Final

from haizea.api.xmlrpc.methods import REQUIRED, Family, Kind, Method, Parameter, Request
from haizea.service.lease_orders import LEASE_VERBS, LeaseVerb
from haizea.service.order_models import OrderIn

_ID: Final = Parameter("id", Kind.INT, "the lease's number")
_VM: Final = Parameter("vm", Kind.INT, "the VM's number in the lease, from 1")


def document(model: type[OrderIn]) -> Parameter:
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


# Cancelling has a method of its own, which takes what there is to say as parameters.
ORDER_METHODS: Final[Sequence[Method]] = tuple(_of_lease(verb) for verb in LEASE_VERBS if verb.name != "cancel")
