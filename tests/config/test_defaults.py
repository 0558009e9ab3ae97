"""Settings without any configuration: what they are, and what they cost."""

import pickle
import subprocess
import sys

import pytest

from haizea.config import Settings, load
from haizea.config.settings import SECTIONS, Scheduling
from haizea.config.table import BY_SECTION, OPTIONS, POLICIES, POLICY_ALIASES
from haizea.policy.registry import KINDS, available


def test_a_run_without_configuration_has_the_defaults() -> None:
    """Nothing given: aggressive backfilling, no preemption, no suspension, nothing transferred."""
    settings = load(environ={})
    assert settings == Settings()
    assert settings.scheduling.backfilling == "aggressive"
    assert settings.scheduling.policy_preemption == "no-preemption"
    assert settings.scheduling.suspension == "none"
    assert settings.general.lease_preparation == "unmanaged"
    assert settings.simulation.resources == "in-tracefile"


def test_every_option_stands_in_the_table_and_in_its_class() -> None:
    """The table of options and the classes of settings name the same options."""
    in_classes = {(section, name) for section, kind in SECTIONS.items() for name in kind.names()}
    assert {(option.section, option.attribute) for option in OPTIONS} == in_classes


def test_every_default_of_a_choice_is_allowed() -> None:
    """No default is a value that a file could not give."""
    wrong = [o.name for o in OPTIONS if o.kind == "choice" and o.default not in o.choices]
    wrong += [o.name for o in OPTIONS if o.kind == "policy" and o.default not in POLICIES[o.choices[0]]]
    assert wrong == []


def test_policies_are_those_that_can_be_loaded() -> None:
    """What the configuration allows and documents as built-in policies is what the registry has."""
    assert set(POLICIES) == set(KINDS)
    for kind in KINDS:
        built_in = [policy for policy in available(kind) if policy.source == "built-in"]
        assert dict(POLICIES[kind]) == {policy.name: policy.description for policy in built_in}
        assert dict(POLICY_ALIASES[kind]) == {alias: p.name for p in built_in for alias in p.aliases}


def test_settings_cannot_be_changed() -> None:
    """Settings are values: nobody changes them for somebody else."""
    with pytest.raises(AttributeError, match="suspend_rate"):
        Scheduling().suspend_rate = 1


def test_an_unknown_option_is_no_setting() -> None:
    """A misspelt option in code is a fault at once."""
    with pytest.raises(TypeError, match="suspendrate"):
        Scheduling(suspendrate=1)


def test_defaults_need_no_library() -> None:
    """Without a file, neither the parsers nor the table of options are imported."""
    program = (
        "import sys\nbefore = set(sys.modules)\nfrom haizea.config import load\nload(environ={})\n"
        "print(' '.join(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"msgspec", "tomllib", "configparser", "datetime", "dataclasses", "difflib", "json"}
    loaded = set(run.stdout.split())
    assert loaded & heavy == set()
    assert [name for name in loaded if name.startswith("haizea.config.")] != []
    assert "haizea.config.table" not in loaded


def test_sections_list_their_options_in_order() -> None:
    """Documentation and conversion follow the order of the table."""
    assert list(BY_SECTION) == list(SECTIONS)


@pytest.mark.parametrize("settings", [Settings(), load(sets=["policy.Mine.colour=red", "simulation.seed=3"])])
def test_settings_can_be_sent_to_another_process(settings: Settings) -> None:
    """What arrives is equal and knows where its values come from."""
    arrived = pickle.loads(pickle.dumps(settings))
    assert (arrived, dict(arrived.origins)) == (settings, dict(settings.origins))
