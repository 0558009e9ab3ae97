"""Which server is meant: what was said, the environment, the file of contexts, or the daemon of this user.

Contexts are named servers in ``~/.config/haizea/contexts.toml``, readable by their owner alone because they may hold
tokens::

    current = "site"

    [contexts.site]
    server = "https://haizea.example.org:42480"
    token = "…"
    cafile = "/etc/ssl/site.pem"
"""

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from haizea.client.addresses import parse_address, socket_path
from haizea.client.errors import BadAddress

FILE_BYTES_MAX: Final = 1 << 20
CONTEXTS_MAX: Final = 1_000
NAME_MAX: Final = 64
_KEYS: Final = ("server", "token", "cafile")


class Context(NamedTuple):
    """A server, who asks there (None: whoever the socket says), and whose certificates are believed."""

    server: str
    token: str | None = None
    cafile: str | None = None


class Contexts(NamedTuple):
    """What the file of contexts holds."""

    current: str | None
    contexts: Mapping[str, Context]


class Resolved(NamedTuple):
    """The server that is meant, and where that is said: an option, a variable, ``context NAME``, ``default``."""

    context: Context
    origin: str


def contexts_path(environ: Mapping[str, str]) -> str:
    """Return where contexts are kept."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(base, "haizea", "contexts.toml")


def resolve(environ: Mapping[str, str], *, server: str | None = None, context: str | None = None) -> Resolved:
    """Return the server that is meant.

    It is ``server``, else ``context``, else what ``HAIZEA_SERVER`` or ``HAIZEA_CONTEXT`` says, else the current
    context, else the socket of this user's daemon. ``HAIZEA_TOKEN`` and ``HAIZEA_CAFILE`` come before what the context
    says; a context's token goes to its own server only.

    Raises:
        BadAddress: two are named at once, there is no such context, or the file of contexts cannot be used.
    """
    if server is not None and context is not None:
        raise BadAddress("a server and a context are named at once", "give --server or --context, not both")
    found = _resolved(environ, server, context)
    parse_address(found.context.server)
    token = environ.get("HAIZEA_TOKEN") or found.context.token
    cafile = environ.get("HAIZEA_CAFILE") or found.context.cafile
    return found._replace(context=Context(found.context.server, token, cafile))


def _resolved(environ: Mapping[str, str], server: str | None, context: str | None) -> Resolved:
    if server is not None:
        return Resolved(Context(server), "--server")
    if context is None and environ.get("HAIZEA_SERVER"):
        return Resolved(Context(environ["HAIZEA_SERVER"]), "HAIZEA_SERVER")
    known = read_contexts(contexts_path(environ))
    name = context or environ.get("HAIZEA_CONTEXT") or known.current
    if name is None:
        return Resolved(Context(f"unix://{socket_path(environ)}"), "default")
    return Resolved(named(known, name), f"context {name}")


def named(known: Contexts, name: str) -> Context:
    """Return a context.

    Raises:
        BadAddress: there is none of this name.
    """
    if name not in known.contexts:
        there = ", ".join(known.contexts) or "there are none yet"
        raise BadAddress(f"there is no context {_shown(name)}", f"haizea context list shows them ({there})")
    return known.contexts[name]


def read_contexts(path: str) -> Contexts:
    """Read the file of contexts; where there is none, there are no contexts.

    Raises:
        BadAddress: it cannot be read, others may read it though it holds a token, or something in it is wrong.
    """
    import tomllib

    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return Contexts(None, {})
    except OSError as error:
        raise BadAddress(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise BadAddress(f"{path} has more than {FILE_BYTES_MAX:,} bytes")
    try:
        found = _checked(path, tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAddress(f"{path} is no TOML: {error}") from error
    if mode & 0o077 and any(context.token for context in found.contexts.values()):
        raise BadAddress(f"{path} holds a token and others may read or write it", f"chmod 600 {path}")
    return found


def _checked(path: str, document: Mapping[str, Any]) -> Contexts:
    unknown = set(document) - {"current", "contexts"}
    if unknown:
        raise BadAddress(f"{path}: unknown key {_shown(min(unknown))}", "it may hold: current, [contexts.NAME]")
    tables = document.get("contexts", {})
    if not isinstance(tables, dict) or len(tables) > CONTEXTS_MAX:
        raise BadAddress(f"{path}: contexts must be at most {CONTEXTS_MAX} tables [contexts.NAME]")
    contexts = {name: _context(path, name, table) for name, table in tables.items()}
    current = document.get("current")
    if current is not None and not isinstance(current, str):
        raise BadAddress(f"{path}: current must be the name of a context")
    return Contexts(current or None, contexts)


def _context(path: str, name: str, table: Any) -> Context:
    where = f"{path}: [contexts.{_shown(name)}]"
    check_name(name)
    if not isinstance(table, dict) or not isinstance(table.get("server"), str):
        raise BadAddress(f"{where} names no server", 'server = "https://host:42480"')
    for key, value in table.items():
        if key not in _KEYS or not isinstance(value, str):
            raise BadAddress(f"{where}: {_shown(key)} is wrong", f"texts {', '.join(_KEYS)}")
    try:
        parse_address(table["server"])
    except BadAddress as error:
        raise BadAddress(f"{where}: {error.detail}", error.remedy) from error
    return Context(table["server"], table.get("token") or None, table.get("cafile") or None)


def check_name(name: str) -> None:
    """Check that a text may be the name of a context.

    Raises:
        BadAddress: it may not.
    """
    if not (0 < len(name) <= NAME_MAX and name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise BadAddress(f"{_shown(name)} is no name for a context", "use up to 64 letters, digits, - and _")


def write_contexts(path: str, contexts: Contexts) -> None:
    """Write the file of contexts, whole or not at all, readable by its owner alone.

    Raises:
        BadAddress: it cannot be written.
    """
    lines = [] if contexts.current is None else [f"current = {_quoted(contexts.current)}", ""]
    for name, context in contexts.contexts.items():
        lines.append(f"[contexts.{name}]")
        pairs = zip(_KEYS, context, strict=True)
        lines += [f"{key} = {_quoted(value)}" for key, value in pairs if value is not None]
        lines.append("")
    part = f"{path}.{os.getpid()}.part"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise BadAddress(f"{path} cannot be written: {error.strerror}") from error


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for the delete character and lone surrogates.
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _shown(text: str) -> str:
    return ascii(text[:NAME_MAX])
