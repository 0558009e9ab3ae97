"""Reading a workload of any format; the content decides which, not the name of the file."""

import os
from typing import TYPE_CHECKING, Final

from haizea.model.site import Site
from haizea.workloads.errors import WorkloadError
from haizea.workloads.source import EXPECTED_FILE, XML_BYTES_MAX, Source
from haizea.workloads.swf import DEFAULT_OPTIONS, SwfOptions, open_swf
from haizea.workloads.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

SWF_BYTES_MAX: Final = 16 << 30
"""Most bytes of a trace, unless the caller says otherwise: some two hundred million jobs."""

BLANK_PIECES_MAX: Final = 32
_BLANKS: Final = b" \t\r\n"
_XML_STARTS: Final = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def load(
    path: str | os.PathLike[str],
    *,
    site: Site | None = None,
    swf: SwfOptions = DEFAULT_OPTIONS,
    xml_bytes_max: int = XML_BYTES_MAX,
    swf_bytes_max: int = SWF_BYTES_MAX,
) -> Workload:
    """Read an LWF or SWF workload, plain or gzip. A ``site`` that is given replaces the workload's own.

    Sizes are limited after decompression. An LWF is in memory as a whole; an SWF is read while its requests are
    iterated, so that faults in its lines come to light only then.

    Raises:
        WorkloadError: the file is missing, unreadable, empty, too big, or in no format that is known.
    """
    with Source(path, max(xml_bytes_max, swf_bytes_max)) as source:
        start = _start(source)
        if start.startswith(_XML_STARTS):
            from haizea.workloads.lwf import read_lwf

            source.rewind(xml_bytes_max)
            workload = read_lwf(source)
        else:
            source.rewind(swf_bytes_max)
            workload = open_swf(source, swf)
    return workload if site is None else workload._replace(site=site)


def _start(source: Source) -> bytes:
    for piece in _pieces(source):
        if start := piece.lstrip(_BLANKS):
            return start
    raise WorkloadError(source.path, None, "the file is empty", EXPECTED_FILE)


def _pieces(source: Source) -> "Iterator[bytes]":
    # A file may begin with blanks, not with gigabytes of them.
    for _ in range(BLANK_PIECES_MAX):
        piece = source.read()
        if not piece:
            return
        yield piece
    raise WorkloadError(source.path, 1, "nothing but blanks at the beginning", EXPECTED_FILE)
