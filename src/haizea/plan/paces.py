"""How long operations take on hosts that were measured: the slowest of those that work together says how long.

Where a lease will be is not known while hosts are looked for. So it is looked for with the slowest rate of the site,
which every host meets; what is planned then goes by the rates of the hosts that were found, and never takes longer.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from haizea.model.rates import RESUME, SUSPEND, Rates
from haizea.model.resources import MEMORY
from haizea.model.units import Span, whole_seconds
from haizea.plan.need import Need
from haizea.plan.options import Exclusion, Options

_PACED: Final = frozenset({SUSPEND, RESUME})


class Paces:
    """What single hosts take for suspending and resuming."""

    def __init__(self, options: Options, rates: Rates) -> None:
        """``options`` have the slowest rates in them."""
        self._options = options
        self._suspend = {host: rate for (host, _image), rate in rates.of(SUSPEND).items()}
        self._resume = {host: rate for (host, _image), rate in rates.of(RESUME).items()}

    def suspending(self, need: Need, hosts: Sequence[int]) -> Span:
        """Return how long suspending all VMs takes, of which these are the hosts."""
        return self._all(self._suspend, need, need.suspend_vm, hosts)

    def resuming(self, need: Need, hosts: Sequence[int]) -> Span:
        """Return how long resuming all VMs takes, of which these are the hosts."""
        return self._all(self._resume, need, need.resume_vm, hosts)

    def _all(self, known: Mapping[int, int], need: Need, usual: Sequence[Span], hosts: Sequence[int]) -> Span:
        times: dict[int, Span] = {}
        overhead, first = self._options.enactment_overhead, 0
        for count, demand, slowest in zip(need.counts, need.demands, usual, strict=True):
            for host in hosts[first : first + count]:
                rate = known.get(host)
                time = slowest if rate is None else min(slowest, whole_seconds(demand[MEMORY], rate) + overhead)
                times[host] = times.get(host, 0) + time
            first += count
        spans = times.values()
        return sum(spans) if self._options.exclusion is Exclusion.GLOBAL else max(spans, default=0)


def paces_of(options: Options, rates: Rates) -> Paces | None:
    """Return the paces of hosts, None where all are alike: then nobody has to ask."""
    return Paces(options, rates) if any(each.kind in _PACED for each in rates.hosts) else None
