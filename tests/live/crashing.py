"""Killing a daemon again and again while clients use it, and looking each time whether everything is as was said."""

import random
from collections.abc import Callable
from typing import NamedTuple

from haizea.stores import open_store
from tests.live.load import Load, answers
from tests.live.nursery import LABELS, START_LABELS, Running, Site, Stop
from tests.live.truth import kept, once, recovered, unsettled, whole


class Outcome(NamedTuple):
    """What a series of crashes came to: how often it was killed, and what was asked and acknowledged meanwhile."""

    kills: int
    requests: int
    acknowledged: int
    cancelled: int
    retried: int


def crash_at_labels(site: Site, counts: tuple[int, ...]) -> Outcome:
    """Kill the daemon at every labelled point, when it has been passed so many times."""
    stops = [Stop(label, count) for count in counts for label in LABELS]
    stops += [Stop(label, 0) for label in START_LABELS]
    return _series(site, 11, len(stops), lambda number: (stops[number], 20.0))


def crash_at_random(site: Site, kills: int, seed: int, told: Callable[[int], None] = lambda _number: None) -> Outcome:
    """Kill the daemon at random moments; ``told`` hears how many have been so far."""
    moment = random.Random(seed)

    def choose(number: int) -> tuple[None, float]:
        told(number)
        return None, moment.uniform(0.0, 0.4)

    return _series(site, seed, kills, choose)


def _series(site: Site, seed: int, kills: int, choose: Callable[[int], tuple[Stop | None, float]]) -> Outcome:
    load = Load(site.socket, seed)
    for number in range(kills):
        stop, runs_s = choose(number)
        _crash(site, load, stop, runs_s)
        _look(site, load)
    daemon = Running(site)
    try:
        assert daemon.wait(lambda: answers(site.socket)), daemon.log()
        load.settle()
    finally:
        daemon.stop()
    _look(site, load, everything=True)
    whole(site)
    assert load.refusals == []
    acknowledged = [promise for promise in load.promises if promise.lease is not None]
    cancelled = [promise for promise in acknowledged if promise.cancelled]
    assert len(acknowledged) == len(load.promises)
    return Outcome(kills, len(load.promises), len(acknowledged), len(cancelled), load.retried)


def _crash(site: Site, load: Load, stop: Stop | None, runs_s: float) -> None:
    """Start the daemon, have clients use it, and kill it, or have it killed at a labelled point."""
    daemon = Running(site, stop)
    try:
        if daemon.wait(lambda: answers(site.socket)):
            load.go()
            daemon.process.join(runs_s)
        assert stop is None or not daemon.process.is_alive(), f"{stop} was never passed; {daemon.log()}"
    finally:
        daemon.kill()
        load.pause()
    assert daemon.process.exitcode == -9, daemon.log()


def _look(site: Site, load: Load, *, everything: bool = False) -> None:
    recovered(site)
    store = open_store(site.url, read_only=True)
    try:
        kept(store, load.promises if everything else unsettled(load))
        if everything:
            once(store, load.promises)
    finally:
        store.close()
