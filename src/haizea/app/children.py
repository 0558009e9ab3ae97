"""Processes that work for another one, and are not to outlive it."""

import os
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread

_ORPHANED = 1


def end_with_parent() -> None:
    """Have this process end as soon as the one that began it does, however that was ended. Called once, by a child."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent.sentinel,), name="parent", daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(_ORPHANED)
