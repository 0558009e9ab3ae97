"""A configured site that differs from the one that the store knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haizea.app.daemon import Parts, build
from haizea.config import load
from haizea.model.events import SiteChanged
from haizea.model.site import Site


@contextmanager
def daemon(folder: Path, site: str, warnings: list[str] | None = None) -> Iterator[Parts]:
    """A daemon of a site, from its start to its end."""
    told: list[str] = [] if warnings is None else warnings
    settings = load(sets=(f"store.url=sqlite:///{folder / 'haizea.db'}", f"live.site={site}"), environ={})
    parts = build(settings, warn=told.append)
    parts.engine.start()
    try:
        yield parts
    finally:
        parts.engine.stop()
        parts.store.close()
    assert warnings is not None or told == []


def hosts(parts: Parts) -> dict[str, int]:
    """Return the CPU of each host, after what was to be done has been done."""
    parts.engine.look(lambda _change: None)
    return {host.name: host.capacity["CPU"] for host in parts.engine.scheduler.desk.real.hosts}


def order(parts: Parts, site: Site) -> None:
    """Have the site be another one, by an order."""
    parts.engine.change(lambda change: change.hand_over(SiteChanged(change.now, site, "ann")))


def test_what_was_changed_in_the_configuration_is_taken_over(tmp_path: Path) -> None:
    """Hosts that are new are added, and those that have other amounts have them; they do at the next start too."""
    with daemon(tmp_path, "2 CPU:400 Memory:4096") as parts:
        assert hosts(parts) == {"host-1": 400, "host-2": 400}
    for _ in range(2):
        with daemon(tmp_path, "2 CPU:200 Memory:4096; 1 CPU:800 Memory:8192") as parts:
            assert hosts(parts) == {"host-1": 200, "host-2": 200, "host-3": 800}


def test_a_host_that_is_not_configured_any_more_stays_and_that_is_told(tmp_path: Path) -> None:
    """It may have leases, which somebody has to see to."""
    with daemon(tmp_path, "3 CPU:400 Memory:4096"):
        pass
    warnings: list[str] = []
    with daemon(tmp_path, "2 CPU:400 Memory:4096", warnings) as parts:
        assert hosts(parts) == {"host-1": 400, "host-2": 400, "host-3": 400}
    assert len(warnings) == 1
    assert "host-3" in warnings[0]


def test_what_was_ordered_about_the_site_stays_when_the_configuration_does(tmp_path: Path) -> None:
    """Hosts that were taken away by an order do not come back, and those that were added stay, with their numbers."""
    with daemon(tmp_path, "3 CPU:400 Memory:4096") as parts:
        site = parts.engine.scheduler.desk.real
        added = site.hosts[0]._replace(name="new")
        order(parts, site._replace(hosts=(site.hosts[0], site.hosts[2], added)))
        assert hosts(parts) == {"host-1": 400, "host-2": 0, "host-3": 400, "new": 400}
    with daemon(tmp_path, "3 CPU:400 Memory:4096") as parts:
        assert hosts(parts) == {"host-1": 400, "host-2": 0, "host-3": 400, "new": 400}
    with daemon(tmp_path, "4 CPU:400 Memory:4096") as parts:
        assert hosts(parts) == {"host-1": 400, "host-2": 0, "host-3": 400, "new": 400, "host-4": 400}
