"""What would be, and what is planned: dry runs, offers, the queue, the schedule, the calendar."""

from typing import Annotated

from fastapi import APIRouter, Query

from haizea.api import examples
from haizea.api.facade import Planning
from haizea.api.routes.leases import RequestBody
from haizea.api.routing import Asked, Endpoint, Lanes, NameInPath, Reply, WhenQuery, router
from haizea.service.models import CalendarOut, LeaseOut, OffersOut, QueueOut, ScheduleOut, VerdictOut


class PlanningRoutes:
    """Answers questions about plans."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning

    def dry_run(self, asked: Asked, body: RequestBody) -> VerdictOut:
        """Whether it would be accepted, when and where it would run, and who would give way. Nothing is kept."""
        return self._planning.dry_run(asked.who, body)

    def find_offers(
        self,
        asked: Asked,
        body: RequestBody,
        hold: Annotated[bool, Query(description="Keep the room for some minutes, so that it can be accepted.")] = False,
    ) -> OffersOut:
        """What could be had instead of a request that is refused: later, smaller, shorter, preemptible."""
        return self._planning.offers(asked.who, body, hold=hold)

    def accept_offer(self, asked: Asked, offer: NameInPath) -> Reply:
        """It becomes a lease."""
        lease = self._planning.accept(asked.who, offer)
        return Reply(lease, {"location": f"/v1/leases/{lease.id}"})

    def decline_offer(self, asked: Asked, offer: NameInPath) -> None:
        """Its room is free again at once."""
        self._planning.decline(asked.who, offer)

    def show_queue(self, asked: Asked) -> QueueOut:
        """Leases that wait, in order, each with the reason and the expected start."""
        return self._planning.queue(asked.who)

    def show_schedule(self, asked: Asked, start: WhenQuery = None, end: WhenQuery = None) -> ScheduleOut:
        """What ran, runs and is planned to run on every host."""
        return self._planning.schedule(asked.who, start=start, end=end)

    def show_calendar(self, asked: Asked, start: WhenQuery = None, end: WhenQuery = None) -> CalendarOut:
        """How much is used and free over all hosts, as steps over time."""
        return self._planning.calendar(asked.who, start=start, end=end)


def planning_routes(planning: Planning, lanes: Lanes) -> APIRouter:
    """Return the routes of planning."""
    on = PlanningRoutes(planning)
    offers = {"verdict": examples.VERDICT, "offers": []}
    return router(
        "planning",
        lanes,
        [
            Endpoint("POST", "/v1/dry-run", on.dry_run, VerdictOut, "Ask what would become of it", examples.VERDICT),
            Endpoint("POST", "/v1/offers", on.find_offers, OffersOut, "Find alternatives", offers),
            Endpoint("POST", "/v1/offers/{offer}/accept", on.accept_offer, LeaseOut, "Accept", examples.LEASE, 201),
            Endpoint("DELETE", "/v1/offers/{offer}", on.decline_offer, None, "Decline"),
            Endpoint("GET", "/v1/queue", on.show_queue, QueueOut, "Show the queue", {"total": 0, "items": []}),
            Endpoint("GET", "/v1/schedule", on.show_schedule, ScheduleOut, "Show the schedule"),
            Endpoint("GET", "/v1/calendar", on.show_calendar, CalendarOut, "Show availability"),
        ],
    )
