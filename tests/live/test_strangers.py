"""VMs that are no lease's, and that are to be ignored."""

import pytest

from haizea.live.assembly import Care
from haizea.live.strangers import noticed
from haizea.model.resources import Capacity
from haizea.model.units import SECOND
from haizea.runtime.ports import Shown, Stranger
from tests.live.stage import SITE, Stage

USE = Capacity({"CPU": 100, "Memory": 512})
NAMED = Stranger("web", 0, USE, {"name": "web", "role": "monitor-1"})


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("role", True), ("role=monitor-1", True), ("role=monitor-*", True), ("role=", False), ("role=monitor", False),
        ("monitor-1", False), ("name=w*", True), ("*=web", False),
    ],
)  # fmt: skip
def test_a_label_says_who_is_ignored(pattern: str, ignored: bool) -> None:
    """A label alone, or with its value, or with a part of it; what it is called is not what it says."""
    found = Shown([NAMED], frozenset({3}))
    left = noticed(found, (pattern,))
    assert (left == [], left.away) == (ignored, found.away)


def test_who_is_ignored_takes_no_room_and_is_no_difference() -> None:
    """Others on the same host are counted as before."""
    stage = Stage(care=Care(ignored=("haizea=ignore",)))
    host = SITE.hosts[0].name
    stage.fate.put_stranger("monitor", host, USE, {"haizea": "ignore"})
    stage.after(60 * SECOND)
    assert stage.live.scheduler.desk.claims.strangers == {}
    reconciler = stage.live.assembly.reconciler
    assert all(row.agrees for row in reconciler.diff(stage.clock.now()).hosts)
    stage.fate.put_stranger("desktop", host, USE)
    stage.after(60 * SECOND)
    assert stage.live.scheduler.desk.claims.strangers == {0: USE}
    assert reconciler.diff(stage.clock.now()).hosts[0].strangers == ("desktop",)
