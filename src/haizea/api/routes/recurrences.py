"""Reservations that recur."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath

from haizea.api.facade import Recurrences
from haizea.api.routing import NUMBER_MAX, Asked, Endpoint, Lanes, Reply, router
from haizea.service.fields import Text
from haizea.service.models import Answer, RecurrenceChangeIn, RecurrenceIn, RecurrenceOut

Number = Annotated[int, InPath(ge=1, le=NUMBER_MAX, description="The recurring reservation's number.")]
Because = Annotated[Text, Query(description="Why; it is kept in the journal.")]


class RecurrencesOut(Answer):
    """Recurring reservations."""

    items: list[RecurrenceOut]


class RecurrenceRoutes:
    """Answers requests about recurring reservations."""

    def __init__(self, recurrences: Recurrences) -> None:
        self._recurrences = recurrences

    def list_recurrences(self, asked: Asked, ended: bool = False) -> RecurrencesOut:
        """Those that the caller may see; with `ended` those that are over too."""
        return RecurrencesOut(items=self._recurrences.list(asked.who, ended=ended))

    def show_recurrence(self, asked: Asked, recurrence: Number) -> RecurrenceOut:
        """With what became of each occurrence."""
        return self._recurrences.show(asked.who, recurrence)

    def add_recurrence(self, asked: Asked, body: RecurrenceIn, dry_run: bool = False) -> Reply:
        """Each occurrence is a reservation of its own, booked some weeks ahead. With `dry_run` only tells when."""
        return Reply(self._recurrences.add(asked.who, body, dry_run=dry_run), {})

    def change_recurrence(self, asked: Asked, recurrence: Number, body: RecurrenceChangeIn) -> RecurrenceOut:
        """Days that are left out have their leases cancelled."""
        return self._recurrences.change(asked.who, recurrence, body)

    def remove_recurrence(
        self, asked: Asked, recurrence: Number, reason: Because = "", dry_run: bool = False
    ) -> RecurrenceOut:
        """Leases that have not begun are cancelled. With `dry_run` only tells which."""
        return self._recurrences.remove(asked.who, recurrence, reason=reason, dry_run=dry_run)


def recurrence_routes(recurrences: Recurrences, lanes: Lanes) -> APIRouter:
    """Return the routes of recurring reservations."""
    routes = RecurrenceRoutes(recurrences)
    one = "/v1/recurrences/{recurrence}"
    return router(
        "recurrences",
        lanes,
        [
            Endpoint("GET", "/v1/recurrences", routes.list_recurrences, RecurrencesOut, "List recurring reservations"),
            Endpoint("POST", "/v1/recurrences", routes.add_recurrence, RecurrenceOut, "Add one", None, 201),
            Endpoint("GET", one, routes.show_recurrence, RecurrenceOut, "Show one"),
            Endpoint("PATCH", one, routes.change_recurrence, RecurrenceOut, "Leave days out, or take them in"),
            Endpoint("DELETE", one, routes.remove_recurrence, RecurrenceOut, "Remove one"),
        ],
    )
