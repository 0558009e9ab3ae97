"""Webhooks: who wants to be told of journal entries, and where that may be. Sending is not done here.

A webhook makes the daemon send requests to an address that a user names, so addresses are checked twice: when the
webhook is added, so that its owner is told, and, by :meth:`Targets.addresses`, each time before something is sent,
because names can be made to mean something else later. The sender must connect to one of the addresses it got there,
and must follow no redirection.
"""

import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from haizea.model.units import Instant
from haizea.runtime.changes import Change
from haizea.runtime.rows import WebhookRow
from haizea.service import access
from haizea.service.errors import Conflict, Invalid
from haizea.service.instants import iso
from haizea.service.ledger import Ledger, Present
from haizea.service.models import WebhookIn, WebhookOut
from haizea.service.principal import Principal
from haizea.service.reads import reading
from haizea.service.refusals import Attempt

EACH_MAX: Final = 16
"""How many webhooks a user may have."""

_URL_MAX: Final = 2_000
_PORTS: Final = {"http": 80, "https": 443}

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Iterable[str]]
"""Returns the addresses of a host's name; raises OSError where it has none."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses that the system knows for a host."""
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


class Targets:
    """Where webhooks may point."""

    def __init__(self, allowed: Sequence[str] = (), resolve: Resolve = resolve) -> None:
        """Allow what is on the public Internet, and the networks in ``allowed`` (``10.0.0.0/8``, ``::1``).

        Raises:
            ValueError: something in ``allowed`` is no network.
        """
        self._allowed: tuple[IPv4Network | IPv6Network, ...] = tuple([ip_network(each) for each in allowed])
        self._resolve = resolve

    def addresses(self, url: str) -> list[str]:
        """Return the addresses that something for this URL may be sent to, at least one.

        Raises:
            Invalid: the URL is none, is not for the web, or leads to where it must not.
        """
        parts = _parts(url)
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        try:
            found = [host] if _literal(host) else list(self._resolve(host, port))
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise _invalid(f"the host {host[:253]!r} has no address at the moment")
        for each in found:
            if not self._may(ip_address(each.partition("%")[0])):
                raise _invalid(
                    f"the host {host[:253]!r} is at {each}, which is not on the public Internet",
                    "Use a public address, or have an administrator allow that network for webhooks.",
                )
        return found

    def _may(self, address: Address) -> bool:
        if any(address in network for network in self._allowed):
            return True
        inner = _inner(address)
        if inner is not None:
            return self._may(inner)
        site_local = isinstance(address, IPv6Address) and address.is_site_local
        return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


