"""Which machine figures were measured on, and measuring apart from everything else."""

import multiprocessing
import os
import platform
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Linux counts KiB, macOS bytes.
_MAXRSS_BYTES: Final = 1 if sys.platform == "darwin" else 1024


def machine() -> dict[str, str | int | float]:
    """Return what figures depend on: interpreter, processors and how busy they are, whether Haizea is compiled."""
    from haizea.core import scheduler

    return {
        "haizea": "interpreted" if str(scheduler.__file__).endswith(".py") else "compiled",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2),
    }


def megabytes(usage: resource.struct_rusage) -> float:
    """Return the largest resident memory of a process, in MB (10**6 bytes)."""
    return usage.ru_maxrss * _MAXRSS_BYTES / 1e6


def own_megabytes() -> float:
    """Return the largest resident memory that this process had so far, in MB."""
    return megabytes(resource.getrusage(resource.RUSAGE_SELF))


def isolated(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a fresh process, where nothing is cached and memory counts from zero."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
