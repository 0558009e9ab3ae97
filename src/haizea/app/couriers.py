"""Notices by mail and to a command: whoever a lease belongs to is told, and whatever program the site has.

The journal is followed from where it was left last time, so that a notice may be sent twice when the daemon ends in
between, and none is left out. One that cannot be sent is tried again for some minutes, and then given up with an
error, so that a mail server that is gone does not hold back what comes later for ever.
"""

import asyncio
import json
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import localtime
from typing import Any, Final, NamedTuple

import structlog

from haizea.config.errors import ConfigError
from haizea.config.settings import Notices as NoticeSettings
from haizea.core.reasons import instant
from haizea.model.reason import Cause
from haizea.runtime.changes import Change
from haizea.runtime.rows import Entry
from haizea.runtime.store import Store, StoreError
from haizea.service.errors import ServiceError

CURSOR: Final = "couriers-cursor"
KINDS: Final = ("notice", "lease-changed")
TOLD_STATES: Final = frozenset({"failed", "held", "cancelled", "rejected", "rejected-by-user"})
"""States of which owners are told; all else that matters is a notice."""
PAGE: Final = 100
POLL_S: Final = 1.0
TIMEOUT_S: Final = 30.0
TRIES: Final = 6
BACKOFF_S: Final = 5.0
OUTPUT_MAX: Final = 2_000


Keeping = Callable[[Callable[[Change], None]], None]


class Message(NamedTuple):
    """A notice for somebody. ``to`` is their address, empty where none is known."""

    entry: Entry
    owner: str
    to: str


class Couriers:
    """Sends what the journal says to owners of leases."""

    def __init__(
        self,
        settings: NoticeSettings,
        store: Store,
        change: Keeping,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
        apart: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        """``change`` has something kept, by the loop.

        ``rest`` waits for some seconds; ``apart`` does what blocks, in a thread of its own.

        Raises:
            ConfigError: the mail server is not written as host:port.
        """
        self._settings = settings
        self._store = store
        self._change = change
        self._rest = rest
        self._apart = apart
        self._cursor: int | None = None
        self._log = structlog.get_logger("haizea.notices")
        self._mail = None if settings.smtp is None else _address(settings.smtp)

    @property
    def wanted(self) -> bool:
        """Whether there is any way to send something."""
        return self._mail is not None or self._settings.command is not None

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        if not self.wanted:
            return
        while True:
            try:
                await self.round()
            except (StoreError, ServiceError) as problem:
                self._log.warning("notices wait for the store", problem=str(problem))
            await self._rest(POLL_S)

    async def round(self) -> int:
        """Send what has come since the last time, as far as it is looked at at once; return up to which entry.

        Raises:
            StoreError: the store is out of reach.
            ServiceError: how far it was sent could not be kept.
        """
        if self._cursor is None:
            self._cursor = await self._apart(self._begin)
        entries = await self._apart(self._read, self._cursor)
        for entry in entries:
            await self.send(entry)
        if entries:
            self._cursor = entries[-1].number
            await self._apart(self._keep, self._cursor)
        return self._cursor

    async def send(self, entry: Entry) -> None:
        """Send one entry every way there is."""
        message = await self._apart(self._message, entry)
        if message is None:
            return
        if self._mail is not None and message.to:
            await self._insist("mail", lambda: self._apart(self._send_mail, message), entry)
        if self._settings.command is not None:
            await self._insist("command", lambda: self._run_command(message), entry)

    async def _insist(self, way: str, deed: Callable[[], Any], entry: Entry) -> None:
        pause = BACKOFF_S
        for left in range(TRIES - 1, -1, -1):
            try:
                await deed()
            except (OSError, smtplib.SMTPException, TimeoutError, RuntimeError) as problem:
                if not left:
                    self._log.error("a notice is given up", way=way, entry=entry.number, problem=str(problem))
                    return
                self._log.warning("a notice is tried again", way=way, entry=entry.number, problem=str(problem))
                await self._rest(pause)
                pause *= 2
            else:
                return

    def _begin(self) -> int:
        kept: int | None = self._store.fact(CURSOR)
        if kept is not None:
            return kept
        # Kept before anything is sent: whoever is killed over the first notices sends them once more.
        last: int = self._store.last_entry()
        self._keep(last)
        return last

    def _read(self, cursor: int) -> list[Entry]:
        return self._store.entries(cursor, limit=PAGE, kinds=KINDS)

    def _keep(self, cursor: int) -> None:
        self._change(lambda change: change.transaction.set_fact(CURSOR, cursor))

    def _message(self, entry: Entry) -> Message | None:
        """Return what is to be sent of an entry, None where nobody is to be told of it."""
        ended = entry.data.get("cause") == Cause.CANCELLED.value
        told = entry.kind != "lease-changed" or ended or entry.data.get("state") in TOLD_STATES
        if entry.lease is None or not told:
            return None
        lease = self._store.lease(entry.lease)
        if lease is None:
            return None
        user = self._store.user(lease.owner)
        domain = self._settings.mail_domain
        own = "" if user is None else user.mail
        to = own or (f"{lease.owner}@{domain}" if domain and _is_local_part(lease.owner) else "")
        return Message(entry, lease.owner, to)

    def _send_mail(self, message: Message) -> None:
        settings, entry = self._settings, message.entry
        mail = EmailMessage()
        mail["From"], mail["To"] = settings.smtp_from, message.to
        # Names of leases are users' words: nothing of them may begin a header of its own.
        mail["Subject"] = " ".join(entry.text.split())[:200]
        domain = settings.smtp_from.rpartition("@")[2] or "localhost"
        # The day on which it is sent; when it happened, by the clock of the schedule, is in the text.
        mail["Date"] = localtime()
        mail["Message-ID"] = f"<haizea-{entry.number}-{entry.at}@{domain}>"
        mail.set_content(f"{entry.text}\n\nLease {entry.lease}, {instant(entry.at)}\n")
        assert self._mail is not None  # send() looked
        host, port = self._mail
        context = ssl.create_default_context()
        if settings.smtp_tls == "tls":
            with smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context) as server:
                server.send_message(mail)
            return
        with smtplib.SMTP(host, port, timeout=TIMEOUT_S) as server:
            if settings.smtp_tls == "starttls":
                server.starttls(context=context)
            server.send_message(mail)

    async def _run_command(self, message: Message) -> None:
        entry, command = message.entry, self._settings.command
        assert command is not None  # send() looked
        document = {
            "number": entry.number,
            "at": instant(entry.at),
            "kind": entry.kind,
            "lease": entry.lease,
            "owner": message.owner,
            "mail": message.to,
            "text": entry.text,
            "data": dict(entry.data),
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            command, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe, env={"PATH": "/usr/bin:/bin"}
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, errors = await process.communicate(json.dumps(document).encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            said = errors[-OUTPUT_MAX:].decode(errors="replace").strip()
            raise RuntimeError(f"{command} ended with status {process.returncode}: {said}")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigError(f"notices.smtp: expected host:port, such as mail.example.org:25, not {text!r}")
    return host.strip("[]"), int(port)


def _is_local_part(name: str) -> bool:
    """Whether a user's name can stand before the @ of an address as it is."""
    return bool(name) and all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in name)
