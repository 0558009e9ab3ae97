"""Finding a lease on somebody's behalf, and showing it to them."""

from collections.abc import Sequence
from datetime import UTC, tzinfo

from haizea.runtime.rows import LeaseRow
from haizea.service import access
from haizea.service.leasexml import lease_to_xml
from haizea.service.live import Live
from haizea.service.models import LeaseOut
from haizea.service.principal import Principal
from haizea.service.reads import reading
from haizea.service.views import lease_out


class Lookup:
    """Reads leases; ``zone`` is what times of 1.x clients are in."""

    def __init__(self, live: Live, zone: tzinfo = UTC) -> None:
        self._live = live
        self._zone = zone

    def find(self, who: Principal, verb: str, lease: int) -> LeaseRow:
        """Return a lease that somebody may do something with.

        Raises:
            NotFound: there is none, or not for them.
            Forbidden: they may see it, but not do that.
        """
        with reading():
            row = self._live.store.lease(lease)
        what = f"lease {lease}"
        if row is None:
            access.check(who, "lease.list", owner=who.user)
            raise access.missing(what)
        access.check(who, verb, owner=row.owner, group=row.group, what=what)
        return row

    def show(self, who: Principal, lease: int) -> LeaseOut:
        """Return a lease."""
        return self.shown(who, self.find(who, "lease.show", lease))

    def shown(self, who: Principal, row: LeaseRow, names: Sequence[str] | None = None) -> LeaseOut:
        """Return a lease as somebody may see it; ``names`` are those of other hosts than there are."""
        private = not access.may(who, "lease.extra", owner=row.owner, group=row.group)
        return lease_out(row, self._live.names if names is None else names, private=private)

    def xml(self, lease: LeaseOut) -> str:
        """Return a lease as Haizea 1.x wrote it."""
        return lease_to_xml(lease, self._zone)
