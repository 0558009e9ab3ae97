"""What stands in for a standard output that whoever started the command has closed."""

import errno
import os
from io import TextIOBase


class Closed(TextIOBase):
    """A stream on which nothing can be written, and which says so as the system does."""

    def write(self, text: str, /) -> int:
        """Refuse to write anything; nothing at all can be written anywhere.

        Raises:
            OSError: always, but for the empty text.
        """
        if text:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
        return 0
