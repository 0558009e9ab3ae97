"""What is done at the start with a configured site that differs from the one that the store knows.

Hosts keep their numbers, so the site begins with those that were there. What was changed in the configuration since the
daemon ran last is taken over as if it had been ordered: hosts that are new, and hosts that have other amounts. What was
changed meanwhile, by orders or by the platform, stays. No host is taken away because it is not configured any more.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from haizea.live.engine import Engine
from haizea.live.records import site_document, site_from
from haizea.model.events import SiteChanged
from haizea.model.site import Host, Site
from haizea.runtime.store import Store, StoreError

CONFIGURED: Final = "configured-site"
"""The fact under which the store has the hosts as they were configured when the daemon started last."""


def merged(kept: Site | None, configured: Site) -> Site:
    """Return the hosts that were there, as they were, and behind them those that are configured and new."""
    if kept is None:
        return configured
    known = {host.name for host in kept.hosts}
    hosts = (*kept.hosts, *[host for host in configured.hosts if host.name not in known])
    return Site(hosts, tuple(dict.fromkeys([*kept.resource_types, *configured.resource_types])))


def follow(engine: Engine, store: Store, kept: Site | None, configured: Site, warn: Callable[[str], None]) -> None:
    """Have the scheduler take over what was changed in the configured site, when it starts.

    Raises:
        haizea.runtime.store.StoreError: the store cannot be used.
    """
    described = site_document(configured)
    last = site_from(store.fact(CONFIGURED)) or kept
    real = engine.scheduler.desk.real
    site = None if last is None else _changed(real, last, configured, warn)
    if site is None or site == real:
        if store.fact(CONFIGURED) != described:
            with store.write() as transaction:
                transaction.set_fact(CONFIGURED, described)
        return
    wanted = site

    def taken(done: Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        try:
            with store.write() as transaction:
                transaction.set_fact(CONFIGURED, described)
        except StoreError as problem:
            warn(f"the configured site will be taken over once more at the next start: {problem}")

    future = engine.inbox.put(
        lambda change: change.hand_over(SiteChanged(change.now, wanted, "the configuration")), writes=True
    )
    future.add_done_callback(taken)


def _changed(real: Site, last: Site, configured: Site, warn: Callable[[str], None]) -> Site:
    """Return a site with what is configured differently than last time."""
    before = {host.name: host for host in last.hosts}
    now = {host.name: host for host in configured.hosts}
    there = {host.name for host in real.hosts if len(host.capacity)}
    gone = sorted((before.keys() & there) - now.keys())
    if gone:
        warn(
            f"not configured any more, but still used: {', '.join(gone)}. To take hosts away use `haizea host remove`, "
            "which sees to their leases."
        )
    changed: dict[str, Host] = {name: host for name, host in now.items() if before.get(name) != host}
    hosts = [changed.pop(host.name, host) for host in real.hosts]
    types = dict.fromkeys([*real.resource_types, *[name for host in changed.values() for name in host.capacity]])
    return Site((*hosts, *changed.values()), tuple(types))
