"""The OpenAPI document: what FastAPI makes of the routes, with problems, headers and ways to name oneself added."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from haizea.api import examples, problems
from haizea.api.problems import Problem

DESCRIPTION: Final = """\
Request leases of virtual machines, see what was planned, and follow what happens.

Instants are ISO 8601 in UTC, spans are seconds, CPU is in percent of a core, memory in MiB. Every error is a problem
document (`application/problem+json`, RFC 9457) with a `code` for machines and a `remedy` for people. `HEAD` may be used
wherever `GET` can.
"""

ALWAYS: Final = {
    "400": "The request cannot be read.",
    "401": "Nobody is named, or not believed.",
    "403": "Not allowed to this user, over quota, or sent by another site's web page.",
    "414": "The URL is too long.",
    "421": "The host that the request names is not this server.",
    "422": "The request does not have the form, or the meaning, that it should.",
    "429": "More requests than are allowed.",
    "500": "An error of the server's. It has a number to tell the operator.",
    "503": "Not available at the moment.",
}
WITH_PATH: Final = {"404": "There is no such thing, or not for this user."}
WITH_BODY: Final = {
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
}
WITH_VERSION: Final = {"412": "It is not any more as If-Match says."}
CHANGING: Final = {"409": "It does not go with what is there."}
TAGS: Final = (
    ("leases", "Requesting leases, and what becomes of them."),
    ("orders", "What administrators and owners have done with leases, hosts and the scheduler."),
    ("control", "Hosts that come and go, maintenance, VMs, options, what-ifs."),
    ("planning", "What would be, what waits, what is planned."),
    ("site", "Hosts, the journal, usage."),
    ("recurrences", "Reservations that recur, daily or weekly."),
    ("accounts", "Users, groups, tokens, quotas, webhooks."),
    ("system", "The daemon itself."),
)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary="A lease manager for virtual machines",
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS],
        servers=[{"url": "/"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema
    components["responses"] = _responses()
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token, over TCP."},
        "basic": {"type": "http", "scheme": "basic", "description": "A user's name, and a token as the password."},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _responses() -> dict[str, Any]:
    """Return the problems that are answered with, one for each status."""
    found = {}
    for status, text in {**ALWAYS, **WITH_PATH, **WITH_BODY, **WITH_VERSION, **CHANGING}.items():
        example = examples.PROBLEM if status == "403" else problems.of_status(int(status), text)
        content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
        headers = {}
        if status in ("429", "503"):
            headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        if status == "401":
            headers["WWW-Authenticate"] = {"description": "How to name oneself.", "schema": {"type": "string"}}
        found[_name(status)] = {"description": text, "headers": headers, "content": {problems.MEDIA: content}}
    return found


def _name(status: str) -> str:
    return problems.phrase(int(status)).title().replace(" ", "").replace("-", "")


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add to an operation which problems it can end in, which headers come, and how to name oneself."""
    public = path in ("/healthz", "/readyz", "/v1/version")
    operation["security"] = [{}] if public else [{"token": []}, {"basic": []}, {}]
    statuses = dict(ALWAYS)
    if "{" in path:
        statuses |= WITH_PATH
    if method in ("post", "put"):
        statuses |= WITH_BODY
    if method != "get":
        statuses |= CHANGING | WITH_PATH
    if any(each["name"] == "If-Match" for each in operation.get("parameters", [])):
        statuses |= WITH_VERSION
    responses = operation["responses"]
    for status in statuses:
        responses.setdefault(status, {})
        if "content" not in responses[status] or status == "422":
            responses[status] = {"$ref": f"#/components/responses/{_name(status)}"}
    ok = responses.get("200", {})
    if method == "get" and "application/json" in ok.get("content", {}) and not public:
        ok.setdefault("headers", {})["ETag"] = {
            "description": "Send it back in If-None-Match to be answered 304 while nothing has changed.",
            "schema": {"type": "string"},
        }
        responses["304"] = {"description": "Nothing has changed since the version named in If-None-Match."}
        operation.setdefault("parameters", []).append(
            {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}
        )
    if any(each["name"] == "limit" for each in operation.get("parameters", [])):
        ok.setdefault("headers", {})["Link"] = {
            "description": "Where the next part is (RFC 8288), and others.",
            "schema": {"type": "string"},
        }
