"""Notices that leave the machine: mail, by a mail server of the test's own, and a command."""

import asyncio
import json
import socketserver
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from haizea.app import couriers
from haizea.app.couriers import Couriers
from haizea.config import load
from haizea.config.errors import ConfigError
from haizea.runtime.rows import Entry, LeaseRow, UserRow
from haizea.stores.memory import MemoryStore

ENTRY = Entry(
    5, 3_600_000, "notice", 7, None, "haizea", "Lease 7 (evil\r\nBcc: eve@x) starts soon.", {"about": "start"}
)


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it gets; ``busy`` many connections are turned away first."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, busy: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.busy = busy
        self.mails: list[tuple[list[str], str]] = []


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        if self.server.busy:
            self.server.busy -= 1
            self.wfile.write(b"421 later\r\n")
            return
        self.wfile.write(b"220 here\r\n")
        to: list[str] = []
        while line := self.rfile.readline():
            word = line.split(b":")[0].split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    text += line
                self.server.mails.append((to, text.decode()))
            elif word == b"RCPT":
                to.append(line.decode().strip().partition(":")[2])
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")


@contextmanager
def mailbox(busy: int = 0) -> Iterator[Mailbox]:
    """Return a mail server that runs."""
    with Mailbox(busy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def store(mail: str = "") -> MemoryStore:
    """Return a store with lease 7 of ada's."""
    found = MemoryStore()
    with found.write() as transaction:
        transaction.put_user(UserRow("ada", "user", (), False, 0, "", mail))
        transaction.save_lease(LeaseRow(7, "AR", "ready", False, "ada", "", "evil", 1, 0, 0, 1, 1, {}))
    return found


def send(sets: tuple[str, ...], kept: MemoryStore, *entries: Entry) -> None:
    """Send entries as settings say."""
    sender = Couriers(load(sets=sets, environ={}).notices, kept, lambda job: None)

    async def run() -> None:
        for entry in entries:
            await sender.send(entry)

    asyncio.run(run())


def test_an_owner_gets_mail() -> None:
    """One mail, to the address the user has; what a lease is called cannot add a header."""
    with mailbox() as server:
        send((f"notices.smtp=127.0.0.1:{server.server_address[1]}",), store("ada@example.org"), ENTRY)
    ((to, text),) = server.mails
    assert to == ["<ada@example.org>"]
    head, _, body = text.partition("\r\n\r\n")
    assert "Subject: Lease 7 (evil Bcc: eve@x) starts soon." in head
    assert "\r\nDate: " in head
    assert not any(line.lower().startswith("bcc:") for line in head.split("\r\n"))
    assert "1970-01-01T01:00:00Z" in body


def test_who_has_no_address_has_one_in_the_sites_domain() -> None:
    """The user's name and the configured domain make one; without either there is no mail."""
    with mailbox() as server:
        smtp = f"notices.smtp=127.0.0.1:{server.server_address[1]}"
        send((smtp, "notices.mail-domain=example.net"), store(), ENTRY)
        send((smtp,), store(), ENTRY)
    assert [to for to, _ in server.mails] == [["<ada@example.net>"]]


def test_a_mail_server_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice turned away, the third time it works; one that never works is given up, and the next one is sent."""
    monkeypatch.setattr(couriers, "BACKOFF_S", 0.01)
    with mailbox(busy=2) as server:
        send((f"notices.smtp=127.0.0.1:{server.server_address[1]}",), store("ada@example.org"), ENTRY)
    assert len(server.mails) == 1
    with mailbox(busy=couriers.TRIES) as server:
        sets = (f"notices.smtp=127.0.0.1:{server.server_address[1]}",)
        send(sets, store("ada@example.org"), ENTRY, ENTRY._replace(number=6, text="the next"))
    assert ["Subject: the next" in text for _, text in server.mails] == [True]


def test_a_command_gets_the_notice_as_json(tmp_path: Path) -> None:
    """The program that the site has is run once, without a shell, and reads what happened."""
    script = tmp_path / "tell"
    script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told\necho >> {tmp_path}/told\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    requeued = ENTRY._replace(kind="lease-changed", data={"state": "queued"})
    failed = ENTRY._replace(number=9, kind="lease-changed", text="It failed.", data={"state": "failed"})
    send((f"notices.command={script}",), store("ada@example.org"), ENTRY, requeued, failed)
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [(each["number"], each["owner"], each["mail"]) for each in told] == [
        (5, "ada", "ada@example.org"),
        (9, "ada", "ada@example.org"),
    ]
    assert told[0]["data"] == {"about": "start"}


@pytest.mark.parametrize("wrong", ["mail.example.org", "mail:0", "mail:99999", ":25", "mail:x"])
def test_a_mail_server_has_a_host_and_a_port(wrong: str) -> None:
    """What cannot be connected to is refused at the start, not when the first notice is due."""
    with pytest.raises(ConfigError, match="host:port"):
        Couriers(load(sets=(f"notices.smtp={wrong}",), environ={}).notices, MemoryStore(), lambda job: None)


class _OnlyAtFirst(Couriers):
    """Is killed over the first notice."""

    async def send(self, entry: Entry) -> None:
        raise KeyboardInterrupt


class _Telling(Couriers):
    """Notes what it sends."""

    told: list[int]

    async def send(self, entry: Entry) -> None:
        self.told.append(entry.number)


def test_the_first_notices_are_sent_again_by_a_daemon_that_is_started_after_one_that_was_killed_over_them() -> None:
    """From where to send is kept before anything is sent."""
    kept, settings = store("ada@example.org"), load(sets=("notices.command=tell",), environ={}).notices

    def change(job: Callable[[Any], None]) -> None:
        with kept.write() as transaction:
            job(SimpleNamespace(transaction=transaction))

    killed = _OnlyAtFirst(settings, kept, change)
    asyncio.run(killed.round())
    with kept.write() as transaction:
        transaction.append([ENTRY._replace(number=1), ENTRY._replace(number=2)])
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(killed.round())
    again = _Telling(settings, kept, change)
    again.told = []
    assert asyncio.run(again.round()) == 2
    assert again.told == [1, 2]
