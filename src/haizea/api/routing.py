"""From methods that answer requests to routes of the API: threads to run on, headers, and what the documentation shows.

An endpoint is a plain function. It takes ``asked`` and whatever its signature names, and returns a model, a
:class:`Reply` with headers, or None for an answer without contents.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel

from haizea.api.door import HEAD, PRINCIPAL, ROUTE
from haizea.api.workers import Lane
from haizea.service.errors import Unauthenticated
from haizea.service.fields import Name
from haizea.service.models import LeaseOut
from haizea.service.principal import Principal

JSON: Final = "application/json"
CSV: Final = "text/csv; charset=utf-8"
LIMIT_MAX: Final = 1_000
ACCEPT_MAX: Final = 1_000
NUMBER_MAX: Final = (1 << 63) - 1


class Question(NamedTuple):
    """What every endpoint knows of a request: who asks, the path and query, and which version the client has."""

    who: Principal
    path: str
    query: tuple[tuple[str, str], ...]
    if_none_match: str
    head: bool
    accept: str = ""


async def question(request: Request) -> Question:
    """Return what every endpoint knows of a request.

    Raises:
        Unauthenticated: nobody stood at the door.
    """
    scope = request.scope
    route = scope.get("route")
    scope[ROUTE] = getattr(route, "path_format", "")
    principal = scope.get(PRINCIPAL)
    if principal is None:
        raise Unauthenticated("The request says nothing about who sends it.")
    return Question(
        principal,
        scope["path"],
        tuple(request.query_params.multi_items()),
        request.headers.get("if-none-match", ""),
        scope.get(HEAD, False),
        ", ".join(request.headers.getlist("accept"))[:ACCEPT_MAX],
    )


Asked = Annotated[Question, Depends(question)]
LeaseNumber = Annotated[int, InPath(ge=1, le=NUMBER_MAX, description="The lease's number.")]
NameInPath = Annotated[Name, InPath(min_length=1)]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="How many to leave out at the beginning.")]
NameQuery = Annotated[Name | None, Query()]
WhenQuery = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[ -~]+$")]


class Reply(NamedTuple):
    """An answer with headers of its own."""

    model: BaseModel
    headers: Mapping[str, str]


class Sheet(NamedTuple):
    """An answer that is a table: CSV as RFC 4180 has it."""

    text: str


class Endpoint(NamedTuple):
    """A route: method and path, who answers, and what the documentation says.

    ``model`` None: no contents, 204. ``sheet``: it can be had as CSV too.
    """

    method: str
    path: str
    call: Callable[..., Any]
    model: type[BaseModel] | None
    summary: str
    example: Any = None
    status: int = 200
    sheet: bool = False


class Lanes(NamedTuple):
    """Threads for requests that only read, and for those that go through the loop."""

    reads: Lane
    writes: Lane

    def close(self) -> None:
        """Let go of the threads."""
        self.reads.close()
        self.writes.close()


def router(tag: str, lanes: Lanes, endpoints: list[Endpoint]) -> APIRouter:
    """Return routes; those that read go on threads of their own."""
    found = APIRouter(tags=[tag])
    for endpoint in endpoints:
        status = endpoint.status if endpoint.model is not None else 204
        lane = lanes.reads if endpoint.method == "GET" else lanes.writes
        responses: dict[int | str, dict[str, Any]] = {}
        if endpoint.example is not None:
            responses[status] = {"content": {JSON: {"example": endpoint.example}}}
        if endpoint.sheet:
            content = responses.setdefault(status, {}).setdefault("content", {})
            content[CSV.partition(";")[0]] = {"schema": {"type": "string"}}
        found.add_api_route(
            endpoint.path,
            _on_lane(endpoint.call, lane, status, cached=endpoint.method == "GET"),
            methods=[endpoint.method],
            response_model=endpoint.model,
            status_code=status,
            summary=endpoint.summary,
            description=(endpoint.call.__doc__ or "").strip(),
            operation_id=f"{tag}-{endpoint.call.__name__}".replace("_", "-").replace(" ", "-"),
            responses=responses,
        )
    return found


def _on_lane(call: Callable[..., Any], lane: Lane, status: int, *, cached: bool) -> Callable[..., Any]:
    """Return an endpoint that runs on a thread, and makes its answer into bytes there."""

    @functools.wraps(call)
    async def endpoint(**given: Any) -> Response:
        asked: Question = given["asked"]
        return await lane.run(lambda: _respond(call(**given), asked, status, cached=cached))

    return endpoint


def _respond(result: Any, asked: Question, status: int, *, cached: bool) -> Response:
    """Make a response of what an endpoint returned."""
    if result is None:
        return Response(status_code=204)
    model, headers = (result.model, dict(result.headers)) if isinstance(result, Reply) else (result, {})
    sheet = isinstance(result, Sheet)
    content = result.text.encode() if sheet else model.__pydantic_serializer__.to_json(model)
    if cached or isinstance(model, LeaseOut):
        headers["etag"] = etag(model, content)
    if cached:
        headers["cache-control"] = "private, no-cache"
        headers["vary"] = "authorization, accept"
        # How far something is changes without a new version.
        moving = isinstance(model, LeaseOut) and bool(model.progress)
        if not moving and _matches(asked.if_none_match, headers["etag"]):
            return Response(status_code=304, headers=headers)
    return Response(content, status, headers, CSV if sheet else JSON)


def prefers_csv(accept: str) -> bool:
    """Whether an Accept header would have a table rather than JSON; where it likes both as well, it gets JSON."""
    return _quality(accept, "text", "csv") > _quality(accept, "application", "json")


def _quality(accept: str, kind: str, form: str) -> float:
    """Return how much an Accept header likes a media type, by the most specific of its ranges that has it."""
    found = (-1, 0.0)
    for each in accept.split(","):
        media, *parameters = (part.strip().lower() for part in each.split(";"))
        ranges = ("*/*", f"{kind}/*", f"{kind}/{form}")
        if media in ranges:
            text = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            try:
                quality = min(1.0, max(0.0, float(text)))
            except ValueError:
                quality = 0.0
            found = max(found, (ranges.index(media), quality))
    return found[1]


def etag(model: object, content: bytes) -> str:
    """Return what a client can name to be told only of changes: a lease's version, else a digest."""
    if isinstance(model, LeaseOut):
        return f'"{model.version}"'
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def _matches(wanted: str, tag: str) -> bool:
    """Whether If-None-Match names a tag; both are compared without regard to weakness, as RFC 9110 has it."""
    if not wanted:
        return False
    plain = tag.removeprefix("W/")
    return wanted.strip() == "*" or plain in (each.strip().removeprefix("W/") for each in wanted.split(","))


def page_links(asked: Question, *, total: int, limit: int, offset: int) -> dict[str, str]:
    """Return the Link header of a part of a list: to its first, previous, next and last part."""
    starts = {"first": 0, "last": max(0, (total - 1) // limit * limit)}
    if offset > 0:
        starts["prev"] = max(0, offset - limit)
    if offset + limit < total:
        starts["next"] = offset + limit
    links = [_link(asked, {"limit": limit, "offset": start}, relation) for relation, start in starts.items()]
    return {"link": ", ".join(links)}


def cursor_link(asked: Question, cursor: int) -> dict[str, str]:
    """Return the Link header of a part of the journal: to what follows."""
    return {"link": _link(asked, {"after": cursor}, "next")}


def _link(asked: Question, changed: Mapping[str, int], relation: str) -> str:
    query = [(name, value) for name, value in asked.query if name not in changed]
    query += [(name, str(value)) for name, value in changed.items()]
    # Quoted by urlencode: nothing of the client's can end the header or the link.
    return f'<{asked.path}?{urlencode(query)}>; rel="{relation}"'
