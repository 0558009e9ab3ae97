"""Writing results: the folder they are in, and errors, which do not say which file it was unless somebody does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def named(path: str) -> Iterator[None]:
    """Have an error of what is done to a file name it.

    Raises:
        OSError: as before, with the path, unless it names a file already.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


def make_folder(path: str) -> None:
    """Make a folder for results, if it is not there.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError as error:
        raise FileExistsError(error.errno, "is not a folder, and results are one; name another", path) from None
