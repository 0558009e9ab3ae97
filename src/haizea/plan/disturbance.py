"""When something first comes between a host and the VMs that are put on it.

That is where capacity of the host is taken, and where a copy of a memory image from or to it begins or ends: a copy
takes nothing of what VMs need, but it is there for a lease that is about to come back.
"""

from collections.abc import Iterable

from haizea.model.units import FAR_FUTURE, Instant
from haizea.plan.lease import Copy
from haizea.plan.slottable import SlotTable


def first_disturbances(table: SlotTable, start: Instant, copies: Iterable[Copy]) -> dict[int, Instant]:
    """Return when each host, by the site's number, is first disturbed after an instant; never, where it is left out."""
    found: dict[int, Instant] = {}
    for copy in copies:
        at = copy.end if copy.start <= start else copy.start
        for host in (copy.origin, copy.destination):
            found[host] = min(found.get(host, FAR_FUTURE), at)
    packings = [timeline.packing for timeline in table.timelines]
    before = [timeline.state(start) for timeline in table.timelines]
    calm = [packing.every_host for packing in packings]
    for at, block, state in table.falls(start, FAR_FUTURE):
        packing = packings[block]
        fallen = calm[block] & ~packing.fits(state, before[block] & ~packing.guards)
        before[block] = state
        calm[block] ^= fallen
        for number in packing.members(fallen):
            host = table.host(block, number)
            found[host] = min(found.get(host, FAR_FUTURE), at)
    return found
