"""Writing workloads in LWF."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.lease import (
    Constraints,
    DiskImage,
    LeaseRequest,
    LeaseTerms,
    NodeSet,
    OnFailure,
    OnGuestShutdown,
    Reactions,
)
from haizea.model.resources import AMOUNT_MAX, Capacity
from haizea.model.site import Host, Site
from haizea.workloads.leasexml import ID_MAX
from haizea.workloads.load import load
from haizea.workloads.lwf_write import write_lwf
from haizea.workloads.times import SPAN_MAX
from haizea.workloads.workload import Workload
from tests.workloads.texts import job, write

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t\r\"'<&>"), max_size=8
)
words = st.text(st.sampled_from("abcäß-_.*<&"), min_size=1, max_size=5)
spans = st.integers(0, SPAN_MAX)
types = st.sampled_from(["CPU", "Memory", "Disk", "Net-in", "GPU"])
capacities = st.dictionaries(types, st.integers(1, AMOUNT_MAX), min_size=1).map(Capacity)
extras = st.dictionaries(texts, texts, max_size=3)
labels = st.lists(st.tuples(words, words), max_size=3).map(tuple)


@st.composite
def terms(draw: st.DrawFn) -> LeaseTerms:
    """Draw the terms of a lease of any type."""
    start = draw(st.none() | spans)
    together = draw(st.booleans())
    return LeaseTerms(
        nodes=tuple(draw(st.lists(st.builds(NodeSet, st.integers(1, 1000), capacities), min_size=1, max_size=3))),
        duration=draw(st.none() | st.integers(1, SPAN_MAX)),
        start=start,
        immediate=start is None and draw(st.booleans()),
        deadline=None if start is None else draw(st.none() | spans),
        preemptible=draw(st.booleans()),
        software=draw(st.none() | st.builds(DiskImage, texts.filter(bool), st.integers(0, AMOUNT_MAX))),
        user=draw(texts),
        extra=draw(extras),
        constraints=Constraints(draw(labels), draw(labels), not together and draw(st.booleans()), together),
        reactions=Reactions(draw(st.sampled_from(OnGuestShutdown)), draw(st.sampled_from(OnFailure))),
    )


requests = st.lists(
    st.builds(LeaseRequest, st.integers(0, ID_MAX), spans, terms(), st.none() | st.integers(1, SPAN_MAX)),
    max_size=4,
    unique_by=lambda r: r.id,
).map(lambda found: sorted(found, key=lambda r: r.arrival))


@given(requests, texts, texts, extras)
def test_a_workload_that_is_written_reads_back_the_same(
    made: list[LeaseRequest], name: str, description: str, attributes: dict[str, str]
) -> None:
    """Terms of every kind, any text in them, and the metadata survive."""
    site = Site((Host("host-1", Capacity({"CPU": 100, "Memory": 1}), {"rack": "1 & 2"}),) * 1)
    file = io.StringIO()
    assert write_lwf(Workload(name, made, description, attributes, site), file) == len(made)
    with TemporaryDirectory() as folder:
        back = load(write(Path(folder), file.getvalue()))
    assert (back.name, back.description, dict(back.attributes), back.site) == (name, description, attributes, site)
    assert back.requests == made


def test_a_trace_can_be_converted(tmp_path: Path) -> None:
    """An SWF becomes an LWF with the same leases, the fields that it has no use for among their extra."""
    swf = load(write(tmp_path, job(1) + job(2, "10", "0"), "trace.swf"))
    file = io.StringIO()
    write_lwf(swf, file)
    lwf = load(write(tmp_path, file.getvalue(), "trace.lwf"))
    assert list(lwf.requests) == list(swf.requests)
    assert next(iter(lwf.requests)).terms.extra["SWF_waittime"] == "5"


@pytest.mark.parametrize("text", ["\x00", "a\x1bb", "\ufffe", "\ud800"])
def test_text_that_xml_cannot_hold_is_refused(text: str) -> None:
    """A control character would make a file that nobody can read."""
    with pytest.raises(ValueError, match="control character"):
        write_lwf(Workload(text, []), io.StringIO())


def test_a_constraint_with_blanks_is_refused() -> None:
    """Labels of constraints are separated by blanks, and so cannot have any."""
    terms = LeaseTerms((NodeSet(1, Capacity({"CPU": 1})),), 1, constraints=Constraints((("rack", "a 1"),)))
    with pytest.raises(ValueError, match="no blanks"):
        write_lwf(Workload("", [LeaseRequest(1, 0, terms)]), io.StringIO())
