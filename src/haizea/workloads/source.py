"""Reading the bytes of a workload file, plain or gzip, a piece at a time and never more than allowed."""

import os
import stat
import zlib
from types import TracebackType
from typing import IO, Final, Self

from haizea.workloads.errors import WorkloadError

PIECE: Final = 1 << 15
"""How many bytes are read at a time: little enough for what is made of them to stay in a processor's cache."""

XML_BYTES_MAX: Final = 512 << 20
"""Most bytes of an XML file, unless the caller says otherwise."""

EXPECTED_FILE: Final = "an LWF (XML) or SWF workload, plain or gzip"
_GZIP_MAGIC: Final = b"\x1f\x8b"


class Source:
    """The bytes of a file, gunzipped where the content is gzip, whatever the file is called."""

    __slots__ = ("_file", "_inflate", "_left", "_raw", "max_bytes", "path")

    def __init__(self, path: str | os.PathLike[str], max_bytes: int) -> None:
        """Open the file, of which at most ``max_bytes`` will be read, counted after decompression.

        Raises:
            WorkloadError: there is no such file, it cannot be opened, it is not a regular file, or it is plain and
                has more bytes.
        """
        self.path = os.fspath(path)
        self._file: IO[bytes] = _open(self.path)
        try:
            self.rewind(max_bytes)
        except BaseException:
            self._file.close()
            raise

    def rewind(self, max_bytes: int) -> None:
        """Go back to the beginning, allowing ``max_bytes`` from there on.

        Raises:
            WorkloadError: the file is plain and has more bytes, or cannot be read.
        """
        self.max_bytes = self._left = max_bytes
        self._file.seek(0)
        self._inflate: zlib._Decompress | None = None
        self._raw = self._more()
        if self._raw[:2] == _GZIP_MAGIC:
            self._inflate = zlib.decompressobj(31)
        elif os.fstat(self._file.fileno()).st_size > max_bytes:
            raise self._too_big()

    def read(self) -> bytes:
        """Return the next piece of at most :data:`PIECE` bytes; empty at the end.

        Raises:
            WorkloadError: the file cannot be read, is damaged or truncated gzip, or has more bytes than allowed.
        """
        if self._inflate is None:
            piece, self._raw = self._raw or self._more(), b""
        else:
            piece = self._gunzip()
        self._left -= len(piece)
        if self._left < 0:
            raise self._too_big()
        return piece

    def _gunzip(self) -> bytes:
        while True:
            inflate = self._inflate
            assert inflate is not None
            raw = self._raw or self._more()
            if inflate.eof:
                raw = raw.lstrip(b"\0")
                if not raw and not (raw := self._more()):
                    return b""
                inflate = self._inflate = zlib.decompressobj(31)
            try:
                piece = inflate.decompress(raw, PIECE)
            except zlib.error as error:
                raise WorkloadError(self.path, None, f"damaged gzip data ({error})", "a whole gzip file") from error
            self._raw = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            if piece:
                return piece
            if not raw and not inflate.eof:
                raise WorkloadError(self.path, None, "the gzip data ends in the middle", "a whole gzip file")

    def _more(self) -> bytes:
        try:
            return self._file.read(PIECE)
        except OSError as error:
            raise WorkloadError(self.path, None, f"cannot be read ({error.strerror})", EXPECTED_FILE) from error

    def _too_big(self) -> WorkloadError:
        return WorkloadError(self.path, None, "the file is too big", f"at most {self.max_bytes} bytes, gunzipped")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def _open(path: str) -> IO[bytes]:
    try:
        # A named pipe with no writer would block for ever when it is opened.
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise WorkloadError(path, None, "is a directory", EXPECTED_FILE)
        if not stat.S_ISREG(mode):
            raise WorkloadError(path, None, "is not a regular file", EXPECTED_FILE)
        return open(path, "rb", buffering=0)
    except FileNotFoundError as error:
        raise WorkloadError(path, None, "there is no such file", EXPECTED_FILE) from error
    except OSError as error:
        raise WorkloadError(path, None, f"cannot be opened ({error.strerror})", EXPECTED_FILE) from error
    except ValueError as error:
        if isinstance(error, WorkloadError):
            raise
        raise WorkloadError(path, None, f"is not a file name ({error})", EXPECTED_FILE) from error
