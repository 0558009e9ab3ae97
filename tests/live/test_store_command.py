"""``haizea store``: an administrator looks after the store, as the handbook says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haizea.cli.commands import haizea
from tests.live.conftest import QUICK
from tests.live.nursery import Site
from tests.live.test_outages import promised, running
from tests.stores.postgresql import Server


@pytest.fixture
def used(tmp_path: Path) -> Site:
    """Return a site whose daemon has stopped, with a lease."""
    site = Site(tmp_path, f"sqlite:///{tmp_path}/haizea.db", QUICK)
    with running(site):
        promised(site, "one", start="now", duration=60)
    return site


def store(*words: str, text: str | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(haizea, ["store", *words], input=text)


def test_a_store_is_backed_up_and_restored(used: Site) -> None:
    """The restored one is sound and holds the same."""
    copy = used.folder / "backup"
    assert store("backup", str(copy), "--store", used.url).output == f"backed up to {copy}\n"
    again = f"sqlite:///{used.folder}/again.db"
    assert store("restore", str(copy), "--store", again).exit_code == 0
    checked = store("check", "--store", again)
    assert (checked.exit_code, checked.output) == (0, "the store is sound\n")
    exported = [store("export", "-", "--store", url).output.splitlines()[1:] for url in (used.url, again)]
    assert exported[0] == exported[1]
    assert "one" in "".join(exported[0])


def test_a_store_is_moved_to_postgresql(used: Site, server: Server) -> None:
    """What was exported can be imported there, wholly."""
    url = server.make()
    exported = store("export", "-", "--store", used.url).output
    rows = json.loads(exported.splitlines()[-1])["rows"]
    assert store("import", "-", "--store", url, text=exported).output == f"imported {rows} rows\n"
    assert store("check", "--store", url).output == "the store is sound\n"


def test_the_store_of_a_configuration_is_meant(used: Site) -> None:
    """Without a URL it is that of the daemon that is configured so."""
    file = used.folder / "haizea.toml"
    file.write_text(f'[store]\nurl = "{used.url}"\n')
    assert store("migrate", "--config", str(file)).output.startswith("the store is up to date: revision ")
    forgotten = store("prune", "--before", "in 1d", "--config", str(file))
    assert forgotten.output.startswith("forgot 0 leases")
    assert "0 entries" not in forgotten.output


def test_what_is_wrong_is_told_and_shows_in_the_status(used: Site) -> None:
    """A store that is not there, one that is damaged, one in use, and words that mean nothing."""
    nowhere = store("check", "--store", f"sqlite:///{used.folder}/nowhere.db")
    assert nowhere.exit_code == 1
    assert store("backup", "/tmp/x", "--store", f"sqlite:///{used.folder}/nowhere.db").exit_code == 3
    damaged = used.folder / "damaged.db"
    damaged.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    found = store("check", "--store", f"sqlite:///{damaged}")
    assert (found.exit_code, "damaged" in found.output) == (1, True)
    with running(used):
        assert store("check", "--store", used.url).exit_code == 0
        in_use = store("prune", "--before", "yesterday", "--store", used.url)
        assert (in_use.exit_code, "in use" in in_use.output) == (1, True)
    assert store("prune", "--before", "whenever", "--store", used.url).exit_code == 2
    assert store("check", "--store", "memory:").exit_code == 2
