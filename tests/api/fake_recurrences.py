"""Recurring reservations that are kept in a list, for tests of what stands in front of the real ones."""

from haizea.service import access
from haizea.service.models import RecurrenceChangeIn, RecurrenceIn, RecurrenceOut
from haizea.service.principal import Principal


class FakeRecurrences:
    """Keeps what it is given, and books nothing."""

    def __init__(self) -> None:
        self.kept: dict[int, RecurrenceOut] = {}

    def show(self, who: Principal, recurrence: int) -> RecurrenceOut:
        """Return one."""
        found = self.kept.get(recurrence)
        owner = found.owner if found else None
        access.check(who, "recurrence.list", owner=owner, what=f"recurring reservation {recurrence}")
        if found is None:
            raise access.missing(f"recurring reservation {recurrence}")
        return found

    def add(self, who: Principal, wanted: RecurrenceIn, *, dry_run: bool = False) -> RecurrenceOut:
        """Keep one."""
        access.check(who, "recurrence.add", owner=who.user)
        made = RecurrenceOut(
            id=len(self.kept) + 1,
            owner=who.user,
            name=wanted.lease.name,
            rule=wanted.rule,
            zone=wanted.zone,
            first=wanted.lease.start or "",
            duration_s=60,
            vms=1,
            exceptions=wanted.exceptions,
            created="2026-11-25T13:00:00Z",
            ended=False,
            booked_until="2027-01-25T13:00:00Z",
            occurrences=[],
        )
        if not dry_run:
            self.kept[made.id] = made
        return made

    def change(self, who: Principal, recurrence: int, wanted: RecurrenceChangeIn) -> RecurrenceOut:
        """Leave days out."""
        found = self.show(who, recurrence)
        access.check(who, "recurrence.change", owner=found.owner)
        self.kept[recurrence] = found.model_copy(update={"exceptions": wanted.leave_out})
        return self.kept[recurrence]

    def remove(self, who: Principal, recurrence: int, *, reason: str = "", dry_run: bool = False) -> RecurrenceOut:
        """Forget one."""
        found = self.show(who, recurrence)
        access.check(who, "recurrence.remove", owner=found.owner)
        if not dry_run:
            del self.kept[recurrence]
        return found.model_copy(update={"ended": True})

    def list(self, who: Principal, *, ended: bool = False) -> list[RecurrenceOut]:
        """Return those that are kept."""
        access.check(who, "recurrence.list", owner=who.user)
        return [each for each in self.kept.values() if not each.ended or ended]
