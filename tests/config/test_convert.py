"""Writing settings: what is written reads back the same."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.config import ConfigError, Settings, load
from haizea.config.layers import Entry, build
from haizea.config.reference import reference
from haizea.config.spans import SPAN_MAX
from haizea.config.table import OPTIONS, POLICIES, Option
from haizea.config.write import effective, effective_toml, format_value, to_ini, to_toml
from tests.config.complete import COMPLETE

TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda t: t.strip() == t and t.lower() != "none"
)
NAME = st.text("abcXYZ019-_.", min_size=1, max_size=8)


def values(option: Option) -> st.SearchStrategy[Any]:
    """Return the values that an option may have in a TOML file."""
    low, high = int(option.low or 0), int(option.high or 10**6)
    each: dict[str, st.SearchStrategy[Any]] = {
        "text": TEXT,
        "path": TEXT,
        "choice": st.sampled_from(option.choices or ("",)),
        "policy": st.sampled_from(list(POLICIES.get((option.choices or ("",))[0], ()))) | st.just("a.b:C")
        if option.kind == "policy"
        else st.nothing(),
        "mode": st.integers(0o600, 0o777).filter(lambda mode: mode & 0o600 == 0o600).map("{:04o}".format),
        "boolean": st.booleans(),
        "integer": st.integers(max(low, 0), high),
        "number": st.floats(max(low, option.low or 0), high).map(lambda x: round(x, 3)),
        "span": st.integers(max(1, round((option.low or 0) * 1000)), SPAN_MAX).map(lambda ms: f"{ms}ms"),
        "instant": st.datetimes().filter(lambda d: d.year >= 1970).map(lambda d: d.replace(microsecond=0)),
        "site": st.sampled_from(["in-tracefile", "4 CPU:100 Memory:1024", "1 CPU:1 Memory:1 X:0"]),
        "words": st.lists(st.sampled_from(option.choices or ("a", "b.c")), max_size=3),
        "pairs": st.dictionaries(TEXT, TEXT, max_size=3),
    }
    return each[option.kind] | st.just("none") if option.optional else each[option.kind]


FREE = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def settings_of(draw: st.DrawFn) -> Settings:
    """Draw settings as a file could give them."""
    chosen = draw(st.lists(st.sampled_from(OPTIONS), unique=True, max_size=12))
    entries = [Entry(option.section, option.key, draw(values(option)), "drawn") for option in chosen]
    for name in draw(st.lists(NAME, unique=True, max_size=2)):
        table = draw(st.dictionaries(st.text(min_size=1, max_size=5), FREE, min_size=1, max_size=2))
        entries += [Entry(f"policy.{name}", key, value, "drawn") for key, value in table.items()]
    return build(entries, None, check=False)


def read_toml(folder: Path, text: str) -> Settings:
    """Return the settings that a TOML file gives, without asking whether they fit one another."""
    from haizea.config.document import read_document
    from haizea.config.layers import file_entries

    path = folder / "converted.toml"
    path.write_text(text, encoding="utf-8")
    return build(file_entries(read_document(str(path))), None, check=False)


@given(settings=settings_of())
def test_what_is_written_as_toml_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> None:
    """Any settings, tables for users' policies included; with the defaults left out or written out."""
    assert read_toml(tmp_path_factory.mktemp("toml"), to_toml(settings)) == settings
    assert read_toml(tmp_path_factory.mktemp("effective"), effective_toml(settings)) == settings


@given(settings=settings_of())
def test_what_is_written_as_ini_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> None:
    """What a 1.x file cannot hold is refused, everything else comes back."""
    settings = Settings({name: vars(settings.section(name)) for name in ("general", "scheduling", "simulation")})
    try:
        text = to_ini(settings)
    except ConfigError as error:
        assert "cannot be written in a file of Haizea 1.x" in str(error)  # noqa: PT017 (either outcome is right)
        return
    path = tmp_path_factory.mktemp("ini") / "written.conf"
    path.write_text(text, encoding="utf-8")
    from haizea.config.document import read_document
    from haizea.config.layers import file_entries

    assert build(file_entries(read_document(str(path))), None, check=False) == settings


def test_a_complete_1x_file_becomes_commented_toml(tmp_path: Path) -> None:
    """Every option stands below a comment that says what it means and takes."""
    path = tmp_path / "haizea.conf"
    path.write_text(COMPLETE)
    settings = load(str(path), environ={})
    text = to_toml(settings)
    assert read_toml(tmp_path, text) == settings
    assert (
        "# How many best-effort leases may hold a reservation in the future: none, one, backfilling-reservations, or\n"
        "# all. Allowed: off, aggressive, intermediate, conservative.\n"
        'backfilling = "intermediate"\n'
    ) in text
    assert "status-message-interval = 900\n" in text


def test_options_that_are_not_given_stand_as_comments(tmp_path: Path) -> None:
    """Who edits the file sees what else there is, and nothing of it is in effect."""
    settings = load(environ={}, sets=["scheduling.backfilling=off"])
    text = to_toml(settings)
    assert "# suspend-rate = 32\n" in text
    assert read_toml(tmp_path, text) == settings


def test_effective_settings_tell_their_origin() -> None:
    """Each option once, with value and origin."""
    rows = {name: (value, origin) for name, value, origin in effective(load(environ={"HAIZEA_SIMULATION__SEED": "5"}))}
    assert len(rows) == len(OPTIONS)
    assert rows["simulation.seed"] == ("5", "environment variable HAIZEA_SIMULATION__SEED")
    assert rows["scheduling.wakeup-interval"] == ("60s", "default")
    assert rows["simulation.starttime"] == ("none", "default")


def test_the_reference_holds_every_option() -> None:
    """Name, default and meaning of each option stand in the reference."""
    text = reference()
    for option in OPTIONS:
        assert f"| `{option.key}` |" in text
        assert f"| `{format_value(option, option.default)}` | {option.meaning} |" in text
