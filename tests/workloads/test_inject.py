"""Injecting the leases of one workload into another."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.lease import LeaseRequest, LeaseTerms, NodeSet
from haizea.model.resources import Capacity
from haizea.workloads.annotations import annotate, read_annotations
from haizea.workloads.inject import inject, largest_id
from haizea.workloads.load import load
from tests.workloads.texts import job, write

TERMS = LeaseTerms((NodeSet(1, Capacity({"CPU": 100})),), 1)


def leases(*arrivals: int, ids: list[int] | None = None) -> list[LeaseRequest]:
    """Return leases 1, 2, ... that arrive at these instants."""
    return [LeaseRequest(id, at, TERMS) for id, at in zip(ids or range(1, len(arrivals) + 1), arrivals, strict=True)]


def test_leases_are_merged_by_arrival_with_ids_above_a_million() -> None:
    """At equal arrival the leases of the first workload come first; ids are those that Haizea 1.x gives."""
    merged = list(inject(leases(0, 10, 20), leases(5, 10, 30)))
    assert [(r.id, r.arrival) for r in merged] == [
        (1, 0), (1_000_001, 5), (2, 10), (1_000_002, 10), (3, 20), (1_000_003, 30)
    ]  # fmt: skip


def test_ids_stay_unique_where_the_first_workload_has_ids_above_a_million() -> None:
    """The ids of injected leases are raised by as many millions as it takes."""
    merged = list(inject(leases(0, 0, ids=[1_000_001, 7]), leases(0)))
    assert [r.id for r in merged] == [1_000_001, 7, 2_000_001]


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_merging_loses_nothing_and_keeps_order(first: list[int], second: list[int]) -> None:
    """Whatever arrives when, all leases are there, in order of arrival, with ids of their own."""
    merged = list(inject(leases(*sorted(first)), leases(*sorted(second))))
    assert [r.arrival for r in merged] == sorted(first + second)
    assert len({r.id for r in merged}) == len(merged)


def test_a_trace_can_be_injected_into_and_iterated_twice(tmp_path: Path) -> None:
    """The largest number of a trace is known without its leases; merging begins anew each time."""
    trace = load(write(tmp_path, job(2_500_000) + job(1, "9")))
    merged = inject(trace.requests, leases(5000))
    assert [r.id for r in merged] == [2_500_000, 3_000_001, 1]
    assert [r.id for r in merged] == [2_500_000, 3_000_001, 1]
    assert merged.largest_id() == 3_000_001


def test_what_can_be_iterated_only_once_can_be_merged_too() -> None:
    """A generator of leases is as good as a list."""
    merged = inject(iter(leases(0, 2)), iter(leases(1)))
    assert [r.id for r in merged] == [1, 1_000_001, 2]
    assert largest_id(merged) == 1_000_001


@pytest.mark.usefixtures("shared")
def test_the_shared_cases_have_the_leases_that_their_schedules_name(shared: Path) -> None:
    """Ids, types and arrivals of all cases, merged and annotated, are those of the reference."""
    for case in sorted((shared / "cases").glob("*/expected.json")):
        expected = json.loads(case.read_text())
        files = {kind: case.parent / name for kind, name in expected["files"].items()}
        requests = load(files["workload"]).requests
        if "injection" in files:
            requests = inject(requests, load(files["injection"]).requests)
        if "annotations" in files:
            requests = annotate(requests, read_annotations(files["annotations"]))
        found = {str(r.id): (r.terms.type.value.lower(), r.arrival // 1000) for r in requests}
        assert found == {id: (e["type"].lower(), e["submitted"]) for id, e in expected["leases"].items()}, case
