"""The entry point ``haizea``: starts the command and turns its faults into messages and exit statuses.

0 is success, 1 a fault of Haizea's own (with its traceback), 2 a fault in what it was given, 3 a schedule that
verification found wrong, 130 an interruption.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from haizea.cli.quick import Values

WRONG_INPUT: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141

_UNWRITTEN: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

_STDOUT: Final = "standard output"
_USER_FAULTS: Final = (
    ("haizea.config.errors", "ConfigError"),
    ("haizea.workloads.errors", "WorkloadError"),
    ("haizea.policy.protocols", "PolicyError"),
    ("haizea.experiments.data", "DataError"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(guarded(lambda: _dispatch(given)))


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] == "simulate" and "_HAIZEA_COMPLETE" not in os.environ:
        from haizea.cli import quick

        values = quick.parse(arguments[1:])
        if values is not None and values["workloads"]:
            return _simulate(values)
    from haizea.cli.commands import run_click

    return run_click(arguments)


def _simulate(values: "Values") -> int:
    import gc

    # What is loaded stays, and all there is goes with the process: cycles need not be looked for at either end.
    gc.disable()
    try:
        from haizea.cli.run import request_of, simulate

        return simulate(request_of(values), str(values["format"]), bool(values["quiet"]))
    finally:
        gc.freeze()
        gc.enable()


def guarded(action: Callable[[], int]) -> int:
    """Return an action's exit status, its faults told on standard error."""
    _open_streams()
    try:
        status = action()
        # What is still buffered belongs to the action: a reader that went away must be noticed here.
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("haizea: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return PIPE_CLOSED
    except OSError as error:
        # Whoever writes files has them named in the errors; only those of standard output name nothing.
        where = error.filename or (_STDOUT if error.errno in _UNWRITTEN else None)
        tell(f"{where}: {error.strerror}" if where else str(error))
        if where == _STDOUT:
            _close_stdout()
        return WRONG_INPUT
    except ValueError as error:
        if not _is_users_fault(error):
            raise
        tell(str(error))
        return WRONG_INPUT
    return status


def tell(message: str) -> None:
    """Write a message to standard error, each of its lines after ``haizea:``."""
    for line in message.splitlines():
        sys.stderr.write(f"haizea: {line}\n")


def _is_users_fault(error: ValueError) -> bool:
    # A class whose module was never imported cannot have been raised.
    for module, name in _USER_FAULTS:
        found = sys.modules.get(module)
        if found is not None and isinstance(error, getattr(found, name)):
            return True
    return False


def _open_streams() -> None:
    """Have all three standard streams be there, whoever started this may have closed them."""
    if sys.stdout is not None and sys.stderr is not None:
        return
    # Files that are opened must not get the numbers of standard streams: others write to those.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        from haizea.cli.closed import Closed

        sys.stdout = Closed()


def _close_stdout() -> None:
    # Python flushes standard output again as it ends, and would complain of the same fault.
    with suppress(UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
