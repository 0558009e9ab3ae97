"""Lease annotations."""

from pathlib import Path

import pytest

from haizea.model.lease import DiskImage, LeaseRequest, LeaseTerms, LeaseType, NodeSet
from haizea.model.resources import Capacity
from haizea.model.units import HOUR
from haizea.workloads.annotations import annotate, read_annotations
from haizea.workloads.errors import WorkloadError
from tests.workloads.texts import write

TERMS = LeaseTerms((NodeSet(1, Capacity({"CPU": 100})),), HOUR, software=DiskImage("old.img", 1), extra={"a": "1"})
EXACT = '<start><exact time="+01:00:00"/></start>'


def leases(count: int = 3) -> list[LeaseRequest]:
    """Return best-effort leases 1, 2, ... that arrive every hour."""
    return [LeaseRequest(id, (id - 1) * HOUR, TERMS) for id in range(1, count + 1)]


def annotated(folder: Path, *annotations: str, count: int = 3) -> list[LeaseRequest]:
    """Return leases with annotations applied."""
    text = f"<lease-annotations>\n{''.join(a + chr(10) for a in annotations)}</lease-annotations>"
    return annotate(leases(count), read_annotations(write(folder, text)))


def test_times_count_from_the_arrival_of_the_lease(tmp_path: Path) -> None:
    """Start and deadline of an annotation are spans since its lease was submitted."""
    text = f'<lease-annotation id="2">{EXACT}<deadline time="04:00:00"/></lease-annotation>'
    found = annotated(tmp_path, text)
    assert (found[1].terms.start, found[1].terms.deadline) == (2 * HOUR, 5 * HOUR)
    assert found[1].terms.type is LeaseType.DEADLINE
    assert [found[0], found[2]] == [leases()[0], leases()[2]]


def test_fields_that_are_not_given_stay(tmp_path: Path) -> None:
    """An annotation adds to the extra of a lease and replaces nothing that it does not name."""
    text = '<lease-annotation id="1"><extra><attr name="b" value="2"/></extra></lease-annotation>'
    found = annotated(tmp_path, text)[0].terms
    assert dict(found.extra) == {"a": "1", "b": "2"}
    assert (found.software, found.start) == (TERMS.software, None)


def test_software_can_be_replaced_or_removed(tmp_path: Path) -> None:
    """``none`` takes the image away."""
    new = '<lease-annotation><software><disk-image id="new.img" size="9"/></software></lease-annotation>'
    none = "<lease-annotation><software><none/></software></lease-annotation>"
    found = annotated(tmp_path, new, none)
    assert [r.terms.software for r in found] == [DiskImage("new.img", 9), None, DiskImage("old.img", 1)]


def test_annotations_without_ids_apply_in_order(tmp_path: Path) -> None:
    """The first annotation is for the first lease; leases beyond the last one stay."""
    found = annotated(tmp_path, f"<lease-annotation>{EXACT}</lease-annotation>", "<lease-annotation/>")
    assert [r.terms.start for r in found] == [HOUR, None, None]


def test_an_empty_start_makes_a_lease_best_effort_and_now_immediate(tmp_path: Path) -> None:
    """An annotation can change the type of a lease in every direction."""
    found = annotated(
        tmp_path,
        "<lease-annotation><start><now/></start></lease-annotation>",
        "<lease-annotation><start/></lease-annotation>",
    )
    assert [r.terms.type for r in found[:2]] == [LeaseType.IMMEDIATE, LeaseType.BEST_EFFORT]


def test_attributes_of_the_annotations_are_kept(tmp_path: Path) -> None:
    """They say how the annotations were made."""
    text = '<lease-annotations><attributes><attr name="tau" value="2"/></attributes></lease-annotations>'
    assert dict(read_annotations(write(tmp_path, text)).attributes) == {"tau": "2"}


@pytest.mark.parametrize(
    ("annotations", "wrong", "line"),
    [
        (['<lease-annotation id="1"/>', "<lease-annotation/>"], "with and without ids", 3),
        (['<lease-annotation id="1"/>', '<lease-annotation id="1"/>'], "already annotated on line 2", 3),
        (['<lease-annotation id="1"><deadline time="02:00:00"/></lease-annotation>'], "without an exact start", 2),
        (['<lease-annotation id="1"><duration time="02:00:00"/></lease-annotation>'], "unknown element 'duration'", 2),
        (['<lease-annotation id="x"/>'], "id='x'", 2),
        (["<lease/>"], "unknown element 'lease'", 2),
    ],
)
def test_what_is_wrong_with_annotations_is_said(tmp_path: Path, annotations: list[str], wrong: str, line: int) -> None:
    """Errors name the file and the line."""
    with pytest.raises(WorkloadError) as caught:
        annotated(tmp_path, *annotations)
    assert wrong in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'workload'}:{line}: ")


START = '<start><exact time="00:10:00"/></start>'


@pytest.mark.parametrize(
    ("annotations", "changed", "left_out"),
    [
        ([f'<lease-annotation id="2">{START}</lease-annotation>', '<lease-annotation id="7"/>'], [2], 1),
        ([f"<lease-annotation>{START}</lease-annotation>"] * 5, [1, 2, 3], 2),
        ([f"<lease-annotation>{START}</lease-annotation>"] * 2, [1, 2], 0),
        (['<lease-annotation id="7"/>', '<lease-annotation id="8"/>'], [], 2),
    ],
)
def test_annotations_of_leases_that_are_not_there_are_left_out_and_counted(
    tmp_path: Path, annotations: list[str], changed: list[int], left_out: int
) -> None:
    """One file may annotate several workloads, the smallest of which has fewer leases than it annotates."""
    found = annotated(tmp_path, *annotations)
    assert [r.id for r in found if r.terms.start is not None] == changed
    counted = read_annotations(tmp_path / "workload").left_out(found)
    assert counted == ({"annotations of no lease": left_out} if left_out else {})
