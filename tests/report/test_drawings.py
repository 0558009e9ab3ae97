"""The SVG picture and the drawing for the terminal."""

from xml.etree import ElementTree

import pytest

from haizea.report.data import ReportData
from haizea.report.look import TYPES
from haizea.report.svg import gantt_svg
from haizea.report.terminal import gantt_text
from tests.report.made_up import EPOCH, HOUR, MINUTE

END = EPOCH + 230 * MINUTE


def types_of(data: ReportData) -> dict[int, str]:
    """Return the type of each lease."""
    return {int(str(row[0])): str(row[1]) for row in data.leases if isinstance(row, tuple)}


def svg_of(data: ReportData, title: str = "") -> ElementTree.Element:
    """Draw the whole schedule and parse the picture."""
    return ElementTree.fromstring(gantt_svg(data.hosts, data.reservations, types_of(data), EPOCH, END, title=title))


def texts(picture: ElementTree.Element) -> list[str]:
    """Return the texts to read in a picture."""
    return [element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_shows_hosts_leases_and_a_legend(small_schedule: ReportData) -> None:
    """Every host is named, long bars carry their lease, and each colour and texture used is explained."""
    said = texts(svg_of(small_schedule, "Preemption"))
    assert {"Preemption", *small_schedule.hosts, *TYPES, *map(str, range(1, 8)), "13:00", "16:30"} <= set(said)
    assert {"suspending", "resuming", "shutting down", "work lost", "image transfer", "migration"} <= set(said)


def test_the_legend_explains_only_what_is_drawn() -> None:
    """A picture of one run needs one entry."""
    rows = [(1, "run", 0, "1", EPOCH, EPOCH + HOUR, "done")]
    picture = ElementTree.fromstring(gantt_svg(["n"], rows, {1: "AR"}, EPOCH, EPOCH + HOUR))
    assert [element.text for element in picture.iter() if element.get("class") == "legend"] == ["AR"]


def test_bars_stay_within_the_picture(small_schedule: ReportData) -> None:
    """What began before the left edge or ends after the right one is cut there."""
    early, late = EPOCH + 55 * MINUTE, EPOCH + 100 * MINUTE
    picture = ElementTree.fromstring(
        gantt_svg(small_schedule.hosts, small_schedule.reservations, types_of(small_schedule), early, late)
    )
    for bar in picture.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(bar.attrib["x"]) <= float(bar.attrib["x"]) + float(bar.attrib["width"]) <= 960


def test_names_in_the_picture_are_escaped() -> None:
    """A host or title with markup in it is text, and the picture stays well formed."""
    name = "</text><script>alert(1)</script>&"
    picture = ElementTree.fromstring(gantt_svg([name], [], {}, EPOCH, END, title=name))
    assert texts(picture).count(name) == 2
    assert not list(picture.iter("{http://www.w3.org/2000/svg}script"))


def test_a_name_that_xml_cannot_hold_does_not_break_the_picture() -> None:
    """Control characters and stray surrogates are replaced, so that the picture stays well formed and writable."""
    drawn = gantt_svg(["a\x00b\x1b\udc80"], [], {}, EPOCH, END)
    assert "a\ufffdb\ufffd\ufffd" in texts(ElementTree.fromstring(drawn.encode()))


def test_the_terminal_shows_the_schedule() -> None:
    """Two hosts, a preemption: the run, its suspension, the reservation and the resumed run, each with its number."""
    m = MINUTE
    rows = [
        (1, "run", 0, "1", EPOCH, EPOCH + 24 * m, "done"),
        (1, "suspend", 0, "1", EPOCH + 24 * m, EPOCH + 30 * m, "done"),
        (2, "run", 0, "1", EPOCH + 30 * m, EPOCH + 60 * m, "done"),
        (2, "run", 1, "2", EPOCH + 30 * m, EPOCH + 60 * m, "done"),
        (1, "resume", 0, "1", EPOCH + 60 * m, EPOCH + 66 * m, "done"),
        (1, "run", 0, "1", EPOCH + 66 * m, EPOCH + 90 * m, "lost"),
    ]
    drawn = gantt_text(["a", "b"], rows, {1: "best-effort", 2: "AR"}, EPOCH, EPOCH + 90 * m, 48)
    assert drawn == (
        "   13:00          13:30          14:00\n"
        "   ┬──────────────┬──────────────┬──────────────\n"
        "a  █████1██████╲╲╲▓▓▓▓▓▓▓2▓▓▓▓▓▓▓╱╱╱×××××1××××××\n"
        "b                 ▓▓▓▓▓▓▓2▓▓▓▓▓▓▓\n"
        "█ best-effort  ▓ AR  ╲ suspend  ╱ resume  × lost\n"
    )


@pytest.mark.parametrize("width", [40, 72, 100, 200])
def test_the_terminal_drawing_keeps_to_its_width_and_to_ascii(small_schedule: ReportData, width: int) -> None:
    """Plain ASCII where asked, whatever a host is called, no line too long, no control characters."""
    hosts = ["größter\x1b[2J", *small_schedule.hosts[1:-1], "x" * 50]
    drawn = gantt_text(hosts, small_schedule.reservations, types_of(small_schedule), EPOCH, END, width, ascii_only=True)
    assert drawn.isascii()
    assert "\x1b" not in drawn
    assert max(map(len, drawn.splitlines())) <= width


def test_leases_that_share_a_host_get_a_line_each(small_schedule: ReportData) -> None:
    """The fourth host runs an immediate lease above a best-effort one."""
    lines = gantt_text(small_schedule.hosts, small_schedule.reservations, types_of(small_schedule), EPOCH, END).split(
        "\n"
    )
    at = next(i for i, line in enumerate(lines) if line.startswith("host-4"))
    assert "▒4▒" in lines[at]
    assert "█5█" in lines[at + 1]


def test_what_does_not_fit_on_the_lines_of_a_host_is_told() -> None:
    """Eleven leases at once on one host: eight lines, and a word about the other three."""
    rows = [(n, "run", 0, "1", EPOCH, END, "done") for n in range(1, 12)]
    drawn = gantt_text(["n"], rows, dict.fromkeys(range(12), "AR"), EPOCH, END)
    assert "3 more than 8 at a time not drawn" in drawn


def test_a_picture_of_no_time_is_refused() -> None:
    """The end must come after the start."""
    with pytest.raises(ValueError, match="must end"):
        gantt_svg([], [], {}, EPOCH, EPOCH)
    with pytest.raises(ValueError, match="must end"):
        gantt_text([], [], {}, EPOCH, EPOCH)
