"""Finding policies by name: the built-in ones, those that installed packages offer, and ``module:Class``.

This is the one module of the package that reaches outside, because loading a policy that a user wrote means
importing it. Everything is imported at the moment it is needed: a run with built-in policies loads only those.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, overload

from haizea.policy.protocols import (
    AdmissionPolicy,
    HostOrder,
    HostSelectionPolicy,
    PolicyContext,
    PolicyError,
    PreemptionPolicy,
    PricingPolicy,
    QueueOrder,
    QueuePolicy,
)

__all__ = ["KINDS", "PolicyContext", "PolicyError", "PolicyInfo", "available", "resolve", "settings_for"]


class PolicyInfo(NamedTuple):
    """A policy that can be named in the configuration.

    ``source`` is ``built-in``, or the package that offers it. ``description`` is one sentence.
    """

    kind: str
    name: str
    aliases: tuple[str, ...]
    description: str
    source: str


class _BuiltIn(NamedTuple):
    """Where a built-in policy is, and what it does."""

    module: str
    attribute: str
    description: str
    aliases: tuple[str, ...] = ()


_BUILT_IN: Final[Mapping[str, Mapping[str, _BuiltIn]]] = {
    "admission": {
        "accept-all": _BuiltIn("admission", "AcceptAll", "Every request may be scheduled."),
        "no-ARs": _BuiltIn(
            "admission", "NoAdvanceReservations", "Every request but advance reservations may be scheduled."
        ),
    },
    "preemption": {
        "no-preemption": _BuiltIn("preemption", "NoPreemption", "No lease gives way to another."),
        "ar-preempts-besteffort": _BuiltIn(
            "preemption",
            "ARPreemptsBestEffort",
            "Advance reservations may preempt best-effort leases.",
            ("ar-preempts-be",),
        ),
        "ar-preempts-everything": _BuiltIn(
            "preemption",
            "ARPreemptsEverything",
            "Advance reservations may preempt every preemptible lease that was not promised a time.",
        ),
        "deadline": _BuiltIn(
            "preemption",
            "DeadlineSlack",
            "Reservations and deadline leases may preempt what can wait, deadline leases with enough slack included.",
        ),
    },
    "host-selection": {
        "greedy": _BuiltIn(
            "host_selection",
            "Greedy",
            "Hosts with the fewest leases to preempt, then those that stay undisturbed longest.",
        ),
        "first-fit": _BuiltIn(
            "host_selection", "FirstFit", "The first hosts, in the site's order, that have room.", ("no-policy",)
        ),
        "best-fit": _BuiltIn("host_selection", "BestFit", "The fullest hosts, so that others stay empty.", ("pack",)),
        "spread": _BuiltIn("host_selection", "Spread", "The emptiest hosts, so that load is even."),
    },
    "pricing": {
        "free": _BuiltIn("free", "Free", "Every lease costs nothing."),
        "constant": _BuiltIn("pricing", "ConstantRate", "The same rate for all, and a surcharge for preemption."),
        "random": _BuiltIn("pricing", "RandomRate", "A rate drawn for each lease, and a surcharge for preemption."),
        "maximum": _BuiltIn("pricing", "MaximumRate", "The highest rate that the lease's user would pay."),
        "adaptive": _BuiltIn(
            "pricing", "AdaptiveRate", "A rate that follows what users accept, and a surcharge for preemption."
        ),
    },
    "queue": {
        "fcfs": _BuiltIn("fcfs", "FirstComeFirstServed", "Leases wait in the order in which they were submitted."),
        "priority": _BuiltIn(
            "queue", "Priority", "Leases of higher priority come first, then those submitted earlier."
        ),
        "fair-share": _BuiltIn("queue", "FairShare", "Whoever has used least of late, for their share, comes first."),
    },
}

_METHODS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "admission": {"admit": ("lease", "site", "now")},
    "preemption": {"score": ("preemptor", "victim", "at")},
    "host-selection": {"score": ("host", "lease", "start")},
    "pricing": {"price": ("lease", "preempted"), "quote": ("lease", "preempted"), "feedback": ("lease", "accepted")},
    "queue": {"score": ("lease", "now"), "used": ("lease", "amount", "start", "end")},
}

_QUEUE_NEEDS: Final = {
    QueueOrder.SUBMITTED: (),
    QueueOrder.FIXED: ("score",),
    QueueOrder.CHANGING: ("score", "used"),
}

KINDS: Final = tuple(_BUILT_IN)
"""The kinds of policies, each as its option is called after ``policy-``."""


@overload
def resolve(kind: Literal["admission"], name: str, context: PolicyContext) -> AdmissionPolicy: ...
@overload
def resolve(kind: Literal["host-selection"], name: str, context: PolicyContext) -> HostSelectionPolicy: ...
@overload
def resolve(kind: Literal["preemption"], name: str, context: PolicyContext) -> PreemptionPolicy: ...
@overload
def resolve(kind: Literal["pricing"], name: str, context: PolicyContext) -> PricingPolicy: ...
@overload
def resolve(kind: Literal["queue"], name: str, context: PolicyContext) -> QueuePolicy: ...
def resolve(kind: str, name: str, context: PolicyContext) -> object:
    """Return a policy, made with ``context``.

    ``name`` is that of a built-in policy (or an alias), ``module:Class``, or the name of an entry point in the group
    ``haizea.policy.KIND`` (``haizea.policy.host_selection`` for host selection). One that is not built in is watched:
    what it raises, and what it returns that its protocol does not allow, is a PolicyError where it is called.

    Raises:
        PolicyError: there is no such policy, it cannot be loaded or set up, or it is of another kind.
    """
    what = f"{kind} policy {_quoted(name)}"
    built_in = _built_in(kind, name)
    if built_in is not None:
        from importlib import import_module

        factory: Callable[..., object] = getattr(import_module(f"haizea.policy.{built_in.module}"), built_in.attribute)
        try:
            return factory(context)
        except PolicyError as error:
            raise PolicyError(f"{what}: {error}") from error
    loaded = _load(what, name) if ":" in name else _load_entry_point(what, kind, name)
    policy = _made(what, loaded, context)
    try:
        _check(what, kind, policy)
        return _guarded(what, kind, policy)
    except PolicyError:
        raise
    except Exception as error:
        # An attribute may be computed, by whatever the user wrote.
        raise PolicyError(f"{what}: looking at its attributes failed with {_told(error)}") from error


def available(kind: str) -> list[PolicyInfo]:
    """Return the policies of a kind: the built-in ones, then those that installed packages offer, by name.

    The latter are imported for the sake of their descriptions; for one that cannot be, the description says so.

    Raises:
        PolicyError: there is no such kind.
    """
    found = [PolicyInfo(kind, name, b.aliases, b.description, "built-in") for name, b in _of_kind(kind).items()]
    for point in sorted(_entry_points(kind), key=lambda point: str(point.name)):
        try:
            description = _first_sentence(_load(f"{kind} policy {_quoted(point.name)}", point.value))
        except PolicyError as error:
            description = f"Cannot be used: {error}."
        found.append(PolicyInfo(kind, point.name, (), description, point.dist.name if point.dist else "unknown"))
    return found


def settings_for(
    kind: str, name: str, tables: Mapping[str, Mapping[str, object]], pricing: Mapping[str, object]
) -> Mapping[str, object]:
    """Return the settings for a policy's context.

    Args:
        kind: the policy's kind.
        name: the policy's name, as :func:`resolve` takes it.
        tables: the tables ``[policy.NAME]`` by NAME, which is the policy's name, or the class's for ``module:Class``.
        pricing: the section ``[pricing]``, keys as in a file; pricing policies get it together with their own table.
    """
    own = tables.get(name.rpartition(":")[2].strip(), {})
    return {**pricing, **own} if kind == "pricing" else own


def _of_kind(kind: str) -> Mapping[str, _BuiltIn]:
    """Return the built-in policies of a kind by name."""
    if kind not in _BUILT_IN:
        raise PolicyError(f"there is no kind of policies called {_quoted(kind)}; there are {', '.join(KINDS)}")
    return _BUILT_IN[kind]


def _built_in(kind: str, name: str) -> _BuiltIn | None:
    """Return the built-in policy of a name or alias."""
    of_kind = _of_kind(kind)
    return of_kind.get(name) or next((built_in for built_in in of_kind.values() if name in built_in.aliases), None)


def _entry_points(kind: str) -> Sequence[Any]:
    """Return what installed packages offer. Looking through them takes longer than everything else here."""
    from importlib import metadata

    return tuple(metadata.entry_points(group=f"haizea.policy.{kind.replace('-', '_')}"))


def _load_entry_point(what: str, kind: str, name: str) -> object:
    """Return what the entry point of a name refers to."""
    points = _entry_points(kind)
    values = sorted({point.value for point in points if point.name == name})
    if len(values) > 1:
        raise PolicyError(f"{what} is offered more than once: {', '.join(values)}; name the one meant as module:Class")
    if values:
        return _load(what, values[0])
    elsewhere = "".join(f"; it is one of kind {other}" for other in KINDS if _built_in(other, name))
    known = ", ".join([*_of_kind(kind), *sorted({point.name for point in points})])
    raise PolicyError(f"{what} is not known{elsewhere}; there are {known}, or module:Class for your own")


def _load(what: str, path: str) -> object:
    """Return the object that ``module:Class`` refers to, importing the module."""
    from importlib import import_module

    module_name, _, attributes = (part.strip() for part in path.partition(":"))
    if not all(part.isidentifier() for part in (*module_name.split("."), *attributes.split("."))):
        raise PolicyError(f"{what}: expected module:Class, such as mypolicies:NoWeekends")
    try:
        found: object = import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}.")
        hint = "; is its folder in PYTHONPATH?" if missing else ""
        raise PolicyError(f"{what}: importing {module_name} failed with {_told(error)}{hint}") from error
    for part in attributes.split("."):
        if not hasattr(found, part):
            raise PolicyError(f"{what}: {module_name} has no {attributes}")
        found = getattr(found, part)
    return found


def _made(what: str, loaded: object, context: PolicyContext) -> object:
    """Return the policy that a class makes; one without a constructor is not handed the context."""
    if not isinstance(loaded, type):
        raise PolicyError(f"{what}: expected a class, and found an object of type {type(loaded).__name__}")
    try:
        return loaded(context) if _has_constructor(loaded) else loaded()
    except PolicyError as error:
        raise PolicyError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PolicyError(f"{what}: {loaded.__name__}(context) failed with {_told(error)}") from error


def _guarded(what: str, kind: str, policy: Any) -> object:
    """Return what watches a policy that a user wrote."""
    from haizea.policy import guarded

    guards: Mapping[str, Callable[[str, Any], object]] = {
        "admission": guarded.GuardedAdmission,
        "host-selection": guarded.GuardedSelection,
        "preemption": guarded.GuardedPreemption,
        "pricing": guarded.GuardedPricing,
        "queue": guarded.guarded_queue,
    }
    return guards[kind](what, policy)


def _has_constructor(loaded: type) -> bool:
    """Whether a class, or one it derives from, says how it is made; object and typing.Protocol do not count."""
    bases = [base for base in loaded.__mro__ if base is not object and not getattr(base, "_is_protocol", False)]
    return any(not vars(base).keys().isdisjoint(("__init__", "__new__")) for base in bases)


def _check(what: str, kind: str, policy: object) -> None:
    """Refuse an object that is no policy of this kind: by its methods, and whether they take the arguments."""
    order = getattr(policy, "order", None)
    needed = _METHODS[kind]
    if kind == "host-selection":
        if not isinstance(order, HostOrder):
            raise PolicyError(f"{what}: expected an attribute order, such as order = HostOrder.SCORED")
        if order is not HostOrder.SCORED:
            return
    elif kind == "queue":
        if not isinstance(order, QueueOrder):
            raise PolicyError(f"{what}: expected an attribute order, such as order = QueueOrder.FIXED")
        needed = {name: needed[name] for name in _QUEUE_NEEDS[order]}
    elif kind == "preemption" and isinstance(order, HostOrder):
        raise PolicyError(f"{what} is one of kind host-selection: it has an attribute order")
    for method, parameters in needed.items():
        if not _takes(getattr(policy, method, None), len(parameters)):
            others = [other for other in KINDS if other != kind and _offers(policy, other)]
            hint = f"; it looks like one of kind {others[0]}" if others else ""
            raise PolicyError(f"{what}: expected a method {method}({', '.join(parameters)}){hint}")


def _offers(policy: object, kind: str) -> bool:
    """Whether an object has the methods of a kind."""
    return all(_takes(getattr(policy, name, None), len(arguments)) for name, arguments in _METHODS[kind].items())


def _takes(method: object, count: int) -> bool:
    """Whether something can be called with so many positional arguments."""
    import inspect

    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _first_sentence(loaded: object) -> str:
    """Return the first paragraph of an object's docstring on one line."""
    text = (getattr(loaded, "__doc__", None) or "").strip()
    return " ".join(text.split("\n\n")[0].split())[:200] or "(its class has no docstring)"


def _told(error: BaseException) -> str:
    """Return an error's type and message on one line."""
    from haizea.policy.guarded import told

    return told(error)


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")
