"""HTTP/1.1 to one server: a connection that is kept and renewed, with limits on time and size.

What calls mean is not known here. http.client (and with it the machinery of TLS and e-mail headers) takes longer to
import than the rest of the client, so this module is imported when the first call is made.
"""

import select
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from time import monotonic
from typing import Final, NamedTuple

from haizea.client.addresses import Address
from haizea.client.errors import (
    HOW_TO_START,
    BadAddress,
    BadAnswer,
    ConnectionBroken,
    HaizeaError,
    ServerGone,
    TimedOut,
)

READ_BYTES: Final = 1 << 16


class Answer(NamedTuple):
    """A whole answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.settimeout(self.timeout)
            found.connect(self._path)
        except BaseException:
            found.close()
            raise
        self.sock = found


class Wire:
    """The connection to one server. Not for several threads at once."""

    def __init__(self, address: Address, *, timeout_s: float, answer_bytes_max: int, cafile: str | None = None) -> None:
        """Name the server; nothing is sent yet. ``cafile`` holds the certificates that the server's must come from."""
        self._address = address
        self._timeout_s = timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._cafile = cafile
        self._connection: HTTPConnection | None = None

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send a request and return the whole answer.

        Raises:
            HaizeaError: there was none, or none that is accepted.
        """
        connection = self._ready()
        try:
            response = self._send(connection, method, path, headers, body)
            content = self._content(response)
        except BaseException as error:
            # An answer that was not read to its end would be taken for the next one's beginning.
            self.close()
            raised = self._named(error)
            if raised is None:
                raise
            raise raised from error
        found = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self.close()
        return Answer(response.status, found, content)

    def open(self, path: str, headers: Mapping[str, str], timeout_s: float) -> "Stream":
        """Ask for an answer without an end, on a connection of its own.

        Raises:
            HaizeaError: there was none.
        """
        connection = self._connected(timeout_s)
        try:
            return Stream(self, connection, self._send(connection, "GET", path, headers, None))
        except BaseException as error:
            connection.close()
            raised = self._named(error)
            if raised is None:
                raise
            raise raised from error

    def _send(
        self, connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> HTTPResponse:
        connection.request(method, path, body=body, headers={"Host": self._address.authority, **headers})
        return connection.getresponse()

    def _content(self, response: HTTPResponse) -> bytes:
        parts, size, wanted = [], 0, response.length
        until = monotonic() + self._timeout_s
        # read() would wait for each whole piece, and so for ever where somebody sends a byte now and then.
        while wanted is None or size < wanted:
            part = response.read1(READ_BYTES if wanted is None else min(READ_BYTES, wanted - size))
            if not part:
                break
            parts.append(part)
            size += len(part)
            if size > self._answer_bytes_max:
                raise BadAnswer(
                    f"the server {self._address} answered with more than {self._answer_bytes_max:,} bytes",
                    "ask for less at a time (limit)",
                )
            if monotonic() > until:
                raise TimeoutError
        if wanted is not None and size < wanted:
            raise IncompleteRead(b"")
        response.close()
        return b"".join(parts)

    def _ready(self) -> HTTPConnection:
        kept = self._connection
        if kept is not None and kept.sock is not None and not select.select([kept.sock], [], [], 0)[0]:
            return kept
        # Nothing is due on a connection between two calls: what is readable there is its end.
        self.close()
        self._connection = self._connected(self._timeout_s)
        return self._connection

    def _connected(self, timeout_s: float) -> HTTPConnection:
        address = self._address
        connection: HTTPConnection
        if address.scheme == "unix":
            connection = _UnixConnection(address.path, timeout_s)
        elif address.scheme == "https":
            connection = HTTPSConnection(address.host, address.port, timeout=timeout_s, context=self._trust())
        else:
            connection = HTTPConnection(address.host, address.port, timeout=timeout_s)
        try:
            connection.connect()
        except BaseException as error:
            connection.close()
            if isinstance(error, ssl.SSLError):
                raise self._untrusted(error) from error
            if isinstance(error, TimeoutError):
                raise TimedOut(f"no connection to {address} within {timeout_s:g} s") from error
            if isinstance(error, UnicodeError | ValueError):
                raise BadAddress(f"the server {address}: {error}") from error
            if isinstance(error, PermissionError):
                raise ServerGone(f"{address}: {error.strerror}", "the daemon's owner decides who may use it") from error
            if isinstance(error, OSError):
                raise ServerGone(f"nobody listens at {address}", HOW_TO_START) from error
            raise
        return connection

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._cafile)
        except OSError as error:
            raise BadAddress(f"the certificates in {self._cafile} cannot be read: {error.strerror or error}") from error

    def _untrusted(self, error: ssl.SSLError) -> HaizeaError:
        said = getattr(error, "verify_message", "") or error.reason or "no TLS"
        remedy = "name the file of its authority's certificates: haizea context add --cafile, or HAIZEA_CAFILE"
        return ServerGone(f"the server at {self._address} cannot be trusted: {said}", remedy)

    def _named(self, error: BaseException) -> HaizeaError | None:
        if isinstance(error, TimeoutError):
            return TimedOut(f"no answer from {self._address} within {self._timeout_s:g} s")
        if isinstance(error, OSError | EOFError | IncompleteRead):
            return ConnectionBroken(f"the connection to {self._address} broke before the answer came")
        if isinstance(error, HTTPException):
            name = type(error).__name__
            return BadAnswer(f"what listens at {self._address} does not answer as a Haizea server does ({name})")
        return None


class Stream:
    """An answer that is read line by line."""

    def __init__(self, wire: Wire, connection: HTTPConnection, response: HTTPResponse) -> None:
        """Take the answer and the connection it comes on."""
        self.status = response.status
        self.type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        self._wire = wire
        self._connection = connection
        self._response = response

    def line(self, bytes_max: int) -> bytes | None:
        """Return the next line with its end; None once the answer is over.

        Raises:
            HaizeaError: nothing came in time, the connection broke, or the line is longer than allowed.
        """
        try:
            line = self._response.readline(bytes_max + 1)
        except (OSError, HTTPException, ValueError) as error:
            raised = self._wire._named(error)
            raise (raised or ConnectionBroken("the stream of events broke")) from error
        if len(line) > bytes_max:
            raise BadAnswer(f"a line of more than {bytes_max:,} bytes in the stream of events")
        return line or None

    def rest(self, bytes_max: int) -> bytes:
        """Return what is left of an answer that is no stream after all, at most ``bytes_max`` bytes."""
        try:
            return self._response.read(bytes_max)
        except (OSError, HTTPException) as error:
            raise ConnectionBroken("the connection broke before the answer came") from error

    def close(self) -> None:
        """End the connection."""
        self._response.close()
        self._connection.close()
