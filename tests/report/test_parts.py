"""The parts of a report: merging, thinning, packing, lanes, words, histograms."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.report import layout, words
from haizea.report.histogram import WAIT_BOUNDS, bins, histogram_svg
from haizea.report.pack import pack, pack_changes
from haizea.report.pieces import Row, merge, parse_vms
from haizea.report.series import thin
from tests.report.made_up import DAY, EPOCH, HOUR, MINUTE, SECOND
from tests.report.test_page import changes, unpack


@given(st.lists(st.integers(0, (1 << 53) - 1)))
def test_packed_numbers_come_back(numbers: list[int]) -> None:
    """Packing loses nothing that a script can hold."""
    assert unpack(pack(numbers)) == numbers


@given(st.lists(st.integers(-(1 << 51), 1 << 51)))
def test_packed_changes_come_back(numbers: list[int]) -> None:
    """Differences lose nothing either, whatever the signs."""
    assert changes(pack_changes(numbers)) == numbers


@pytest.mark.parametrize("number", [-1, 1 << 53])
def test_numbers_that_a_script_cannot_hold_are_refused(number: int) -> None:
    """Negative and huge numbers are an error, not a wrong picture."""
    with pytest.raises(ValueError, match="only integers from 0"):
        pack([number])


@pytest.mark.parametrize(
    ("vms", "found"),
    [("4", (4, 1)), ("1-8", (1, 8)), ("1-3,7", (0, 0)), ("", (0, 0)), ("8-1", (0, 0)), ("x", (0, 0)), ("1-", (0, 0)),
     ("²", (0, 0)), ("9" * 5_000, (0, 0))],
)  # fmt: skip
def test_vms_are_read_as_one_range_or_not_at_all(vms: str, found: tuple[int, int]) -> None:
    """Only ``n`` and ``n-m`` are ranges; anything else is shown as it is."""
    assert parse_vms(vms) == found


def many(count: int, seed: int = 3) -> list[Row]:
    """Reservations of one host each, of lengths from 1 to ``count`` seconds, shuffled."""
    rows = [(n, "run", n % 7, "1", EPOCH, EPOCH + n * SECOND, "done") for n in range(1, count + 1)]
    Random(seed).shuffle(rows)
    return rows


def test_beyond_the_limit_the_shortest_are_left_out_and_counted() -> None:
    """Of 100 reservations and room for 30, the 30 longest are drawn, and the page can say what is missing."""
    pieces = merge(many(100), 7, stretches_max=30)
    assert sorted(group.lease for group in pieces.groups) == list(range(71, 101))
    assert (pieces.rows, pieces.left_out, pieces.left_out_longest) == (100, 70, 70 * SECOND)


def test_the_limit_holds_while_reservations_stream_in() -> None:
    """A generator of many rows is merged piece by piece, with the same result."""
    pieces = merge(iter(many(1_000)), 7, rows_max=50)
    assert sorted(group.lease for group in pieces.groups) == list(range(951, 1_001))
    assert pieces.left_out == 950


def test_steps_that_change_nothing_are_dropped() -> None:
    """Equal neighbours say nothing new; the last instant stays, for it ends the curve."""
    assert thin([(0, 5), (10, 5), (20, 7), (20, 8), (30, 8)]) == [(0, 5), (20, 8), (30, 8)]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 1_000)), min_size=1, max_size=300), st.integers(6, 60))
def test_thinning_keeps_the_extremes_and_the_bound(points: list[tuple[int, int]], most: int) -> None:
    """A thinned curve is part of the curve, not longer than asked, and as high and as low."""
    points.sort(key=lambda p: p[0])
    full, thinned = thin(points, 10**6), thin(points, most)
    assert set(thinned) <= set(full)
    assert thinned == sorted(thinned)
    assert len(thinned) <= most
    assert {min(v for _, v in full), max(v for _, v in full)} <= {v for _, v in thinned}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(1, 4)), max_size=30))
def test_bars_of_one_host_never_overlap(asked: list[tuple[int, int, int]]) -> None:
    """However leases overlap in time, no two share a slot at an instant, and all fit in the row."""
    on_host = [(n, "run", 0, f"1-{vms}", at, at + length, "done") for n, (at, length, vms) in enumerate(asked)]
    (row,) = layout.rows(1, on_host)
    assert len(row.bars) == len(asked)
    for i, a in enumerate(row.bars):
        assert 0 <= a.slot < a.slot + a.slots <= row.slots
        for b in row.bars[:i]:
            together = a.start < b.end and b.start < a.end
            assert not (together and a.slot < b.slot + b.slots and b.slot < a.slot + a.slots)


def test_a_lease_keeps_its_slot_from_run_to_suspension() -> None:
    """A suspension is drawn right behind the run that it ends, even when a slot above has come free."""
    asked = [
        (1, "run", 0, "1", 0, 10, "done"),
        (2, "run", 0, "1", 0, 20, "done"),
        (2, "suspend", 0, "1", 20, 30, "done"),
    ]
    (row,) = layout.rows(1, asked)
    assert [(bar.lease, bar.kind, bar.slot) for bar in row.bars] == [(1, "run", 0), (2, "run", 1), (2, "suspend", 1)]


def test_a_lease_of_many_vms_on_a_host_takes_one_slot() -> None:
    """Beyond twelve VMs at once rows would get too fine, so leases count, not VMs."""
    (row,) = layout.rows(1, [(1, "run", 0, "1-64", 0, 10, "done"), (2, "run", 0, "1", 0, 10, "done")])
    assert row.slots == 2


@pytest.mark.parametrize(
    ("span", "said"),
    [(0, "0 s"), (250, "0.25 s"), (45 * SECOND, "45 s"), (90 * SECOND, "1 min 30 s"), (HOUR, "1 h"),
     (2 * DAY + 4 * HOUR + MINUTE, "2 d 4 h"), (-MINUTE, "-1 min")],
)  # fmt: skip
def test_lengths_are_said_with_two_units(span: int, said: str) -> None:
    """Two units are as much as a person takes in."""
    assert words.length(span) == said


def test_instants_are_utc_whatever_they_are() -> None:
    """None is a dash; an instant that no calendar holds stays a number."""
    assert words.instant(EPOCH) == "2006-11-25 13:00:00"
    assert words.instant(None) == words.NONE
    assert words.instant(1 << 60) == f"{1 << 60} ms"


@given(st.integers(1, 1 << 53), st.integers(2, 20))
def test_an_axis_has_no_more_marks_than_asked(span: int, marks: int) -> None:
    """From seconds to millennia the marks stay few."""
    assert -(-span // words.tick_step(span, marks)) <= marks


def test_values_fall_into_the_bin_named_after_its_upper_bound() -> None:
    """A wait of none is apart; a minute is within the minute; empty bins in between stay, those at the end go."""
    counted = bins([0, 0, 5, 60, 3_600], WAIT_BOUNDS)
    assert counted == [("0", 2), ("10 s", 1), ("1 min", 1), ("5 min", 0), ("15 min", 0), ("1 h", 1)]


def test_a_histogram_of_nothing_says_so() -> None:
    """No values is a sentence, not an empty frame."""
    assert histogram_svg(bins([], WAIT_BOUNDS), "wait") == '<p class="soft">Nothing to count.</p>'
