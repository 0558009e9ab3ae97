"""The reference of the methods, written from the table of them and from the shapes of requests and answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from haizea.api.xmlrpc.faults import CODES, FAULTS
from haizea.api.xmlrpc.filters import EntryFilterIn, LeaseFilterIn, SpanIn, UsageFilterIn
from haizea.api.xmlrpc.methods import Family, Method, usage
from haizea.api.xmlrpc.table import METHODS
from haizea.model.lease import LeaseState
from haizea.service import models, order_models
from haizea.service.access import VERBS
from haizea.service.principal import Role

_HEAD: Final = """\
# Methods of XML-RPC

This page is made from the code by `./dev docs`; edit the code. [XML-RPC](xmlrpc.md) is the introduction,
with examples.

A parameter in brackets may be left out, with all that come after it. What a role may do is said for things of one's
own / of others. Instants are texts in ISO 8601, spans seconds, amounts of CPU percent of a core, memory and images
MiB.
"""
_FAMILIES: Final[Mapping[Family, tuple[str, str]]] = {
    Family.LEGACY: (
        "Haizea 1.x",
        "These answer as the original did, and end in fault 1 where something is wrong. The caller is whom the "
        "credentials in the address name.",
    ),
    Family.MODERN: (
        "In OpenNebula's style",
        "The first parameter is the session, `user:token`; an empty one stands for whom the credentials in the address "
        "name. The answer is `[true, value, 0]` or `[false, message, code]`.",
    ),
    Family.SYSTEM: ("About the server", "Anybody who reaches the server may call these."),
}


def page() -> str:
    """Return the reference as Markdown."""
    parts = [_HEAD]
    for family, (title, says) in _FAMILIES.items():
        parts.append(f"## {title}\n\n{says}\n")
        parts += [_method(method) for method in METHODS if method.family is family]
    parts.append("## Codes\n\nThe last member of an answer in OpenNebula's style.\n")
    parts.append(_table(("code", "hexadecimal", "meaning"), [(str(c), f"0x{c:x}", text) for c, text in CODES.items()]))
    parts.append("## Faults\n\nHow other calls end.\n")
    parts.append(_table(("code", "meaning"), [(str(code), text) for code, text in FAULTS.items()]))
    parts.append("## States in the XML of leases\n")
    parts.append(_table(("number", "state"), [(str(state.value), state.label) for state in LeaseState]))
    parts.append(
        "## Structs\n\nA member that has no value is left out of an answer. Members without a default must be given.\n"
    )
    parts += [_struct(name, schema) for name, schema in sorted(_schemas().items())]
    return "\n".join(parts)


def _method(method: Method) -> str:
    lines = [f"### `{method.name}`\n", f"`{usage(method)}`\n", f"{method.says}\n"]
    if method.parameters:
        rows = [(f"`{p.name}`", p.kind.value, p.says) for p in method.parameters]
        lines.append(_table(("parameter", "type", "meaning"), rows))
    lines.append(f"Answers {method.result}.")
    if method.verb:
        lines[-1] += f" {_access(method.verb)}"
    return "\n".join(lines) + "\n"


def _access(verb: str) -> str:
    """Say who may carry out a verb."""
    rule = VERBS.get(verb)
    if rule is None:
        return f"Access: `{verb}`."
    roles = _role(rule.own) if rule.own == rule.others else f"{_role(rule.own)} / {_role(rule.others)}"
    return f"Access: `{verb}`, {roles}."


def _role(role: Role) -> str:
    return role.label if role is Role.ADMIN else f"{role.label} or higher"


def _schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schemas of all structs by name."""
    found: dict[str, dict[str, Any]] = {}
    for model, mode in _models():
        schema = model.model_json_schema(mode=mode, ref_template="{model}")
        for name, inner in schema.pop("$defs", {}).items():
            found.setdefault(name, inner)
        found.setdefault(model.__name__, schema)
    return found


def _models() -> Iterator[tuple[type[BaseModel], Any]]:
    for each in (LeaseFilterIn, EntryFilterIn, UsageFilterIn, SpanIn):
        yield each, "validation"
    mentioned = {word for method in METHODS for word in _words(method)}
    for name in sorted(mentioned):
        model: object = getattr(models, name, None) or getattr(order_models, name, None)
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield model, "validation" if name.endswith("In") else "serialization"


def _words(method: Method) -> list[str]:
    """Return what a method's texts have in backquotes."""
    texts = [method.result, *(parameter.says for parameter in method.parameters)]
    return [word for text in texts for word in text.split("`")[1::2]]


def _struct(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    is_answer = not name.endswith("In")
    rows = []
    for field, inner in schema.get("properties", {}).items():
        default = "" if field in required else _default(inner.get("default"))
        rows.append((f"`{field}`", _type(inner)) if is_answer else (f"`{field}`", _type(inner), default))
    header = ("member", "type") if is_answer else ("member", "type", "default")
    says = " ".join(str(schema.get("description", "")).replace("``", "`").split())
    return f"### {name}\n\n{says}\n\n{_table(header, rows)}"


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict | list):
        return "its defaults" if value else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else "empty"


def _type(schema: Mapping[str, Any]) -> str:
    """Say in words what values a schema allows."""
    if "$ref" in schema:
        return f"[{schema['$ref']}](#{schema['$ref'].lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array":
        limit = f" of at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"array{limit}: {_type(schema.get('items', {}))}"
    if kind == "object":
        # A pattern that names must fit is of no interest here.
        inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        return f"struct: {_type(inner)} by name" if isinstance(inner, Mapping) else "struct"
    return {"integer": "int", "number": "double", "string": "string", "boolean": "boolean"}.get(str(kind), "any") + (
        _bounds(schema)
    )


def _bounds(schema: Mapping[str, Any]) -> str:
    if "maxLength" in schema:
        return f" of at most {schema['maxLength']:,} characters"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least:,} to {most:,}"
    if least is not None:
        return f" from {least:,} up"
    return ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---" for _ in header], *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n" for cells in lines)