class Webhooks:
    """The webhooks of all users."""

    def __init__(self, ledger: Ledger, clock: Callable[[], Instant], targets: Targets) -> None:
        """Take the parts."""
        self._ledger = ledger
        self._store = ledger.store
        self._clock = clock
        self._targets = targets

    def add(self, who: Principal, wanted: WebhookIn) -> WebhookOut:
        """Add a webhook of one's own, and return it with the secret that signs what is sent.

        Entries from now on are sent. The secret is shown this once.

        Raises:
            Invalid: nothing can, or may, be sent to that URL.
            Conflict: there are too many already.
        """
        with self._ledger.refusals.kept(who, Attempt("webhook.add")):
            access.check(who, "webhook.add", owner=who.user)
            self._targets.addresses(wanted.url)
            secret = secrets.token_urlsafe(32)

            def job(change: Change, present: Present) -> WebhookRow:
                with reading():
                    cursor = self._store.last_entry()
                if sum(row.owner == who.user for row in present.webhooks()) >= EACH_MAX:
                    raise Conflict(
                        f"{who.user} has {EACH_MAX} webhooks, and may not have more",
                        code="too-many-webhooks",
                        remedy="Remove one that is not needed any more.",
                    )
                number = present.new_webhook()
                kinds = tuple(sorted(set(wanted.kinds)))
                row = WebhookRow(number, who.user, wanted.url, secret, kinds, self._clock(), cursor, 0, False)
                present.put_webhook(row)
                # Of the URL only the host: paths of webhooks are often secrets themselves.
                text = f"webhook {number} to {urlsplit(wanted.url).hostname} added"
                change.note("webhook", who.user, text, data=_facts(row))
                return row

            return _shown(self._ledger.change(job), secret)

    def remove(self, who: Principal, webhook: int) -> None:
        """Remove a webhook.

        Raises:
            NotFound: there is none of that number, or it is another's.
        """
        with self._ledger.refusals.kept(who, Attempt("webhook.remove", about=f"webhook {webhook}")):

            def job(change: Change, present: Present) -> None:
                row = _find(present, webhook)
                what = f"webhook {webhook}"
                access.check(who, "webhook.remove", owner=row.owner if row else None, what=what)
                if row is None:
                    raise access.missing(what)
                present.delete_webhook(webhook)
                change.note("webhook", who.user, f"webhook {webhook} of {row.owner} removed", data=_facts(row))

            self._ledger.change(job)

    def rows(self) -> list[WebhookRow]:
        """Return all webhooks, secrets included: for whoever sends, not for clients."""
        with reading():
            return self._store.webhooks()

    def note(self, webhook: int, *, cursor: int, failures: int, disabled: bool = False) -> None:
        """Keep how far a webhook has come: for whoever sends. One that was removed meanwhile stays removed."""

        def job(change: Change, present: Present) -> None:
            row = _find(present, webhook)
            if row is None:
                return
            if disabled and not row.disabled:
                text = f"webhook {webhook} of {row.owner} disabled: {failures} deliveries failed in a row"
                change.note("webhook", "haizea", text, data=_facts(row))
            present.put_webhook(row._replace(cursor=cursor, failures=failures, disabled=disabled))

        self._ledger.change(job)

    def list(self, who: Principal) -> list[WebhookOut]:
        """Return the webhooks that ``who`` may see, without their secrets."""
        access.check(who, "webhook.list", owner=who.user)
        return [_shown(row) for row in self.rows() if access.may(who, "webhook.list", owner=row.owner)]


def _find(present: Present, webhook: int) -> WebhookRow | None:
    return next((row for row in present.webhooks() if row.id == webhook), None)


def _parts(url: str) -> SplitResult:
    """Return the parts of a URL that something can be sent to."""
    if len(url) > _URL_MAX:
        raise _invalid(f"expected at most {_URL_MAX} characters")
    if not url.isascii() or any(not "!" <= letter <= "~" or letter == "\\" for letter in url):
        raise _invalid("expected ASCII letters without spaces; write other letters as %XX, and hosts as xn--…")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid(f"not a URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise _invalid(f"expected http or https, not {parts.scheme[:32]!r}")
    if parts.username is not None or parts.password is not None:
        raise _invalid("a user and password have no place in it")
    if not parts.hostname or port == 0 or len(parts.hostname) > 253:
        raise _invalid("expected a host, and a port of 1 to 65535 where one is given")
    if parts.fragment:
        raise _invalid("a fragment (#…) is never sent, and has no place in it")
    return parts


def _literal(host: str) -> bool:
    """Whether a host is an address.

    Raises:
        Invalid: it looks like one but is not written in full: ``127.1`` and ``0x7f000001`` mean this machine to some.
    """
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if last.isdigit() or last.startswith("0x"):
            raise _invalid(f"{host[:253]!r} is not an address written in full") from None
        return False
    return True


def _inner(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


_NAT64: Final = IPv6Network("64:ff9b::/96")


def _invalid(what: str, remedy: str = "") -> Invalid:
    return Invalid(f"url: {what}", code="webhook-url", field="url", remedy=remedy)


def _facts(row: WebhookRow) -> dict[str, Any]:
    return {"webhook": row.id, "owner": row.owner}


def _shown(row: WebhookRow, secret: str | None = None) -> WebhookOut:
    return WebhookOut(
        id=row.id,
        owner=row.owner,
        url=row.url,
        kinds=list(row.kinds),
        created=iso(row.created),
        cursor=row.cursor,
        failures=row.failures,
        disabled=row.disabled,
        secret=secret,
    )
