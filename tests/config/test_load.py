"""Where settings come from: file, environment, --set, options; and what is told when something is wrong."""

from pathlib import Path

import pytest

from haizea.config import ConfigError, Override, load

FILE = """\
[scheduling]
backfilling = "conservative"
suspension = "all"
suspend-rate = 50
force-scheduling-threshold = "1h"
shutdown-time = 1.5

[simulation]
starttime = 2006-11-25T13:00:00Z
resources = "4 CPU:100 Memory:1024"
seed = 7

[accounting]
probes = ["ar", "best-effort"]
attributes = { profile = "easy" }

[policy.mine]
weight = 2.5
names = ["a", "b"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a configuration in TOML."""
    path = tmp_path / "haizea.toml"
    path.write_text(FILE)
    return path


def problems(path: Path | None, **layers: object) -> list[str]:
    """Return what is wrong with a configuration, the path left out of the messages."""
    with pytest.raises(ConfigError) as caught:
        load(None if path is None else str(path), **{"environ": {}, **layers})  # type: ignore[arg-type]
    return [problem.replace(str(path), "FILE") for problem in caught.value.problems]


def test_a_toml_file_is_read(file: Path) -> None:
    """Every kind of value arrives in the units of the core."""
    settings = load(str(file), environ={})
    assert settings.scheduling.backfilling == "conservative"
    assert settings.scheduling.suspend_rate == 50
    assert settings.scheduling.force_scheduling_threshold == 3_600_000
    assert settings.scheduling.shutdown_time == 1_500
    assert settings.simulation.starttime == 1_164_459_600_000
    assert settings.accounting.probes == ("ar", "best-effort")
    assert settings.accounting.attributes == {"profile": "easy"}
    assert settings.policy == {"mine": {"weight": 2.5, "names": ["a", "b"]}}
    assert settings.scheduling.resume_rate == 32


def test_a_later_layer_wins(file: Path) -> None:
    """File, then environment, then --set, then the option made for it; the origin of each is kept."""
    environ = {
        "HAIZEA_SCHEDULING__SUSPEND_RATE": "60",
        "HAIZEA_SIMULATION__SEED": "8",
        "HAIZEA_POLICY__MINE__WEIGHT": "3",
    }
    settings = load(
        str(file),
        environ=environ,
        sets=["simulation.seed=9", "simulation.resources=5 CPU:100 Memory:1024"],
        overrides=[Override("simulation.resources", "6 CPU:100 Memory:1024", "--site")],
    )
    assert settings.scheduling.suspend_rate == 60
    assert settings.simulation.seed == 9
    assert settings.simulation.resources == "6 CPU:100 Memory:1024"
    assert settings.policy["mine"] == {"weight": 3, "names": ["a", "b"]}
    assert settings.origins["scheduling.backfilling"] == f"{file}:2"
    assert settings.origins["scheduling.suspend-rate"] == "environment variable HAIZEA_SCHEDULING__SUSPEND_RATE"
    assert settings.origins["simulation.seed"] == "--set"
    assert settings.origins["simulation.resources"] == "--site"


def test_variables_of_other_programs_do_not_matter() -> None:
    """Only HAIZEA_SECTION__KEY is a setting."""
    environ = {"HAIZEA_HOME": "/x", "_HAIZEA_COMPLETE": "bash_source", "PATH": "/bin", "SCHEDULING__X": "1"}
    assert load(environ=environ) == load(environ={})


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Five mistakes in four places make five messages, each with its place."""
    path = tmp_path / "wrong.toml"
    path.write_text('[scheduling]\nbackfilling = "easy"\nsuspend-rte = 3\n\n[simulatoin]\nseed = 1\n')
    found = problems(path, environ={"HAIZEA_GENERAL__MODE": "real"}, sets=["oops"])
    assert [problem.split(";")[0] for problem in found] == [
        "--set 'oops': expected section.key=value",
        "FILE:2: scheduling.backfilling: 'easy' is not known",
        "FILE:3: scheduling.suspend-rte is not an option (did you mean 'suspend-rate'?)",
        "FILE:6: [simulatoin] is not a section (did you mean 'simulation'?)",
        "environment variable HAIZEA_GENERAL__MODE: general.mode: 'real' is not known",
    ]


def test_an_option_in_the_wrong_section_is_sent_to_its_own(tmp_path: Path) -> None:
    """The message names the section that has the option."""
    path = tmp_path / "wrong.toml"
    path.write_text('[general]\nsuspension = "all"\n')
    assert problems(path)[0].startswith("FILE:2: general.suspension is not an option (it belongs to [scheduling])")


def test_a_misspelt_variable_is_an_error() -> None:
    """A variable that was meant for Haizea is never silently without effect."""
    found = problems(None, environ={"HAIZEA_SCHEDULNG__BACKFILLING": "off"})
    assert found[0].startswith(
        "environment variable HAIZEA_SCHEDULNG__BACKFILLING: schedulng is not a section (did you mean 'scheduling'?)"
    )


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["scheduling.backfilling=intermediate"],
         "--set: scheduling.backfilling-reservations is needed where scheduling.backfilling is 'intermediate', "
         "and is missing"),
        (["simulation.stop-when=exact"],
         "--set: simulation.stop-when-time is needed where simulation.stop-when is 'exact', and is missing"),
        (["scheduling.policy-pricing=constant"],
         "--set: pricing.rate is needed where scheduling.policy-pricing is 'constant', and is missing"),
        (["scheduling.policy-pricing=random", "pricing.min-rate=2"],
         "--set: pricing.max-rate is needed where scheduling.policy-pricing is 'random', and is missing"),
        (["pricing.min-rate=2", "pricing.max-rate=1"], "--set: pricing.min-rate: 2 is more than pricing.max-rate, 1"),
    ],
)  # fmt: skip
def test_options_must_fit_one_another(sets: list[str], message: str) -> None:
    """What one option needs of another is checked before anything runs."""
    assert problems(None, sets=sets) == [message]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[scheduling]\nbackfilling = aggressive\n", "FILE: not a TOML file: Invalid value (at line 2, column 15)"),
        (b"seed = 1\n", "FILE: 'seed' stands outside a section; allowed: [section] before it"),
        (b"[policy]\nmine = 1\n", "FILE: policy.mine must be a table, [policy.mine], not 1"),
        (b"[general]\n\xff\xfe = 1\n", "FILE:2: not UTF-8 text, which a configuration must be"),
        (b"[multi]\n", "FILE: describes many runs ([multi]); this needs the configuration of one "
         "(haizea experiment runs them all)"),
        (b"[general]\nmode = true\n",
         "FILE:2: general.mode: True is not text; allowed: simulated, opennebula"),
        (b"[simulation]\nstarttime = 13:00:00\n", "FILE:2: simulation.starttime: datetime.time(13, 0) is not an instant"
         "; allowed: an instant such as 2006-11-25 13:00:00 or 2006-11-25T13:00:00Z (UTC where no zone is given), "
         "or none"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """One clear message, with the line where there is one."""
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    assert problems(path) == [message]


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    """The message says why the file cannot be read."""
    assert problems(tmp_path / "absent.toml") == ["FILE: cannot be read: No such file or directory"]
    assert problems(tmp_path) == ["FILE: cannot be read: Is a directory"]


def test_many_problems_are_cut() -> None:
    """A thousand mistakes do not fill the screen, but all can be had."""
    with pytest.raises(ConfigError) as caught:
        load(environ={}, sets=[f"scheduling.x{i}=1" for i in range(1000)])
    assert len(caught.value.problems) == 1000
    assert str(caught.value).splitlines()[-1] == "and 980 more problems"
