"""Threads for work that may never come back, and work in order."""

import threading
import time
from collections.abc import Callable

import pytest

from haizea.backends.libvirt.crew import Abandoned, Crew, Lanes, workers


def test_nobody_waits_for_work_that_was_abandoned() -> None:
    """When a crew is abandoned, whoever waits is told at once, even for work that hangs."""
    crew = workers("t", 1)
    never, begun = threading.Event(), threading.Event()

    def hang(_none: None) -> None:
        begun.set()
        never.wait(10)

    hanging, waiting = crew.submit(hang), crew.submit(lambda _none: None)
    begun.wait(5)
    crew.abandon("the host is gone")
    for future in (hanging, waiting, crew.submit(lambda _none: None)):
        with pytest.raises(Abandoned, match="the host is gone"):
            future.result(1)
    never.set()
    assert crew.wait(5)


def test_each_thread_has_its_own() -> None:
    """What threads work with is never shared, is made when it is needed, and made anew where it is not fit any more."""
    lock, given, using, broken = threading.Lock(), iter(range(1000)), set[int](), set[int]()
    back: list[int] = []

    def enter() -> int:
        with lock:
            return next(given)

    def use(number: int) -> int:
        with lock:
            assert number not in using
            using.add(number)
        time.sleep(0.001)
        with lock:
            using.discard(number)
        return number

    def spoil(number: int) -> None:
        broken.add(number)
        raise ValueError(number)

    crew = Crew("t", 4, enter, back.append, lambda number: number not in broken)
    assert {future.result(5) for future in [crew.submit(use) for _ in range(100)]} <= {0, 1, 2, 3}
    for _ in range(20):
        with pytest.raises(ValueError, match=r"^\d+$"):
            crew.submit(spoil).result(5)
    crew.abandon("over")
    assert crew.wait(5)
    assert sorted(back) == list(range(next(given)))


def test_lanes_keep_their_order_and_do_not_wait_for_each_other() -> None:
    """Work with one key is done in order; a key whose work hangs holds up no other one."""
    crew, lanes = workers("t", 8), Lanes()
    free = threading.Event()
    done: list[tuple[str, int]] = []

    def hang() -> None:
        free.wait(10)

    lanes.put("hangs", crew, hang)

    def note(key: str, number: int) -> Callable[[], None]:
        return lambda: done.append((key, number))

    for number in range(200):
        for key in ("a", "b", "hangs"):
            lanes.put(key, crew, note(key, number))
    end = time.monotonic() + 5
    while len(done) < 400 and time.monotonic() < end:
        time.sleep(0.01)
    assert lanes.busy("hangs")
    for key in ("a", "b"):
        assert [n for k, n in done if k == key] == list(range(200))
    free.set()
    while lanes.busy("hangs") and time.monotonic() < end:
        time.sleep(0.01)
    assert [n for k, n in done if k == "hangs"] == list(range(200))
