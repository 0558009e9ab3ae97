"""A daemon killed at any moment loses, doubles and changes nothing that it acknowledged, and comes back by itself."""

import os

from tests.live.crashing import crash_at_labels, crash_at_random
from tests.live.nursery import LABELS, START_LABELS, Site

KILLS = int(os.environ.get("HAIZEA_TEST_KILLS", "12"))


def test_killed_at_every_labelled_point(site: Site) -> None:
    """Wherever within a step it is killed: what was acknowledged is there once, and what should run runs."""
    outcome = crash_at_labels(site, counts=(4,))
    assert outcome.kills == len(LABELS) + len(START_LABELS)
    assert outcome.acknowledged == outcome.requests > outcome.kills


def test_killed_at_random_moments(site: Site) -> None:
    """The same at moments that nobody chose."""
    outcome = crash_at_random(site, KILLS, seed=1)
    assert outcome.acknowledged == outcome.requests > KILLS
