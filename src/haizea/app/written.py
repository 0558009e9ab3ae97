"""Errors of writing files, which do not say which file unless somebody does."""

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
