"""The REST API: its routes put together, and every error made into a problem document."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from haizea.api import pages, problems
from haizea.api.door import PRINCIPAL, ROUTE, TOLD, Door
from haizea.api.facade import Manager
from haizea.api.metrics import MEDIA, Metrics
from haizea.api.openapi import describe
from haizea.api.options import ApiOptions
from haizea.api.routes.accounts import account_routes
from haizea.api.routes.control import control_routes
from haizea.api.routes.leases import lease_routes
from haizea.api.routes.orders import order_routes
from haizea.api.routes.planning import planning_routes
from haizea.api.routes.recurrences import recurrence_routes
from haizea.api.routes.site import Kinds, OfLease, site_routes, system_routes
from haizea.api.routing import NUMBER_MAX, Asked, Lanes, NameQuery
from haizea.api.stream import Stream, Streams, Wanted
from haizea.api.workers import Lane
from haizea.service import access
from haizea.service.errors import Invalid, ServiceError
from haizea.service.models import Answer

HTML = "text/html; charset=utf-8"


Begin = Annotated[int | None, Query(ge=0, le=NUMBER_MAX, description="Where to begin; else with what is new.")]


class HealthOut(Answer):
    """Whether it is so, and why not."""

    ok: bool
    detail: str


class VersionOut(Answer):
    """The version that runs."""

    version: str


class Api:
    """The REST API as an ASGI application: :attr:`app` behind a :class:`Door`.

    Belongs to one event loop. :meth:`close` ends what would not end by itself.
    """

    def __init__(self, manager: Manager, options: ApiOptions = ApiOptions()) -> None:  # noqa: B008 - a tuple
        self.manager = manager
        self.lanes = Lanes(
            Lane("read", options.readers, wait_s=options.wait_s, waiting_max=options.waiting_max),
            Lane("write", options.writers, wait_s=options.wait_s, waiting_max=options.waiting_max),
        )
        # Of its own: a daemon that is busy is not dead, and whoever watches it should see why.
        self.watch = Lane("watch", 2, wait_s=options.wait_s, waiting_max=options.waiting_max)
        self.streams = Streams(manager.journal, self.lanes.reads, options)
        self.metrics = Metrics(manager.system.figures, lambda: self.streams.count)
        self.app = _application(self)
        self.door = Door(cast("Any", self.app), manager.accounts, options.door, observer=self.metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an ASGI connection."""
        await self.door(scope, receive, send)

    def forget_callers(self) -> None:
        """Find out anew who everybody is: accounts have changed. May be called on any thread."""
        self.door.identity.forget()

    def stop_streams(self) -> None:
        """End all event streams, so that the server can stop."""
        self.streams.close()

    def close(self) -> None:
        """Let go of all threads."""
        self.streams.close()
        self.lanes.close()
        self.watch.close()
        self.door.identity.close()


def make_app(manager: Manager, options: ApiOptions = ApiOptions()) -> FastAPI:  # noqa: B008 - a tuple
    """Return the routes of the REST API without the door: whoever calls it must have put the caller in the scope."""
    return Api(manager, options).app


def _application(api: Api) -> FastAPI:
    manager = api.manager
    app = FastAPI(
        title="Haizea",
        version=manager.system.version(),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for routes in (
        lease_routes(manager.leases, api.lanes),
        order_routes(manager, api.lanes),
        control_routes(manager, api.lanes),
        planning_routes(manager.planning, api.lanes),
        site_routes(manager, api.lanes),
        recurrence_routes(manager.recurrences, api.lanes),
        account_routes(manager.accounts, manager.webhooks, api.lanes, api.forget_callers),
        system_routes(manager.system, api.lanes),
    ):
        app.include_router(routes)
    _add_stream(app, api.streams)
    _add_health(app, api)
    _add_pages(app)
    _add_errors(app)
    app.openapi = lambda: _cached_openapi(app)  # type: ignore[method-assign]
    return app


def _cached_openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema


def _add_stream(app: FastAPI, streams: Streams) -> None:
    async def follow_events(
        asked: Asked,
        after: Annotated[
            int | None, Query(ge=0, le=NUMBER_MAX, description="Where to begin; else with what is new.")
        ] = None,
        lease: OfLease = None,
        kind: Kinds = [],  # noqa: B006 - never changed
        host: NameQuery = None,
        last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)] = None,
    ) -> Response:
        """Server-sent events: one for each entry of the journal that the caller may see, with its number as the id.

        A client that was cut off sends the last id that it has in `Last-Event-ID`, and misses nothing.
        """
        begin = after if after is not None else -1
        if last_event_id:
            if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > NUMBER_MAX:
                raise Invalid("Last-Event-ID is not the number of an entry.", field="Last-Event-ID")
            begin = int(last_event_id)
        wanted = Wanted(asked.who, begin, lease, tuple(kind), host)
        return Stream(streams, wanted, head=asked.head)

    content = {"text/event-stream": {"schema": {"type": "string"}, "example": "id: 230\nevent: …\ndata: {…}\n\n"}}
    app.add_api_route(
        "/v1/events/stream",
        follow_events,
        methods=["GET"],
        response_class=Stream,
        response_model=None,
        status_code=200,
        summary="Follow the journal",
        tags=["site"],
        operation_id="site-follow-events",
        responses={200: {"content": content, "description": "Entries as they come."}},
    )


