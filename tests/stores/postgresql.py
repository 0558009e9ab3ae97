"""A private server of PostgreSQL for tests: its own folder, a Unix socket, nobody else on it, and durable."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest


def _binaries() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.skip("PostgreSQL's server is not installed")


class Server:
    """A server that can be stopped and started again."""

    def __init__(self) -> None:
        self._binaries = _binaries()
        # A socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="haizea-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            names = [entry.pw_name for entry in pwd.getpwall() if entry.pw_name in {"postgres", "nobody"}]
            if not names:
                pytest.skip("PostgreSQL does not run as root, and there is no other user to run it as")
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._data = self.folder / "data"
        self._run("initdb", "-D", str(self._data), "-U", "haizea", "-A", "trust", "--no-sync", "-E", "UTF8")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nfsync = on\n")
            file.write("max_connections = 60\nshared_buffers = 32MB\nlc_messages = 'C'\n")
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self._data), "-l", str(log))

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` breaks all connections, ``immediate`` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-t", "60", "-m", mode, "-D", str(self._data))

    def remove(self) -> None:
        """Stop it for good."""
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self) -> str:
        """Return the URL of the database, which is empty and has no connections. Making one anew takes much longer."""
        url = f"postgresql://haizea@/postgres?host={self.folder}"
        with self.connect(url) as connection:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return url

    def connect(self, url: str) -> psycopg.Connection[Any]:
        """Return a connection past the store, which commits every statement."""
        return psycopg.connect(url, autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            text=True,
            check=False,
            timeout=120,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            **self._as,
        )
        if done.returncode:
            pytest.fail(f"{program} failed: {done.stderr}")
