"""Writing files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def replacing(path: str) -> Iterator[TextIO]:
    """Open a UTF-8 text file that takes the place of ``path`` once all is written; gzip where the name ends in ``.gz``.

    Where writing fails, ``path`` is as it was. What is not a regular file (``/dev/stdout``) is written directly.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8") as stream:
                yield stream
            return
        part = f"{path}.part"
        try:
            with _opened(part, path.endswith(".gz")) as stream:
                yield stream
            os.replace(part, path)
        except BaseException:
            if os.path.exists(part):
                os.unlink(part)
            raise
    except OSError as error:
        # What is said of a write does not name the file; what is said of the part would puzzle.
        if error.filename in (None, f"{path}.part"):
            raise OSError(error.errno, error.strerror, path) from error
        raise


@contextmanager
def _opened(path: str, compress: bool) -> Iterator[TextIO]:
    if not compress:
        with open(path, "w", encoding="utf-8") as stream:
            yield stream
        return
    import gzip
    from io import TextIOWrapper

    # Neither name nor time in the header: the same workload gives the same bytes.
    with (
        open(path, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8") as stream,
    ):
        yield stream
