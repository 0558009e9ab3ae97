"""The two readers of ``haizea simulate`` agree: what is read without click means the same with it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from haizea.cli import quick
from haizea.cli.flags import BY_NAME, FLAGS
from haizea.cli.run import request_of
from haizea.cli.simulate import simulate

WORDS = st.sampled_from(["a.lwf", "b.swf", "full", "leases", "json", "table", "requested", "allocated", "7", "0", "x=y",
                         "--", "-", "", "-x", "--help", "--nothing"])  # fmt: skip
NAMES = st.sampled_from([*BY_NAME, *(f"--{flag.name}=json" for flag in FLAGS), "-ojson", "--mem"])


def through_click(arguments: list[str]) -> dict[str, Any]:
    """Return what click makes of a command line."""
    with simulate.make_context("simulate", list(arguments), resilient_parsing=False) as context:
        return context.params


@given(st.lists(WORDS | NAMES, max_size=8))
def test_what_is_read_quickly_means_the_same_to_click(arguments: list[str]) -> None:
    """Whatever the quick reader accepts, click reads to the same request, format and silence."""
    values = quick.parse(arguments)
    if values is not None:
        expected = through_click(arguments)
        assert request_of(values) == request_of(expected)
        assert (values["format"], values["quiet"]) == (expected["format"], expected["quiet"])


def test_plain_command_lines_are_read_quickly() -> None:
    """Options with and without values, in any place."""
    values = quick.parse(["--config=c.toml", "a.swf", "--set", "a.b=c", "-q", "--memory", "1024", "--set=d.e=f"])
    assert values is not None
    assert values["workloads"] == ("a.swf",)
    assert values["set"] == ("a.b=c", "d.e=f")
    assert values["memory"] == 1024
    assert values["quiet"] is True


def test_whatever_is_not_plain_is_left_to_click() -> None:
    """Help, mistakes and rare forms are click's."""
    for arguments in (["--help"], ["--sit", "4"], ["--set"], ["-ojson"], ["--detail", "no"], ["--memory", "x"], ["--"]):
        assert quick.parse(["a.lwf", *arguments]) is None
