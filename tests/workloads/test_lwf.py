"""Reading workloads in LWF."""

import gzip
from pathlib import Path

import pytest

from haizea.model.lease import Constraints, DiskImage, LeaseRequest, LeaseType, OnEnd, OnFailure, Reactions
from haizea.model.resources import Capacity
from haizea.model.units import HOUR, MINUTE
from haizea.workloads.errors import WorkloadError
from haizea.workloads.load import load
from haizea.workloads.oneline import parse_site
from tests.workloads.texts import NODES, SITE, job, lease, lwf, request, write


def read(folder: Path, text: str) -> list[LeaseRequest]:
    """Return the requests of a workload."""
    return list(load(write(folder, text)).requests)


def test_the_type_of_a_lease_follows_from_its_start_and_deadline(tmp_path: Path) -> None:
    """No start, now, an exact start, and one with a deadline are the four types."""
    exact = '<exact time="+02:00:00"/>'
    requests = read(
        tmp_path,
        lwf(
            request(body=lease(1)),
            request(body=lease(2, "<now/>")),
            request(body=lease(3, exact)),
            request(body=lease(4, exact, more='<deadline time="06:00:00"/>')),
        ),
    )
    assert [r.terms.type for r in requests] == [
        LeaseType.BEST_EFFORT,
        LeaseType.IMMEDIATE,
        LeaseType.ADVANCE_RESERVATION,
        LeaseType.DEADLINE,
    ]
    assert (requests[3].terms.start, requests[3].terms.deadline) == (2 * HOUR, 6 * HOUR)


def test_everything_that_a_lease_says_is_kept(tmp_path: Path) -> None:
    """Real duration, user, image, extra, several node sets and cores as instances arrive in the request."""
    text = lwf(
        request(
            "00:15:00",
            """<lease id="9" preemptible="no" user="ann" state="0" submit-time="2006-11-25 13:00:00">
              <nodes>
                <node-set numnodes="1"><res type="CPU"><instance amount="100"/><instance amount="50"/></res></node-set>
                <node-set numnodes="3"><res type="CPU" amount="100"/><res type="GPU" amount="2"/></node-set>
              </nodes>
              <start/> <duration time="unlimited"/> <software><disk-image id="'a.img'" size="600"/></software>
              <extra><attr name="simul_userrate" value="1.0"/></extra>
            </lease>""",
            before='<realduration time="00:10:00"/>',
        )
    )
    (found,) = read(tmp_path, text)
    terms = found.terms
    assert (found.id, found.arrival, found.real_duration) == (9, 15 * MINUTE, 10 * MINUTE)
    assert [(n.count, n.demand) for n in terms.nodes] == [
        (1, Capacity({"CPU": 150})),
        (3, Capacity({"CPU": 100, "GPU": 2})),
    ]
    assert (terms.preemptible, terms.user, terms.duration) == (False, "ann", None)
    assert terms.software == DiskImage("'a.img'", 600)
    assert dict(terms.extra) == {"simul_userrate": "1.0"}


def test_constraints_labels_and_reactions_are_read(tmp_path: Path) -> None:
    """What Haizea 2 adds to the format: where VMs may run, and what to do when something fails."""
    hosts = NODES.replace("</node-set>", '<label name="rack" value="a 1"/></node-set>')
    more = '<constraints require="gpu=yes rack=*" exclude="old=1" spread="Yes"/><reactions on-failure="hold"/>'
    text = lwf(request(body=lease(more=more)), head=f'<site><resource-types names="CPU Memory GPU"/>{hosts}</site>')
    workload = load(write(tmp_path, text))
    (found,) = workload.requests
    assert found.terms.constraints == Constraints((("gpu", "yes"), ("rack", "*")), (("old", "1"),), spread=True)
    assert found.terms.reactions.on_failure is OnFailure.HOLD
    assert workload.site is not None
    assert [dict(h.labels) for h in workload.site.hosts] == [{"rack": "a 1"}] * 4
    assert workload.site.resource_types == ("CPU", "Memory", "GPU")


def test_name_description_and_attributes_are_kept(tmp_path: Path) -> None:
    """The metadata of a workload is part of it."""
    head = '<description>Two\nlines</description><attributes><attr name="seed" value="7"/></attributes>'
    workload = load(write(tmp_path, lwf(request(), head=head)))
    assert (workload.name, workload.description, dict(workload.attributes)) == ("test", "Two\nlines", {"seed": "7"})
    assert workload.site is None


