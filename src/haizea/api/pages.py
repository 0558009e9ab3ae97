"""Pages for people who come with a browser: what this is, and a reference made from the OpenAPI document.

They need no script and nothing from the network.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h2{margin-top:2.5rem;border-bottom:1px solid #ccc}code,pre{background:#f3f3f3;padding:.1rem .3rem}"
    "pre{padding:.6rem;overflow-x:auto}summary{cursor:pointer;margin:.4rem 0}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}"
    ".m{display:inline-block;min-width:4rem;font-weight:bold}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code,pre{background:#2a2a2a}a{color:#8bf}}"
)


def front_page(version: str) -> str:
    """Return the page at ``/``."""
    return _page(
        "Haizea",
        f"<h1>Haizea {escape(version)}</h1><p>A lease manager for virtual machines: it decides which hosts they run "
        "on, and when. This is its API.</p><ul>"
        '<li><a href="/docs">Reference of the API</a></li>'
        '<li><a href="/v1/openapi.json">OpenAPI document</a></li>'
        '<li><a href="/healthz">Is it alive?</a> <a href="/readyz">Does it take requests?</a></li></ul>'
        "<p>On this machine, the command line needs nothing else: <code>haizea status</code>.</p>",
    )


def reference_page(document: Mapping[str, Any]) -> str:
    """Return the reference of the API that an OpenAPI document describes."""
    info = document["info"]
    parts = [f"<h1>Haizea {escape(info['version'])}: the API</h1>"]
    parts += [f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n")]
    parts.append('<p>Everything, with all shapes: <a href="/v1/openapi.json">OpenAPI document</a>.</p>')
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'].title())}</h2><p>{escape(tag['description'])}</p>")
        parts += [
            _operation(path, method, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if tag["name"] in operation.get("tags", ())
        ]
    parts.append("<h2>Shapes</h2>")
    parts += [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return _page("Haizea: the API", "".join(parts))


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>'
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f'<details><summary><span class="m">{method.upper()}</span> <code>{escape(path)}</code> '
        f"{escape(operation.get('summary', ''))}</summary><p>{escape(operation.get('description', ''))}</p>"
    ]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(
            f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}<td>"
            f"{_type(each['schema'])}<td>{escape(each.get('description', ''))}"
            for each in parameters
        )
        parts.append(f"<table><tr><th>parameter<th>in<th>type<th>{rows}</table>")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        parts.append(f"<p>Body: {_type(body)}</p>")
    answers = ", ".join(_answers(operation["responses"]))
    return "".join([*parts, f"<p>Answers: {answers}</p></details>"])


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in sorted(responses.items()):
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        yield f"{status} {_type(schema)}" if schema else status


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{_type(each)}" for field, each in schema.get("properties", {}).items()
    )
    return (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<p>{escape(schema.get('description', ''))}</p><table>{rows}</table></details>"
    )


def _type(schema: Mapping[str, Any]) -> str:
    """Return the type that a schema describes, in a few words, with links to shapes."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "anything")))
