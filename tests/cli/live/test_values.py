"""Amounts and lengths of time as people write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.cli.live.values import (
    parse_cpu,
    parse_lease_length,
    parse_length,
    parse_memory,
    parse_pair,
    parse_resource,
)
from haizea.model.resources import AMOUNT_MAX
from haizea.model.units import DAY, HOUR, MINUTE, SECOND
from haizea.workloads.times import SPAN_MAX, format_span


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", 90 * MINUTE), ("1h30m", 90 * MINUTE), ("1h 30m", 90 * MINUTE), ("1.5 hours", 90 * MINUTE),
        ("2 days", 2 * DAY), ("2 hours and 30 minutes", 150 * MINUTE), ("1d, 2h", 26 * HOUR), ("1 week", 7 * DAY),
        ("01:30:00", 90 * MINUTE), ("1:12:00:00", 36 * HOUR), ("10:00", 10 * MINUTE), ("0.5s", 500),
        (" 5S ", 5 * SECOND),
    ],
)  # fmt: skip
def test_lengths_of_time(text: str, length: int) -> None:
    """Numbers with units, or the form of workloads."""
    assert parse_length(text) == length


@pytest.mark.parametrize(
    "text",
    ["", "5", "1.5", "h", "5x", "5 parsecs", "1h1h", "5m 1h", "-1h", "1h-", "+1h", "unlimited", "1e9h", "1:99",
     "9" * 99, "40000d", "1h \x1b", "١h"],
)  # fmt: skip
def test_what_is_no_length_is_refused(text: str) -> None:
    """A unit is never guessed, nor said twice, and units come in order."""
    with pytest.raises(ValueError, match=r"."):
        parse_length(text)


@given(st.integers(0, SPAN_MAX))
def test_a_length_that_is_written_is_read_back(length: int) -> None:
    """In the form of workloads, and in seconds."""
    assert parse_length(format_span(length)) == length
    assert parse_length(f"{length // 1000}.{length % 1000:03}s") == length


@given(st.integers(0, 20_000), st.integers(0, 23), st.integers(0, 59), st.sampled_from(["", " ", ", ", " and "]))
def test_units_add_up(days: int, hours: int, minutes: int, between: str) -> None:
    """However they are separated."""
    text = between.join([f"{days}d", f"{hours} hours", f"{minutes}min"])
    assert parse_length(text) == days * DAY + hours * HOUR + minutes * MINUTE


@pytest.mark.parametrize(
    ("text", "mib"),
    [("4G", 4096), ("512M", 512), ("1.5GiB", 1536), ("1024", 1024), ("2 gi", 2048), ("1T", 1 << 20), ("0.1G", 103)],
)
def test_memory(text: str, mib: int) -> None:
    """Binary units, MiB where none is said; rounded up to a whole MiB."""
    assert parse_memory(text) == mib


@pytest.mark.parametrize("text", ["", "G", "4K", "4GB", "-1G", "1,5G", "2000000000P", "4G4M"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    """GB could be either kind, and KiB is less than anything that is leased."""
    with pytest.raises(ValueError, match=r"."):
        parse_memory(text)


@pytest.mark.parametrize(("text", "percent"), [("2", 200), ("200%", 200), ("0.5", 50), ("1.25", 125), ("0", 0)])
def test_cpu(text: str, percent: int) -> None:
    """Cores, or percent of one."""
    assert parse_cpu(text) == percent


@pytest.mark.parametrize("text", ["", "two", "0.333", "33.3%", "-1", "1e3", "99999999999"])
def test_what_is_no_cpu_is_refused(text: str) -> None:
    """A core has a hundred parts and no more."""
    with pytest.raises(ValueError, match=r"."):
        parse_cpu(text)


def test_resources_by_name() -> None:
    """Those that have an option of their own are written as there."""
    assert parse_resource("GPU=2") == ("GPU", 2)
    assert parse_resource("Memory=4G") == ("Memory", 4096)
    assert parse_resource("CPU=50%") == ("CPU", 50)
    for wrong in ("GPU", "=1", "GPU=", "GPU=1.5", "G PU=1", "GPU=-1"):
        with pytest.raises(ValueError, match=r"."):
            parse_resource(wrong)


def test_pairs() -> None:
    """Only the first equals sign separates."""
    assert parse_pair("a=b=c") == ("a", "b=c")
    for wrong in ("a", "=b", " =b"):
        with pytest.raises(ValueError, match="KEY=VALUE"):
            parse_pair(wrong)


def test_unlimited_and_nothing() -> None:
    """A lease may last for ever, but not for no time."""
    assert parse_lease_length("Unlimited") is None
    with pytest.raises(ValueError, match="duration of 0"):
        parse_lease_length("0m")


@given(st.text(max_size=30) | st.from_regex(r"[0-9.]{1,12} ?[a-zA-Z%]{0,4}", fullmatch=True))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    """Nothing but a ValueError, and nothing beyond the limits."""
    for read, most in ((parse_length, SPAN_MAX), (parse_memory, AMOUNT_MAX), (parse_cpu, AMOUNT_MAX)):
        try:
            amount = read(text)
        except ValueError as error:
            assert str(error).isprintable()  # noqa: PT017 - whether it raises at all is left open
            continue
        assert 0 <= amount <= most


@given(st.fractions(0, 1000, max_denominator=1000), st.sampled_from(["M", "G"]))
def test_no_memory_is_lost_by_rounding(amount: Fraction, unit: str) -> None:
    """What is granted is at least what was asked for, and less than a MiB more."""
    text = f"{float(amount):.9f}"
    asked = Fraction(text) * (1024 if unit == "G" else 1)
    assert 0 <= parse_memory(text + unit) - asked < 1
