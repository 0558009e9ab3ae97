"""The XML of leases: what is written is read again, times mean what they meant, and what is wrong is named."""

import xml.etree.ElementTree as ET
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.model.lease import LeaseState
from haizea.model.units import DAY, HOUR, SECOND
from haizea.service.errors import Invalid
from haizea.service.instants import iso
from haizea.service.leasexml import XML_CHARACTERS_MAX, lease_to_xml, parse_time, request_from_xml
from haizea.service.models import LeaseRequestIn
from haizea.workloads.times import format_span
from tests.api.xmlrpc_fake import AT, NOW, lease_out

CONTENT = (
    '<nodes><node-set numnodes="2"><res type="CPU"><instance amount="100"/><instance amount="100"/></res></node-set>'
    '</nodes><start>{start}</start><duration time="{duration}"/>{deadline}<software><none/></software>'
)
ZONES = ("UTC", "Europe/Madrid", "America/Chicago", "Australia/Lord_Howe", "Asia/Kathmandu")
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
LABELS = st.dictionaries(NAMES.filter(lambda name: "=" not in name), NAMES, max_size=3)
INSTANTS = st.integers(0, 8_000 * 365 * DAY).map(iso)
TYPES = st.sampled_from(["CPU", "Memory", "Disk", "Net-in"])


def xml(start: str = "", duration: str = "01:00:00", deadline: str = "", attributes: str = "") -> str:
    """Return a lease's XML."""
    content = CONTENT.format(start=start, duration=duration, deadline=deadline)
    return f'<lease preemptible="true" {attributes}>{content}</lease>'


def exact(time: str) -> str:
    """Return what stands in an exact start."""
    return f'<exact time="{time}"/>'


@st.composite
def requests(draw: st.DrawFn) -> LeaseRequestIn:
    """Draw any request that XML has words for."""
    fields: dict[str, Any] = {
        "nodes": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "count": st.integers(1, 1_000),
                        "resources": st.dictionaries(TYPES, st.integers(1, 1 << 39), min_size=1),
                    }
                ),
                min_size=1,
                max_size=3,
            )
        ),
        "duration": draw(st.just("unlimited") | st.integers(1, 36_000 * DAY).map(format_span)),
        "preemptible": draw(st.booleans()),
        "owner": draw(NAMES),
        "name": draw(NAMES | st.just("")),
        "group": draw(NAMES | st.just("")),
        "software": draw(st.none() | st.fixed_dictionaries({"id": NAMES, "size": st.integers(1, 1 << 39)})),
        "extra": draw(st.dictionaries(NAMES, NAMES, max_size=3)),
        "constraints": {"require": draw(LABELS), "exclude": draw(LABELS), "spread": draw(st.booleans())},
        "on_guest_shutdown": draw(st.sampled_from(["end", "restart", "hold"])),
        "on_failure": draw(st.sampled_from(["restart", "requeue", "fail", "hold"])),
    }
    start = draw(st.none() | st.just("now") | INSTANTS)
    fields["start"] = start
    if start not in (None, "now"):
        fields["deadline"] = draw(st.none() | INSTANTS)
    return LeaseRequestIn.model_validate(fields)


@given(requests(), st.integers(1, 1 << 53), st.sampled_from(list(LeaseState)), st.sampled_from(ZONES))
def test_what_is_written_is_read_again(request: LeaseRequestIn, number: int, state: LeaseState, zone: str) -> None:
    """A lease's XML, in any zone, gives the request that the lease came from."""
    assert request.owner is not None
    lease = lease_out(number - 1, request.owner, request, state=state.label)
    text = lease_to_xml(lease, ZoneInfo(zone))
    assert request_from_xml(text, NOW, ZoneInfo(zone)) == request
    element = ET.fromstring(text)
    assert (element.get("id"), element.get("state")) == (str(number - 1), str(state.value))


@given(INSTANTS, st.sampled_from(ZONES))
def test_times_are_written_without_a_zone(instant: str, zone: str) -> None:
    """A time in any zone, on any day, is read again; it names a zone only where clocks were set back."""
    lease = lease_out(1, "anna", LeaseRequestIn.model_validate({**MINIMAL, "start": instant}))
    time = ET.fromstring(lease_to_xml(lease, ZoneInfo(zone))).find("start/exact")
    assert time is not None
    text = time.get("time", "")
    assert parse_time(text, 0, ZoneInfo(zone)) == parse_time(instant, 0)
    if zone in ("UTC", "Asia/Kathmandu"):
        assert "+" not in text


MINIMAL: dict[str, Any] = {"nodes": [{"count": 1, "resources": {"CPU": 100}}], "duration": "01:00:00"}


def test_a_lease_looks_as_it_did() -> None:
    """Attributes and times have the form that Haizea 1.x gave them."""
    request = LeaseRequestIn.model_validate({**MINIMAL, "start": "2026-11-25T18:00:00.250Z", "preemptible": True})
    assert lease_to_xml(lease_out(7, "anna", request)) == (
        '<lease id="7" state="3" preemptible="True" submit-time="2026-11-25 13:00:00.00" owner="anna"><nodes><node-set '
        'numnodes="1"><res type="CPU" amount="100"/></node-set></nodes><start><exact time="2026-11-25 18:00:00.25"/>'
        '</start><duration time="01:00:00.00"/><software><none/></software></lease>'
    )


