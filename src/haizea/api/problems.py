"""Errors as clients get them: ``application/problem+json`` (RFC 9457) with a code, a remedy and the field at fault."""

import json
import math
import traceback
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict

from haizea.service.errors import ServiceError
from haizea.service.validation import fault_of

MEDIA: Final = "application/problem+json"
ERRORS_MAX: Final = 20
TRACEBACK_MAX: Final = 20_000

CODES: Final = {
    400: ("malformed", "The request cannot be read", "Send well-formed HTTP, and JSON in the body."),
    404: ("no-such-route", "There is no such path", "See /docs for the paths that there are."),
    405: ("method-not-allowed", "This path does not have that method", "Use one of the methods in Allow."),
    408: ("too-slow", "The request took too long to arrive", "Send it again, at once."),
    412: ("version", "It has changed since it was seen", "Get it again, and decide anew."),
    413: ("too-large", "The request is too large", "Send less at once."),
    414: ("url-too-long", "The URL is too long", "Use fewer or shorter filters."),
    415: ("media-type", "The body is of a kind that is not understood", "Send it as application/json."),
    421: ("wrong-host", "The request is meant for another host", "Use a name that this server answers to."),
    431: ("headers-too-large", "The headers are too large", "Send fewer or shorter headers."),
}
"""By status: code, title and remedy of errors that arise before a request has reached the service."""


class FieldProblem(BaseModel):
    """One thing that is wrong with a request: where, and what."""

    field: str
    detail: str
    code: str


class Problem(BaseModel):
    """What went wrong. ``code`` is for machines, ``detail`` and ``remedy`` are for people."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    field: str | None = None
    errors: list[FieldProblem] = []


class Refused(ServiceError):
    """A request was refused before it reached the service, for what HTTP has a status of its own."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        remedy: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        plain, title, usual = CODES[status]
        super().__init__(detail, code=code or plain, remedy=usual if remedy is None else remedy)
        self.facts = dict(facts or {})
        self.refused_status = status
        self.refused_title = title


def document(
    status: int, *, title: str, detail: str, code: str, remedy: str = "", field: str = "", **facts: Any
) -> dict[str, Any]:
    """Return the members of a problem document."""
    body: dict[str, Any] = {"type": f"urn:haizea:problem:{code}", "title": title, "status": status}
    body |= {"detail": detail, "code": code, "remedy": remedy}
    if field:
        body["field"] = field
    return {**body, **{name: value for name, value in facts.items() if name not in body}}


def of_error(error: ServiceError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, document and headers of an error of the service."""
    status = error.refused_status if isinstance(error, Refused) else error.status
    title = error.refused_title if isinstance(error, Refused) else error.title
    body = document(
        status,
        title=title,
        detail=error.detail,
        code=error.code,
        remedy=error.remedy,
        field=error.field,
        **error.facts,
    )
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="haizea", Basic realm="haizea", charset="UTF-8"'
    return status, body, headers


def of_status(status: int, detail: str, **facts: Any) -> dict[str, Any]:
    """Return the document of an error that only has a status."""
    words = phrase(status)
    code, title, remedy = CODES.get(status, (words.lower().replace(" ", "-"), words, ""))
    return document(status, title=title, detail=detail, code=code, remedy=remedy, **facts)


def of_validation(errors: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of a request that does not have the shape it should; what was sent is not repeated."""
    # Which part of the request it was in says nothing that the name does not.
    found = [fault_of(error, within=1)._asdict() for error in errors[:ERRORS_MAX]]
    first = found[0] if found else {"field": "", "detail": "", "code": ""}
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return document(
        422,
        title="The request is not valid",
        detail=f"{first['field']}: {first['detail']}{more}",
        code="invalid",
        remedy="Correct what is named in errors.",
        field=first["field"],
        errors=found,
    )


def render(body: Mapping[str, Any]) -> bytes:
    """Return a document as bytes. Only ASCII: what a client sent may not be encodable otherwise."""
    return json.dumps(body, default=str).encode("ascii")


def internal(error: BaseException) -> dict[str, Any]:
    """Log an error that is ours, and return the document of it, which tells nothing but the number to ask for."""
    number = uuid.uuid4().hex[:12]
    # As text, without the values of variables that some logs add: there are secrets among them.
    told = "".join(traceback.format_exception(error))[-TRACEBACK_MAX:]
    structlog.get_logger("haizea.api").error("internal error", id=number, traceback=told)
    return document(
        500,
        title="An error of the server's",
        detail=f"Something went wrong that should not. It is logged under {number}.",
        code="internal",
        remedy="Tell the operator of the server that number.",
        id=number,
    )


def phrase(status: int) -> str:
    """Return the words that go with a status."""
    return HTTPStatus(status).phrase
