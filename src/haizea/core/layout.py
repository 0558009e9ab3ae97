"""The site as it is planned with, and sites as trees of what JSON has."""

from collections.abc import Mapping
from typing import Any

from haizea.model.resources import Capacity
from haizea.model.site import Host, Site


def planned_site(
    real: Site, overcommitted: Mapping[int, Mapping[str, int]], labels: Mapping[int, Mapping[str, str]]
) -> Site:
    """Return what is planned with: other amounts than hosts have, and the labels they were given by orders."""
    if not overcommitted and not labels:
        return real
    hosts = list(real.hosts)
    for number, percents in overcommitted.items():
        capacity = hosts[number].capacity
        amounts = [(name, amount * percents.get(name, 100) // 100) for name, amount in capacity.items()]
        hosts[number] = hosts[number]._replace(capacity=Capacity(amounts))
    for number, given in labels.items():
        hosts[number] = hosts[number]._replace(labels=dict(given))
    return Site(tuple(hosts), real.resource_types)


def site_document(site: Site) -> dict[str, Any]:
    """Return a site, as a tree of what JSON has."""
    hosts = [[host.name, dict(host.capacity.items()), dict(host.labels)] for host in site.hosts]
    return {"types": list(site.resource_types), "hosts": hosts}


def site_from(found: Mapping[str, Any]) -> Site:
    """Return the site that a document describes."""
    hosts = [Host(name, Capacity(capacity), labels) for name, capacity, labels in found["hosts"]]
    return Site(tuple(hosts), tuple(found["types"]))
