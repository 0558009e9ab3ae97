"""Single values: what is read, and what is refused with a message that says what is allowed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.config import ConfigError, load
from haizea.config.spans import SPAN_MAX, format_span, read_span
from haizea.config.table import BY_SECTION
from haizea.config.values import read_value
from haizea.config.write import iso_instant

STARTTIME = BY_SECTION["simulation"]["starttime"]
RESOURCES = BY_SECTION["simulation"]["resources"]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0", 0),
        ("90", 90_000),
        ("1.5", 1_500),
        (".25", 250),
        ("90s", 90_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("250ms", 250),
        ("1m250ms", 60_250),
        ("01:30", 90_000),
        ("01:30:00", 5_400_000),
        ("1:12:00:00", 129_600_000),
        ("00:00:01.5", 1_500),
        (" 10 ", 10_000),
        ("1 h 30 m", 5_400_000),
    ],
)
def test_spans_are_read_as_people_write_them(text: str, span: int) -> None:
    """A number counts seconds; units and clock notation say what they mean."""
    assert read_span(text) == span


@pytest.mark.parametrize(
    "text", ["", "abc", "-5", "5x", "m", "1.", "1e3", "1:2:3:4:5", ":30", "1:", "0.0001", "٣", "1_000", "9" * 70, "1 x"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"span|millisecond"):
        read_span(text)


def test_an_absurdly_long_span_is_refused() -> None:
    """A span beyond what a schedule can hold is a mistake."""
    with pytest.raises(ValueError, match="longer than 1000000 days"):
        read_span("1000001d")


@given(st.integers(0, SPAN_MAX))
def test_a_span_that_is_written_reads_back(span: int) -> None:
    """Writing loses no millisecond."""
    assert read_span(format_span(span)) == span


@pytest.mark.parametrize(
    "text", ["2006-11-25 13:00:00", "2006-11-25T13:00:00Z", "2006-11-25T14:00:00+01:00", "2006-11-25T13:00"]
)
def test_an_instant_without_zone_is_utc(text: str) -> None:
    """The same instant, however it is written."""
    assert read_value(STARTTIME, text) == 1_164_459_600_000


def test_an_instant_of_toml_is_read() -> None:
    """TOML has instants of its own."""
    assert read_value(STARTTIME, datetime(2006, 11, 25, 13, tzinfo=UTC)) == 1_164_459_600_000


@given(st.integers(0, 253_402_300_799_999))
def test_an_instant_that_is_written_reads_back(instant: int) -> None:
    """From 1970 to the year 9999, to the millisecond."""
    assert read_value(STARTTIME, iso_instant(instant)) == instant


@pytest.mark.parametrize("wrong", ["yesterday", "1969-12-31", "2006-13-01", 5, True, "2006-11-25T13:00:00.0001"])
def test_what_is_no_instant_is_refused(wrong: object) -> None:
    """The message shows how an instant is written."""
    with pytest.raises(ValueError, match="allowed: an instant such as 2006-11-25 13:00:00"):
        read_value(STARTTIME, wrong)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("in-tracefile", "in-tracefile"),
        ("4 CPU:100 Memory:1024", "4 CPU:100 Memory:1024"),
        ("4  CPU:100,Memory:1024", "4 CPU:100 Memory:1024"),
        ("4 CPU:100, Memory:1024; 1 CPU:800 Memory:8192 GPU:2", "4 CPU:100 Memory:1024; 1 CPU:800 Memory:8192 GPU:2"),
    ],
)
def test_a_site_is_written_with_spaces_or_commas(text: str, site: str) -> None:
    """Both forms that Haizea 1.x documents, and hosts of several kinds, come out alike."""
    assert read_value(RESOURCES, text) == site


@pytest.mark.parametrize(
    "text",
    ["4", "CPU:100", "0 CPU:1 Memory:1", "4 CPU:100", "4 CPU:x Memory:1", "4 CPU:1 CPU:1 Memory:1", "4 CPU Memory:1",
     "-1 CPU:1 Memory:1", "99999999999999 CPU:1 Memory:1", ";", "", "file:x", "4 CPU:0 Memory:1",
     "60000 CPU:1 Memory:1; 60000 CPU:1 Memory:1"],
)  # fmt: skip
def test_what_is_no_site_is_refused(text: str) -> None:
    """The message shows how a site is written."""
    with pytest.raises(ValueError, match="allowed: in-tracefile, or a line such as '4 CPU:100 Memory:1024'"):
        read_value(RESOURCES, text)


@pytest.mark.parametrize("text", ["True", "yes", "on", "1", "TRUE"])
def test_truth_has_the_words_of_1x(text: str) -> None:
    """Everything that a 1.x file may say for true."""
    assert load(environ={}, sets=[f"simulation.sanity-check={text}"]).simulation.sanity_check is True


@pytest.mark.parametrize("text", ["False", "no", "off", "0"])
def test_falsehood_has_the_words_of_1x(text: str) -> None:
    """Everything that a 1.x file may say for false."""
    found = load(environ={}, sets=[f"deploy-imagetransfer.avoid-redundant-transfers={text}"])
    assert found.deploy_imagetransfer.avoid_redundant_transfers is False


def test_minus_one_and_none_mean_no_limit() -> None:
    """Haizea 1.x writes -1 for an unlimited cache and for memory that is left as it is."""
    for text in ("-1", "none"):
        settings = load(
            environ={}, sets=[f"deploy-imagetransfer.diskimage-cache-size={text}", f"tracefile.override-memory={text}"]
        )
        assert settings.deploy_imagetransfer.diskimage_cache_size is None
        assert settings.tracefile.override_memory is None


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("policy-host-selection=no-policy", "first-fit"),
        ("policy-host-selection=pack", "best-fit"),
        ("policy-preemption=ar-preempts-be", "ar-preempts-besteffort"),
        ("policy-admission=my.module:Policy.Inner", "my.module:Policy.Inner"),
    ],
)
def test_policies_are_named_by_name_alias_or_class(option: str, name: str) -> None:
    """Names of Haizea 1.x become those of today; classes are taken as they are."""
    settings = load(environ={}, sets=[f"scheduling.{option}"])
    assert name in vars(settings.scheduling).values()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scheduling.backfilling=agressive",
         "--set: scheduling.backfilling: 'agressive' is not known (did you mean 'aggressive'?); "
         "allowed: off, aggressive, intermediate, conservative"),
        ("scheduling.backfilling-reservations=2.5",
         "--set: scheduling.backfilling-reservations: '2.5' is not a whole number; "
         "allowed: a whole number from 0 to 2147483647, or none"),
        ("scheduling.suspend-rate=32.0625",
         "--set: scheduling.suspend-rate: '32.0625' is finer than 3 decimals; "
         "allowed: a number with at most 3 decimals from 0.001 to 1099511627776"),
        ("scheduling.suspend-rate=0",
         "--set: scheduling.suspend-rate: '0' is out of range; "
         "allowed: a number with at most 3 decimals from 0.001 to 1099511627776"),
        ("scheduling.policy-preemption=deadlines",
         "--set: scheduling.policy-preemption: 'deadlines' is not known (did you mean 'deadline'?); allowed: "
         "no-preemption, ar-preempts-besteffort, ar-preempts-everything, deadline, an entry point's name, "
         "or module:Class"),
        ("scheduling.policy-pricing=my module:X",
         "--set: scheduling.policy-pricing: 'my module:X' is not of the form module:Class; allowed: "
         "free, constant, random, maximum, adaptive, an entry point's name, or module:Class"),
        ("simulation.sanity-check=maybe",
         "--set: simulation.sanity-check: 'maybe' is neither true nor false; "
         "allowed: true or false (also yes, no, on, off)"),
        ("scheduling.scheduling-threshold-factor=0.0001",
         "--set: scheduling.scheduling-threshold-factor: '0.0001' is finer than 3 decimals; "
         "allowed: a number with at most 3 decimals from 0 to 1000000"),
        ("pricing.rate=nan", "--set: pricing.rate: 'nan' is not a finite number; "
         "allowed: a number from 0 to 1000000000000, or none"),
        ("opennebula.port=99999", "--set: opennebula.port: '99999' is out of range; "
         "allowed: a whole number from 1 to 65535"),
        ("general.logfile=", "--set: general.logfile: '' is empty; allowed: a path"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_key_fault_and_what_is_allowed(override: str, message: str) -> None:
    """Each message is complete in itself."""
    with pytest.raises(ConfigError) as caught:
        load(environ={}, sets=[override])
    assert caught.value.problems == (message,)


@pytest.mark.parametrize(("text", "mode"), [("0660", "0660"), ("600", "0600"), ("none", None)])
def test_permissions_are_octal_digits(text: str, mode: str | None) -> None:
    """They are written as people write them for ``chmod``."""
    assert load(sets=(f"server.socket-mode={text}",), environ={}).server.socket_mode == mode


@pytest.mark.parametrize("wrong", ["0070", "rw", "0o600", "1660", "6600", "60"])
def test_permissions_that_lock_the_owner_out_are_refused(wrong: str) -> None:
    """So is what is not octal."""
    with pytest.raises(ConfigError, match="octal digits as text, such as '0660'"):
        load(sets=(f"server.socket-mode={wrong}",), environ={})