def test_a_site_that_is_given_replaces_the_workloads_own(tmp_path: Path) -> None:
    """Without one the site of the file counts."""
    path = write(tmp_path, lwf(request(), head=SITE))
    other = parse_site("2 CPU:100 Memory:512")
    own = load(path).site
    assert own is not None
    assert len(own.hosts) == 4
    assert load(path, site=other).site is other


def test_requests_are_sorted_by_arrival_and_otherwise_stay_in_order(tmp_path: Path) -> None:
    """A file need not be sorted; requests of one instant keep their order."""
    text = lwf(*(request(arrival, lease(id)) for id, arrival in [(1, "00:10:00"), (2, "00:05:00"), (3, "00:10:00")]))
    assert [r.id for r in read(tmp_path, text)] == [2, 1, 3]


def test_leases_without_an_id_are_numbered_around_those_that_have_one(tmp_path: Path) -> None:
    """Missing ids are the lowest free numbers, in order of the file."""
    bare = lease().replace(' id="1"', "")
    text = lwf(request(body=bare), request(body=lease(1)), request(body=bare), request(body=lease(3)))
    assert [r.id for r in read(tmp_path, text)] == [2, 1, 4, 3]


def test_equal_node_sets_of_a_file_are_one_object(tmp_path: Path) -> None:
    """What thousands of leases have in common is in memory once."""
    first, second = read(tmp_path, lwf(request(body=lease(1)), request(body=lease(2))))
    assert first.terms.nodes is second.terms.nodes


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_content_decides_the_format(tmp_path: Path, pack: "type[bytes]") -> None:
    """XML and SWF, plain and gzip, are told apart whatever the file is called."""
    xml = load(write(tmp_path, pack(lwf(request()).encode()), "trace.swf"))
    swf = load(write(tmp_path, pack(job().encode()), "workload.lwf"))
    assert [[r.id for r in w.requests] for w in (xml, swf)] == [[1], [1]]


def test_blanks_and_a_byte_order_mark_before_xml_do_no_harm(tmp_path: Path) -> None:
    """Files saved by editors are read too."""
    text = lwf(request()).removeprefix('<?xml version="1.0"?>')
    for start in (b"\xef\xbb\xbf", b"  \n\n"):
        assert len(list(load(write(tmp_path, start + text.encode())).requests)) == 1


def test_comments_and_schema_attributes_do_no_harm(tmp_path: Path) -> None:
    """What says nothing about the workload is passed over."""
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="lwf.xsd"'
    text = lwf(request(), "<!-- the second one -->", request(body=lease(2))).replace("name=", f"{xsi} name=")
    assert len(read(tmp_path, text)) == 2


def test_a_workload_may_have_no_requests(tmp_path: Path) -> None:
    """An empty list is a workload."""
    assert read(tmp_path, lwf()) == []


def test_lines_of_long_files_are_known(tmp_path: Path) -> None:
    """The lines of errors count from the beginning of the file; past 65,535 they are right to two lines."""
    text = lwf(*(request(body=lease(id)) + "\n" * 1000 for id in range(1, 100)), request(body=lease(5)))
    with pytest.raises(WorkloadError, match="lease 5 was already on line") as caught:
        load(write(tmp_path, text))
    line = text[: text.rindex("<lease id")].count("\n") + 1
    assert line > 1 << 16
    assert caught.value.line is not None
    assert abs(caught.value.line - line) <= 2


def test_priority_grace_and_the_end_are_read(tmp_path: Path) -> None:
    """A lease says where it is in the queue, how early it must be told, and what it wants at its end."""
    body = lease(more='<reactions on-end="extend" extend-by="00:30:00"/>')
    body = body.replace("<lease ", '<lease priority="-7" grace="00:05:00" ', 1)
    terms = read(tmp_path, lwf(request(body=body)))[0].terms
    assert (terms.priority, terms.grace) == (-7, 5 * MINUTE)
    assert terms.reactions == Reactions(on_end=OnEnd.EXTEND, extend_by=30 * MINUTE)


@pytest.mark.parametrize(
    ("attributes", "more"),
    [
        ('priority="high"', ""),
        ('priority="1000001"', ""),
        ('grace="soon"', ""),
        ("", '<reactions on-end="explode"/>'),
        ("", '<reactions on-end="extend" extend-by="00:00:00"/>'),
    ],
)
def test_wrong_wishes_are_refused(tmp_path: Path, attributes: str, more: str) -> None:
    """What is no priority, no length of time or no wish is told with its line."""
    body = lease(more=more).replace("<lease ", f"<lease {attributes} ", 1)
    with pytest.raises(WorkloadError):
        read(tmp_path, lwf(request(body=body)))