def _add_health(app: FastAPI, api: Api) -> None:
    system = api.manager.system

    def health(check: Callable[[], tuple[bool, str]], path: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            request.scope[ROUTE] = path
            ok, detail = await api.watch.run(check)
            body = json.dumps({"ok": ok, "detail": detail}).encode()
            return Response(body, 200 if ok else 503, media_type="application/json")

        return answer

    async def version(request: Request) -> Response:
        """The version that runs."""
        request.scope[ROUTE] = "/v1/version"
        return Response(VersionOut(version=system.version()).model_dump_json(), media_type="application/json")

    async def metrics(request: Request) -> Response:
        """Figures of the daemon, for Prometheus."""
        request.scope[ROUTE] = "/metrics"
        who = request.scope.get(PRINCIPAL)
        if who is not None:
            access.check(who, "system.metrics")
        return Response(await api.watch.run(api.metrics.page), headers={"content-type": MEDIA})

    for path, check, summary in (
        ("/healthz", system.healthy, "Should the daemon go on?"),
        ("/readyz", system.ready, "Does the daemon take requests?"),
    ):
        app.add_api_route(
            path,
            health(check, path),
            response_model=HealthOut,
            summary=summary,
            tags=["system"],
            operation_id=path.strip("/"),
            responses={503: {"model": HealthOut, "description": "No."}},
        )
    app.add_api_route(
        "/v1/version",
        version,
        response_model=VersionOut,
        summary="Show the version",
        tags=["system"],
        operation_id="version",
    )
    app.add_api_route("/metrics", metrics, include_in_schema=False)


def _add_pages(app: FastAPI) -> None:
    async def front(request: Request) -> Response:
        request.scope[ROUTE] = "/"
        return Response(pages.front_page(app.version), media_type=HTML)

    async def reference(request: Request) -> Response:
        request.scope[ROUTE] = "/docs"
        return Response(pages.reference_page(app.openapi()), media_type=HTML)

    async def document(request: Request) -> Response:
        request.scope[ROUTE] = "/v1/openapi.json"
        return Response(json.dumps(app.openapi()), media_type="application/json")

    app.add_api_route("/", front, include_in_schema=False)
    app.add_api_route("/docs", reference, include_in_schema=False)
    app.add_api_route("/v1/openapi.json", document, include_in_schema=False)


def _add_errors(app: FastAPI) -> None:
    async def service(_: Request, error: ServiceError) -> Response:
        status, body, headers = problems.of_error(error)
        return _problem(status, body, headers)

    async def validation(_: Request, error: RequestValidationError) -> Response:
        errors = list(error.errors())
        if any(each["type"] == "json_invalid" for each in errors):
            return _problem(400, problems.of_status(400, "The body is not valid JSON."), {})
        return _problem(422, problems.of_validation(errors), {})

    async def http(request: Request, error: HTTPException) -> Response:
        headers = {}
        if error.status_code == 405:
            headers["allow"] = ", ".join(_methods(app, request.scope))
        return _problem(error.status_code, problems.of_status(error.status_code, str(error.detail)), headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        request.scope[TOLD] = True
        return _problem(500, problems.internal(error), {})

    app.add_exception_handler(ServiceError, cast("Any", service))
    app.add_exception_handler(RequestValidationError, cast("Any", validation))
    app.add_exception_handler(HTTPException, cast("Any", http))
    app.add_exception_handler(Exception, unexpected)


def _problem(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(problems.render(body), status, headers, problems.MEDIA)


def _methods(app: FastAPI, scope: Scope) -> list[str]:
    """Return the methods that a path has."""
    found: set[str] = set()
    for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
        if any(route.matches({**scope, "method": method})[0] == Match.FULL for route in app.routes):
            found.add(method)
    if "GET" in found:
        found.add("HEAD")
    return sorted(found)