def test_an_unlimited_duration_is_a_century() -> None:
    """What has no end is written as 36,500 days, for old clients know no other word, and read as what it was."""
    request = LeaseRequestIn.model_validate({**MINIMAL, "duration": "unlimited"})
    text = lease_to_xml(lease_out(1, "anna", request))
    assert '<duration time="36500:00:00:00.00"/>' in text
    assert request_from_xml(text, NOW).duration == "unlimited"


def test_texts_that_xml_cannot_hold() -> None:
    """A control character in a value and a label with blanks do not keep a lease from being shown."""
    request = LeaseRequestIn.model_validate(
        {**MINIMAL, "extra": {"a": "b\x00c"}, "constraints": {"require": {"rack": "7 b", "gpu": "*"}}}
    )
    element = ET.fromstring(lease_to_xml(lease_out(1, "anna", request)))
    attr, constraints = element.find("extra/attr"), element.find("constraints")
    assert attr is not None
    assert constraints is not None
    assert (attr.get("value"), constraints.attrib) == ("b\ufffdc", {"require": "gpu=*"})


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-25 18:00:00", 5 * HOUR),
        ("2026-11-25T18:00:00", 5 * HOUR),
        ("2026-11-25 18:00", 5 * HOUR),
        ("2026-11-25 18:00:00.00", 5 * HOUR),
        ("2026-11-25T18:00:00.123456Z", 5 * HOUR + 123),
        ("2026-11-25T18:00:00+01:00", 4 * HOUR),
        ("2026-11-25T18:00:00 -0330", 8 * HOUR + HOUR // 2),
        ("+01:30:00", HOUR + HOUR // 2),
        ("+1:00:00:00", DAY),
        (" +00:01 ", SECOND),
    ],
)
def test_times(text: str, meant: int) -> None:
    """A time is an instant, in the zone that it names or else in the daemon's, or a span since the submission."""
    assert parse_time(text, NOW) == NOW + meant
    assert request_from_xml(xml(exact(text)), NOW).start == iso(NOW + meant)


def test_times_without_a_zone_are_the_daemons() -> None:
    """A daemon in Madrid takes 18:00 as 17:00 in UTC, in winter."""
    assert parse_time("2026-11-25 18:00:00", NOW, ZoneInfo("Europe/Madrid")) == NOW + 4 * HOUR


def test_what_the_daemon_says_is_not_for_the_client_to_say() -> None:
    """Number, state and time of submission of a request are read and forgotten; user and owner are the same."""
    said = request_from_xml(xml(attributes='id="5" state="8" submit-time="yesterday" user="3"'), NOW)
    assert said == request_from_xml(xml(attributes='owner="3"'), NOW)
    assert said.owner == "3"
    assert said.nodes[0].resources == {"CPU": 200}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not well-formed"),
        ("<lease/>", "without preemptible"),
        ("<nodes/>", "the document holds <nodes>"),
        ('<lease preemptible="true"/>', "without <nodes>"),
        (xml().replace("true", "maybe"), "true, false, yes or no"),
        (xml("<now/><exact time='+01:00'/>"), "both <now> and <exact>"),
        (xml("<exact/>"), "without time"),
        (xml(exact("noon")), "not an instant"),
        (xml(exact("2026-02-30 00:00:00")), "day is out of range"),
        (xml(exact("1969-12-31 23:59:59")), "before 1970"),
        (xml(exact("0001-01-01 00:00:00+23:59")), "before 1970"),
        (xml(exact("2026-11-25T18:00:00+01:99")), "no such zone"),
        (xml(exact("2026-11-25T18:00:00+24:00")), "offset must be"),
        (xml(exact("+1000000:00:00:00")), "more than a hundred years"),
        (xml(exact("9999-12-31T23:59:59-01:00")), "after the year 9999"),
        (xml(duration="0:00"), "a duration of 0"),
        (xml(deadline='<deadline time="+01:00:00"/>'), "a deadline without an exact start"),
        (xml().replace('numnodes="2"', 'numnodes="100001"'), "a whole number from 1 to 100000"),
        (xml().replace("<none/>", '<disk-image id="a" size="0"/>'), "software.size"),
        (xml().replace("</lease>", '<extra><attr name="a" value="' + "x" * 3_000 + '"/></extra></lease>'), "extra.a"),
        (xml().replace("</lease>", '<constraints require="a=1 a=2"/></lease>'), "a label twice"),
        (xml().replace("</lease>", "<realduration/></lease>"), "unknown element 'realduration'"),
        (xml(attributes='colour="red"'), "unknown attribute 'colour'"),
        (xml("now"), "text 'now'"),
        (f"<!DOCTYPE lease>{xml()}", "document type"),
        (xml("&now;"), "not well-formed"),
        ("x" * (XML_CHARACTERS_MAX + 1), "characters"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """A lease that is wrong is refused in one short sentence that says what is wrong."""
    with pytest.raises(Invalid) as error:
        request_from_xml(text, NOW)
    assert message in error.value.detail
    assert len(error.value.detail) < 400


def test_errors_tell_the_line() -> None:
    """What is wrong is said with the line that it stands on."""
    with pytest.raises(Invalid, match=r"^lease XML:3: "):
        request_from_xml(xml(exact("noon")).replace("<start>", "\n\n<start>"), NOW)


def test_editors_may_point_at_a_schema() -> None:
    """Attributes that say where a schema is are no part of the lease."""
    schema = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="lease.xsd"'
    declared = '<?xml version="1.0" encoding="iso-8859-1"?>'
    assert request_from_xml(declared + xml(attributes=schema), NOW) == request_from_xml(xml(), NOW)
    assert lease_out(1, "anna", request_from_xml(xml("<now/>"), NOW)).start == AT
