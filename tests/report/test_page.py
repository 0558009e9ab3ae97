"""The HTML report: what is embedded comes back, what is said is there, nothing from outside can act."""

import json
import re
import time
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from haizea.report.data import COLUMNS, ReportData
from haizea.report.page import build_page, write_report
from tests.report.made_up import EPOCH, HOUR, Row, lease, summary_of

KINDS = {"transfer", "run", "suspend", "migrate", "resume", "shutdown"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and the text of each script."""

    def __init__(self, page: str) -> None:
        """Parse a page."""
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Keep text, apart from what scripts and styles hold."""
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    def kinds(self) -> list[str]:
        """Return the names of all elements."""
        return [tag for tag, _ in self.found]


def data_of(page: str) -> Any:
    """Return the object embedded in a page."""
    return json.loads(Elements(page).scripts[0])


def unpack(text: str) -> list[int]:
    """Decode a packed column."""
    numbers, value, shift = [], 0, 0
    for byte in b64decode(text):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    return numbers


def unzigzag(number: int) -> int:
    """Map 0, 1, 2, 3, 4 back to 0, -1, 1, -2, 2."""
    return -(number + 1) // 2 if number % 2 else number // 2


def changes(text: str) -> list[int]:
    """Decode a packed column of differences."""
    total, numbers = 0, []
    for number in unpack(text):
        total += unzigzag(number)
        numbers.append(total)
    return numbers


def reservations_of(page: str) -> set[Row]:
    """Return the reservations embedded in a page, as they were handed in."""
    data = data_of(page)
    origin, unit = data["origin"], data["unit"]
    ids, groups, stretches = changes(data["leases"]["id"]), data["groups"], data["stretches"]
    columns = zip(*(unpack(stretches[name]) for name in ("gap", "hosts", "per_host", "vm")), strict=True)
    starts, lengths, leases = changes(groups["start"]), unpack(groups["length"]), changes(groups["lease"])
    what, counts = unpack(groups["what"]), unpack(groups["stretches"])
    found = set()
    for start, length, at, kind, count in zip(starts, lengths, leases, what, counts, strict=True):
        host = 0
        for _ in range(count):
            gap, hosts, per, vm = next(columns)
            host += unzigzag(gap)
            for n in range(hosts):
                low = vm + n * per
                vms = data["texts"][vm] if not per else str(low) if per == 1 else f"{low}-{low + per - 1}"
                begin, outcomes = origin + start * unit, data["outcomes"]
                found.add(
                    (
                        ids[at],
                        data["kinds"][kind // len(outcomes)],
                        host + n,
                        vms,
                        begin,
                        begin + length * unit,
                        outcomes[kind % len(outcomes)],
                    )
                )
            host += hosts
    assert next(columns, None) is None
    return found


def test_every_reservation_comes_back_from_the_page(small_schedule: ReportData) -> None:
    """What happened, to the millisecond, the host and the VM, is what the page holds."""
    assert reservations_of(build_page(small_schedule)) == set(small_schedule.reservations)


def test_every_kind_of_reservation_is_drawn_and_explained(small_schedule: ReportData) -> None:
    """The data names all six kinds and the lost outcome, and the legend has a swatch for each that is not running."""
    page = build_page(small_schedule)
    assert set(data_of(page)["kinds"]) == KINDS
    assert "lost" in data_of(page)["outcomes"]
    swatches = {attrs.get("class") for tag, attrs in Elements(page).found if tag == "span"}
    assert {f"swatch {kind}" for kind in (KINDS - {"run"}) | {"lost", "cancelled"}} <= swatches


def test_curves_come_back_from_the_page(small_schedule: ReportData) -> None:
    """Utilisation and queue keep every step that changes something."""
    data = data_of(build_page(small_schedule))
    for name, points in (("utilisation", small_schedule.utilisation), ("queue", small_schedule.queue)):
        at = [data["origin"] + t * data["unit"] for t in changes(data[name]["at"])]
        drawn = list(zip(at, changes(data[name]["value"]), strict=True))
        assert set(drawn) <= set(points)
        assert {value for _, value in drawn} == {value for _, value in points}
        assert drawn[-1] == points[-1]


def test_a_parallel_lease_on_neighbouring_hosts_is_embedded_once() -> None:
    """A hundred hosts with one VM each at the same time are one stretch."""
    rows = [(1, "run", host, str(host + 1), EPOCH, EPOCH + HOUR, "done") for host in range(100)]
    page = build_page(ReportData("wide", [f"n{h}" for h in range(100)], [], rows, [], [], {}, {}))
    assert unpack(data_of(page)["stretches"]["hosts"]) == [100]
    assert reservations_of(page) == set(rows)


def test_vms_that_are_not_one_range_keep_their_words() -> None:
    """A host that holds VMs 1 to 3 and 7 says so."""
    rows = [(1, "run", 0, "1-3,7", EPOCH, EPOCH + HOUR, "done")]
    assert reservations_of(build_page(ReportData("t", ["n"], [], rows, [], [], {}, {}))) == set(rows)


def test_names_and_reasons_cannot_become_markup(small_schedule: ReportData) -> None:
    """Hostile text everywhere leaves the page with the elements that a friendly one has, and shows as text."""
    bad = lease(1, HOSTILE, "rejected" + HOSTILE, 0, reason=HOSTILE)
    rows = [(1, HOSTILE, 0, HOSTILE, EPOCH, EPOCH + HOUR, HOSTILE)]
    summary = summary_of([bad], HOUR) | {"workload": HOSTILE, "site": HOSTILE, "ar": {"reasons": {HOSTILE: 1}}}
    hostile = Elements(build_page(ReportData(HOSTILE, [HOSTILE], [bad], rows, [], [], summary, {HOSTILE: HOSTILE})))
    friendly = Elements(build_page(small_schedule))
    assert set(hostile.kinds()) <= set(friendly.kinds()) | {"code"}
    assert hostile.kinds().count("script") == 2
    assert not any(name.startswith("on") for _, attrs in hostile.found for name in attrs)
    assert HOSTILE in hostile.text


def test_only_the_pages_own_script_may_run(small_schedule: ReportData) -> None:
    """The content security policy allows the hash of the one script, and nothing from the network."""
    parsed = Elements(build_page(small_schedule))
    policy = next(attrs["content"] or "" for tag, attrs in parsed.found if attrs.get("http-equiv"))
    digest = b64encode(sha256(parsed.scripts[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_the_page_needs_no_network(small_schedule: ReportData) -> None:
    """No element refers to anything outside the page."""
    page = build_page(small_schedule)
    assert not {name for _, attrs in Elements(page).found for name in attrs} & {"src", "href", "srcset", "action"}
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", page)


def test_numbers_and_tables_are_there_without_script(small_schedule: ReportData) -> None:
    """Shares, waits, the rejected reservation with its reason, and the settings are plain HTML."""
    text = Elements(build_page(small_schedule)).text
    for said in ("79.3 %", "1 of 2", "11 min", "3 h 35 min", "1 of 4 fits", "scheduling.backfilling", "aggressive"):
        assert said in text


def test_rejected_reservations_come_first(small_schedule: ReportData) -> None:
    """The reader looks for what was refused, so it tops the table."""
    numbers = re.findall(r'<tr class="(?:rejected)?"><td class="n">(\d+)</td>', build_page(small_schedule))
    assert numbers == ["8", "2", "4", "7"]


def test_an_empty_schedule_is_a_page_too() -> None:
    """Nothing ran and nobody asked: still a page, with an axis of some length."""
    page = build_page(ReportData("Nothing", [], [], [], [], [], {}, {}))
    assert reservations_of(page) == set()
    assert data_of(page)["end"] > 0


def test_leases_may_be_mappings(small_schedule: ReportData) -> None:
    """Rows by column name give the same page as rows in order, numbers as text included."""
    by_name = [dict(zip(COLUMNS, row, strict=True)) for row in small_schedule.leases]
    for row in by_name:
        row["wait_s"] = "" if row["wait_s"] is None else str(row["wait_s"])
    assert build_page(small_schedule._replace(leases=by_name)) == build_page(small_schedule)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((1, "run", 1, "1", EPOCH, EPOCH + 1, "done"), "lease 1 is on host 1, but there are 1 hosts"),
        ((1, "run", -1, "1", EPOCH, EPOCH + 1, "done"), "lease 1 is on host -1"),
        ((1, "run", 0, "1", EPOCH, EPOCH - 1, "done"), "lease 1 ends .* before it starts"),
    ],
)
def test_an_impossible_reservation_is_refused(row: Row, said: str) -> None:
    """A host that is not there, or time running backwards, is an error that names the lease."""
    with pytest.raises(ValueError, match=said):
        build_page(ReportData("t", ["only"], [], [row], [], [], {}, {}))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("wait_s", "soon", "wait_s of lease 5 must be a number, not 'soon'"),
        ("bounded_slowdown", float("nan"), "bounded_slowdown of lease 5 must be finite"),
        ("started", "2006-11-25", "started of lease 5 must be integer milliseconds"),
        ("id", None, "no id"),
    ],
)
def test_an_impossible_lease_is_refused(column: str, value: object, said: str) -> None:
    """A row that is not one of leases.csv is an error that names lease and column."""
    with pytest.raises(ValueError, match=said):
        build_page(ReportData("t", [], [{"id": 5, column: value}], [], [], [], {}, {}))


def test_unlimited_leases_do_not_stretch_the_axis() -> None:
    """A lease that never ends is drawn up to where everything else ends."""
    rows = [
        (1, "run", 0, "1", EPOCH, 1 << 53, "done"),
        (2, "run", 0, "1", EPOCH, EPOCH + HOUR, "done"),
    ]
    data = data_of(build_page(ReportData("t", ["n"], [], rows, [], [], {}, {})))
    assert data["end"] * data["unit"] == HOUR


def test_same_data_same_bytes(tmp_path: Path, small_schedule: ReportData) -> None:
    """Nothing of the moment or the machine gets into the page, and it is written as UTF-8."""
    write_report(tmp_path / "a.html", small_schedule)
    write_report(tmp_path / "b.html", small_schedule._replace(reservations=list(small_schedule.reservations)[::-1]))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_title_that_is_no_text_does_not_cost_the_report(tmp_path: Path) -> None:
    """A file name with stray bytes, as a command line may hand it on, is written with those replaced."""
    write_report(tmp_path / "r.html", ReportData("trace\udcff.lwf", ["h\udcff"], [], [], [], [], {}, {}))
    assert "trace?.lwf" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_month_of_a_cluster_fits(tmp_path: Path, big_schedule: ReportData) -> None:
    """144 hosts × 30 days with 5,000 leases and over 300,000 reservations: at most 8 MB, nothing left out."""
    rows = list(big_schedule.reservations)
    assert len(rows) > 300_000
    before = time.process_time()
    write_report(tmp_path / "big.html", big_schedule)
    assert time.process_time() - before < 30
    assert (tmp_path / "big.html").stat().st_size < 8_000_000
    assert "too many to draw" not in Elements((tmp_path / "big.html").read_text(encoding="utf-8")).text
