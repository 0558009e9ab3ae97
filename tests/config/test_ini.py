"""INI files of Haizea 1.x: every option and every rule of the dialect."""

from pathlib import Path

import pytest

from haizea.config import ConfigError, Settings, load
from haizea.config.ini import read_ini
from haizea.config.options import to_options
from tests.config.complete import COMPLETE


def read(tmp_path: Path, text: str, name: str = "haizea.conf") -> Settings:
    """Return the settings that a file of this text gives."""
    path = tmp_path / name
    path.write_text(text)
    return load(str(path), environ={})


def test_every_option_of_1x_is_accepted(tmp_path: Path) -> None:
    """A file with all of them gives all of them, in the units of the core."""
    settings = read(tmp_path, COMPLETE)
    assert len(settings.origins) == len([line for line in COMPLETE.splitlines() if ": " in line])
    scheduling, simulation, deploy = settings.scheduling, settings.simulation, settings.deploy_imagetransfer
    assert settings.general.persistence_file is None
    assert (scheduling.suspend_rate, scheduling.resume_rate) == (32, 50)
    assert scheduling.policy_host_selection == "first-fit"
    assert scheduling.force_scheduling_threshold == 60_000
    assert simulation.starttime == 1_164_459_600_000
    assert simulation.resources == "4 CPU:100 Memory:1024"
    assert simulation.stop_when_time == 86_400_000
    assert simulation.status_message_interval == 15 * 60_000
    assert simulation.sanity_check is False
    assert deploy.avoid_redundant_transfers is False
    assert settings.tracefile.override_memory is None
    assert settings.accounting.probes == ("ar", "best-effort", "immediate", "cpu-utilization")
    assert settings.accounting.attributes == {"profile": "easy", "site": "small"}
    assert settings.opennebula.dry_run is True
    assert settings.pricing.rate == 0.1


@pytest.mark.parametrize("name", ["haizea.conf", "haizea.ini", "haizea", "haizea.txt"])
def test_the_content_tells_the_dialect(tmp_path: Path, name: str) -> None:
    """Whatever it is called, a 1.x file is one, and a TOML file another."""
    ini = read(tmp_path, "[scheduling]\nbackfilling: off\nsuspend-rate: 50\n", name)
    toml = read(tmp_path, '[scheduling]\nbackfilling = "off"\nsuspend-rate = 50\n', name)
    assert ini == toml
    assert ini.scheduling.backfilling == "off"


def test_a_number_of_minutes_stays_minutes_only_in_1x_files(tmp_path: Path) -> None:
    """status-message-interval counts minutes in a 1.x file, seconds everywhere else."""
    ini = read(tmp_path, "[simulation]\nstatus-message-interval: 2\n")
    toml = read(tmp_path, "[simulation]\nstatus-message-interval = 2\n", "haizea.toml")
    assert ini.simulation.status_message_interval == 120_000
    assert toml.simulation.status_message_interval == 2_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[a]\nkey: v\n", "v"),
        ("[a]\nkey=v\n", "v"),
        ("[a]\nKEY = v\n", "v"),
        ("[a]\nkey: v=w:x\n", "v=w:x"),
        ("[a]\nkey: v ; a comment\n", "v"),
        ("[a]\nkey: v;w\n", "v;w"),
        ("[a]\nkey: ; a comment\n", ""),
        ('[a]\nkey: ""\n', ""),
        ("# x\n; y\nrem z\n[a]\nkey: v\n", "v"),
        ("[a]\nkey: v\n  w\n", "v\nw"),
        ("[a]\nkey: u\n# between\nkey: v\n", "v"),
        ("[a]\nother: v\nkey: %(other)s\n", "v"),
        ("[DEFAULT]\nother: v\n[a]\nkey: %(OTHER)s/%(other)s\n", "v/v"),
        ("[a]\nkey: 5%\n", "5%"),
        ("[a]\r\nkey: v\r\n", "v"),
        ("[a]\nx: 1\n[b]\n[a]\nkey: v\n", "v"),
    ],
)
def test_the_dialect_has_the_rules_of_1x(text: str, value: str) -> None:
    """Comments, continuation, interpolation, case and repetition are those of Haizea 1.x."""
    assert read_ini(text, "FILE")["a"]["key"].value == value


def test_defaults_reach_the_sections_that_know_them(tmp_path: Path) -> None:
    """What [DEFAULT] says holds in each section that has the option, and is no error elsewhere."""
    settings = read(tmp_path, "[DEFAULT]\nseed: 3\nbase: x\n[simulation]\nclock: simulated\n[pricing]\nrate: 1\n")
    assert settings.simulation.seed == 3
    assert settings.pricing.seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key: v\n", "FILE:1: expected [section] before the first option, found 'key: v'"),
        ("[general\n", "FILE:1: expected a section written [name], found '[general'"),
        ("[general]\nnonsense\n", "FILE:2: expected option: value, found 'nonsense'"),
        ("[general]\nlogfile: %(nobody)s\n",
         "FILE:2: general.logfile: '%(nobody)s' names no option of this section"),
        ("[general]\nlogfile: %(logfile)s\n",
         "FILE:2: general.logfile: %(…)s refers to itself, or is nested deeper than 10"),
        ("[General]\nmode: simulated\n",
         "FILE:2: [General] is not a section (did you mean 'general'?); allowed: general, scheduling, simulation, "
         "deploy-imagetransfer, tracefile, accounting, opennebula, server, store, live, notices, libvirt, pricing, "
         "policy.NAME"),
        ("[general]\nmode: simulation\n",
         "FILE:2: general.mode: 'simulation' is not known (did you mean 'simulated'?); allowed: simulated, opennebula"),
        ("[empty]\n",
         "FILE: [empty] is not a section; allowed: general, scheduling, simulation, "
         "deploy-imagetransfer, tracefile, accounting, opennebula, server, store, live, notices, libvirt, pricing, "
         "policy.NAME"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    """One line that says what is wrong and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value).replace(str(tmp_path / "haizea.conf"), "FILE") == message


def test_the_configurations_of_the_known_schedules_are_read(shared: Path) -> None:
    """Every configuration of the cases beside the repository is accepted and gives rules for the planner."""
    files = sorted((shared / "cases").glob("*/haizea.conf"))
    assert files
    for file in files:
        options = to_options(load(str(file), environ={}))
        assert options.migration_bandwidth == 100
