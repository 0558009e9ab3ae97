"""Multi-configuration files: one file, many runs."""

from pathlib import Path

import pytest

from haizea.config import ConfigError
from haizea.config.multi import expand, is_multi, multi_to_toml

INI = """\
[multi]
tracedir: traces
tracefiles: a.lwf b.lwf
annotationdir: annotations
annotationfiles: x.lwfa
injectiondir: injections
injectionfiles: i.lwf
        j.lwf
datadir: results

[common:general]
mode: simulated

[common:scheduling]
suspension: all
suspend-rate: 50
backfilling: off

[easy:scheduling]
backfilling: aggressive

[all:scheduling]
backfilling: conservative

[all:accounting]
attributes: note=mine
"""

TOML = """\
[multi]
tracedir = "traces"
tracefiles = ["a.lwf", "b.lwf"]
annotationdir = "annotations"
annotationfiles = ["x.lwfa"]
injectiondir = "injections"
injectionfiles = ["i.lwf", "j.lwf"]
datadir = "results"

[common.general]
mode = "simulated"

[common.scheduling]
suspension = "all"
suspend-rate = 50
backfilling = "off"

[profile.easy.scheduling]
backfilling = "aggressive"

[profile.all.scheduling]
backfilling = "conservative"

[profile.all.accounting]
attributes = { note = "mine" }
"""


def written(folder: Path, text: str, name: str = "multi.conf") -> str:
    """Write a file and return its path."""
    (folder / name).write_text(text)
    return str(folder / name)


def test_there_is_a_run_for_each_combination(tmp_path: Path) -> None:
    """Two profiles, two traces, one annotation or none, two injections or none: twenty-four runs."""
    runs = expand(written(tmp_path, INI))
    assert len(runs) == 2 * 2 * 2 * 3
    assert len({run.name for run in runs}) == len(runs)
    assert [run.name for run in runs[:4]] == ["easy_a+i+x", "easy_a+j+x", "easy_a+x", "easy_a+i"]


def test_a_run_has_the_settings_of_its_profile_and_its_files(tmp_path: Path) -> None:
    """What is common holds unless the profile says otherwise; files and labels are put in."""
    run = next(run for run in expand(written(tmp_path, INI)) if run.name == "all_b+i+x")
    assert (run.profile, run.workload, run.annotations, run.injection) == (
        "all", "traces/b.lwf", "annotations/x.lwfa", "injections/i.lwf",
    )  # fmt: skip
    assert run.settings.scheduling.backfilling == "conservative"
    assert run.settings.scheduling.suspend_rate == 50
    assert run.settings.tracefile.tracefile == "traces/b.lwf"
    assert run.settings.accounting.datafile == "results/all_b+i+x.dat"
    assert run.settings.accounting.attributes == {
        "profile": "all", "tracefile": "traces/b.lwf", "annotationfile": "annotations/x.lwfa",
        "injectfile": "injections/i.lwf", "note": "mine",
    }  # fmt: skip


def test_runs_without_annotation_or_injection_can_be_skipped(tmp_path: Path) -> None:
    """The two switches leave out what they name."""
    both = INI.replace("[multi]\n", "[multi]\nskip-no-annotation: True\nskip-no-injection: yes\n")
    runs = expand(written(tmp_path, both))
    assert len(runs) == 2 * 2 * 1 * 2
    assert all(run.annotations and run.injection for run in runs)


def test_both_spellings_describe_the_same_runs(tmp_path: Path) -> None:
    """The TOML spelling means what the 1.x spelling means."""
    assert expand(written(tmp_path, TOML, "multi.toml")) == expand(written(tmp_path, INI))


def test_a_converted_file_describes_the_same_runs(tmp_path: Path) -> None:
    """Conversion keeps every run as it is."""
    source = written(tmp_path, INI)
    assert expand(written(tmp_path, multi_to_toml(source), "converted.toml")) == expand(source)


def test_files_that_differ_only_in_their_ending_get_names_of_their_own(tmp_path: Path) -> None:
    """No run overwrites the results of another."""
    text = "[multi]\ntracefiles: t.15days.lwf t.30days.lwf\n[p:general]\nmode: simulated\n"
    assert [run.name for run in expand(written(tmp_path, text))] == ["p_t", "p_t-2"]


def test_an_ordinary_file_is_not_one_of_many_runs(tmp_path: Path) -> None:
    """A file without [multi] says so."""
    path = written(tmp_path, "[general]\nmode: simulated\n")
    assert not is_multi(path)
    with pytest.raises(ConfigError, match="not a multi-configuration file"):
        expand(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[multi]\ntracefles: a\n[p:general]\n",
         r":2: multi\.tracefles is not an option \(did you mean 'tracefiles'\?\)"),
        ("[multi]\ntracefiles: a\nskip-no-injection: maybe\n[p:general]\n",
         r":3: multi\.skip-no-injection: 'maybe' is neither true nor false"),
        ("[multi]\ntracefiles: a\n", "describes no run"),
        ("[multi]\n[p:general]\nmode: simulated\n", "describes no run"),
        ("[multi]\ntracefiles: a\n[general]\nmode: simulated\n[p:general]\n",
         r"\[general\] is not a section of a multi-configuration"),
        ("[multi]\ntracefiles: a\n[p:general]\nmode: real\n", r":4: general\.mode: 'real' is not known"),
        ("[multi]\ntracefiles: a\n[../p:general]\nmode: simulated\n", "is not a profile's name"),
        ("[multi]\ntracefiles: " + "a " * 400 + "\ninjectionfiles: " + "b " * 400 + "\n[p:general]\nmode: simulated\n",
         "describes 160400 runs; at most 100000"),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, text: str, message: str) -> None:
    """Each names the file, the key and what is allowed."""
    with pytest.raises(ConfigError, match=message):
        expand(written(tmp_path, text))
