"""Requests from files: the ``lease`` element of Haizea 1.x, or the shape of the API's request as TOML or JSON."""

import sys
from collections.abc import Callable
from datetime import date, datetime, tzinfo
from typing import Any, Final

from haizea.cli.live.common import fail
from haizea.client.calls import decoded
from haizea.model.units import Instant

FILE_BYTES_MAX: Final = 1 << 20


def read_request(path: str, present: Callable[[], Instant], zone: tzinfo) -> dict[str, Any]:
    """Return the request that a file holds (``-``: standard input); what it is, its content says.

    Times in XML that name no zone are in ``zone``, spans in it count from ``present()``, as for any 1.x client.

    Raises:
        click.UsageError: the file cannot be read, or is none of the three.
    """
    text = _text(path)
    first = text.lstrip()[:1]
    if first == "<":
        return _from_xml(path, text, present(), zone)
    try:
        found = decoded(text.encode()) if first == "{" else _toml(text)
    except ValueError as error:
        fail(f"{path}: {'no JSON' if first == '{' else 'no TOML'}: {error}")
    if not isinstance(found, dict):
        fail(f"{path}: expected a table of what is requested: nodes, duration, start, …")
    return {name: _plain(value, zone) for name, value in found.items()}


def _text(path: str) -> str:
    try:
        if path == "-":
            content = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            fail(f"{path}: more than {FILE_BYTES_MAX:,} bytes, which no request has")
        return content.decode("utf-8-sig")
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{path}: expected UTF-8 text: XML, TOML or JSON")


def _toml(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _plain(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).isoformat()
    return str(value) if isinstance(value, date) else value


def _from_xml(path: str, text: str, now: Instant, zone: tzinfo) -> dict[str, Any]:
    # What the server itself reads such elements with; it takes longer to import than all of the client.
    from haizea.service.errors import Invalid
    from haizea.service.leasexml import request_from_xml

    try:
        return request_from_xml(text, now, zone).model_dump(mode="json", exclude_unset=True, exclude_none=True)
    except Invalid as error:
        fail(f"{path}: {error.detail}")
