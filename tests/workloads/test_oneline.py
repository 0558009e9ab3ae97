"""Sites in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.resources import Capacity
from haizea.workloads.oneline import HOSTS_MAX, parse_site


@pytest.mark.parametrize("text", ["4 CPU:100 Memory:1024", "4 CPU:100,Memory:1024", " 4  CPU:100 , Memory:1024 ;"])
def test_blanks_and_commas_mean_the_same(text: str) -> None:
    """A site of four equal hosts can be written either way."""
    site = parse_site(text)
    assert [host.name for host in site.hosts] == ["host-1", "host-2", "host-3", "host-4"]
    assert {host.capacity for host in site.hosts} == {Capacity({"CPU": 100, "Memory": 1024})}
    assert site.resource_types == ("CPU", "Memory")


def test_groups_of_different_hosts_are_separated_by_semicolons() -> None:
    """Hosts are numbered through the groups, and every type that any of them has is a type of the site."""
    site = parse_site("2 CPU:100 Memory:1024; 1 CPU:800 Memory:8192 GPU:2")
    assert [(host.name, host.capacity["GPU"]) for host in site.hosts] == [("host-1", 0), ("host-2", 0), ("host-3", 2)]
    assert site.resource_types == ("CPU", "Memory", "GPU")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "an empty site"),
        (" ; ", "an empty site"),
        ("CPU:100 Memory:1024", "number of hosts"),
        ("0 CPU:100 Memory:1024", "0 hosts"),
        ("-4 CPU:100 Memory:1024", "number of hosts"),
        ("100001 CPU:100 Memory:1024", "100001 hosts"),
        ("60000 CPU:1 Memory:1; 60000 CPU:1 Memory:1", "120000 hosts"),
        ("4 CPU:100", "without Memory"),
        ("4 CPU:0 Memory:1024", "without CPU"),
        ("4 CPU:100 Memory:1024MB", "'1024MB'"),
        ("4 CPU:100 CPU:100 Memory:1", "CPU twice"),
        ("4 CPU:1.5 Memory:1024", "'1.5'"),
        ("4 CPU=100 Memory:1024", "'CPU=100'"),
        ("4 CPU:99999999999999 Memory:1", "at most"),
        ("4 " + "9" * 200_000, "characters"),
    ],
)
def test_what_is_wrong_with_a_site_is_said(text: str, wrong: str) -> None:
    """Errors name the part that is wrong and show what a site looks like."""
    with pytest.raises(ValueError, match="expected") as caught:
        parse_site(text)
    assert wrong in str(caught.value)


@given(st.integers(1, 300), st.integers(1, 10_000), st.integers(1, 1 << 39))
def test_every_site_in_range_is_read(count: int, cpu: int, memory: int) -> None:
    """The numbers come out as they went in."""
    site = parse_site(f"{count} CPU:{cpu} Memory:{memory}")
    assert (len(site.hosts), site.total("CPU"), site.total("Memory")) == (count, count * cpu, count * memory)


def test_the_largest_site_is_read() -> None:
    """As many hosts as are allowed are allowed."""
    assert len(parse_site(f"{HOSTS_MAX} CPU:1 Memory:1").hosts) == HOSTS_MAX


@given(st.text(max_size=50))
def test_any_other_text_is_an_error_and_nothing_worse(text: str) -> None:
    """No text makes the parser fail in another way."""
    said = "expected"
    try:
        parse_site(text)
    except ValueError as error:
        said = str(error)
    assert "expected" in said
