"""Files that are broken, or meant to break their reader: each ends in one message, in bounded memory and time."""

import gzip
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.config import load as load_settings
from haizea.config.errors import ConfigError
from haizea.workloads.annotations import read_annotations
from haizea.workloads.errors import WorkloadError
from haizea.workloads.load import load
from haizea.workloads.oneline import parse_site
from tests.workloads.texts import NODES, SITE, job, lease, lwf, request, write

RES = '<res type="CPU" amount="100"/><res type="Memory" amount="1024"/>'
GOOD = lwf(request(body=lease(1)), request("00:10:00", lease(2, '<exact time="01:00:00"/>')), head=SITE)
MEMORY_MAX = 200 << 20
SECONDS_MAX = 20

READ = """
import resource, sys
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from haizea.workloads.errors import WorkloadError
from haizea.workloads.load import load
try:
    for _ in load(sys.argv[1]).requests:
        pass
except WorkloadError as error:
    print(error)
    sys.exit(2)
"""


def message(folder: Path, text: str | bytes) -> str:
    """Return what is said about a file."""
    path = write(folder, text)
    with pytest.raises(WorkloadError) as caught:
        list(load(path).requests)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    assert "; expected " in said
    return said.removeprefix(f"{path}:")


def message_in_bounds(path: Path) -> str:
    """Return what is said about a file by a process that may have little memory and time."""
    start = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(MEMORY_MAX + (200 << 20))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert run.returncode == 2, run.stderr[-1000:]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < SECONDS_MAX
    assert time.monotonic() - start < 60
    return run.stdout.strip().removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("old", "new", "line", "wrong"),
    [
        ('arrival="00:00:00.00"', 'arrival="-01:00:00"', 4, "arrival='-01:00:00' of <lease-request>"),
        ('arrival="00:00:00.00"', "", 4, "<lease-request> without arrival"),
        ('arrival="00:00:00.00"', 'arrival="9999999:00:00:00"', 4, "more than a hundred years"),
        ('id="1"', 'id="-1"', 4, "id='-1' of <lease>"),
        ('id="1"', 'id="2"', 10, "lease 2 was already on line 4"),
        ('id="1"', 'id="99999999999999999"', 4, "id='99999999999999999'"),
        ('preemptible="true"', 'preemptible="maybe"', 4, "preemptible='maybe' of <lease>"),
        ('preemptible="true"', "", 4, "<lease> without preemptible"),
        ('preemptible="true"', 'preemptible="true" nice="1"', 4, "unknown attribute 'nice' of <lease>"),
        ('numnodes="2"', 'numnodes="0"', 5, "numnodes='0'"),
        ('numnodes="2"', 'numnodes="-2"', 5, "numnodes='-2'"),
        ('numnodes="2"', 'numnodes="100001"', 5, "numnodes='100001'"),
        ('amount="1024"', 'amount="1024MB"', 5, "amount='1024MB' of <res>"),
        ('amount="1024"', 'amount="-1"', 5, "amount='-1'"),
        ('amount="1024"', f'amount="{1 << 40}"', 5, "amount='1099511627776'"),
        ('amount="1024"', f'amount="{"9" * 5000}"', 5, "amount='999"),
        ('amount="1024"', "", 5, "<res> of Memory with both or none"),
        ('type="Memory"', 'type="CPU"', 5, "CPU given twice"),
        ('type="Memory"', 'type=""', 5, "type=''"),
        (RES, "", 5, "<node-set> without <res>"),
        (RES, '<res type="CPU" amount="0"/>', 5, "all 0"),
        ("<start></start>", "", 4, "<lease> without <start>"),
        ("<start></start>", "<start><now/><now/></start>", 6, "<now> more than once"),
        ("<start></start>", '<start><now/><exact time="01:00:00"/></start>', 6, "both <now> and <exact>"),
        ("<start></start>", "<start>soon</start>", 6, "text 'soon' in <start>"),
        ("<start></start>", '<start><exact time="2006-11-25 13:00:00"/></start>', 6, "time='2006-11-25 13:00:00'"),
        ('<duration time="01:00:00"/>', '<duration time="00:00:00"/>', 7, "a duration of 0"),
        ('<duration time="01:00:00"/>', '<duration time="1h"/>', 7, "time='1h' of <duration>"),
        ('<duration time="01:00:00"/>', "<duration/>", 7, "<duration> without time"),
        ('<duration time="01:00:00"/>', '<duration time="1:0:0"/>', 7, "time='1:0:0' of <duration>"),
        ("<software>", "<colour/><software>", 8, "unknown element 'colour' in <lease>"),
        ("<software>", '<deadline time="01:00:00"/><software>', 8, "a deadline without an exact start"),
        ("<software>", '<constraints spread="yes" together="yes"/><software>', 8, "both spread and together"),
        ("<software>", '<constraints require="gpu"/><software>', 8, "require='gpu'"),
        ("<software>", '<reactions on-failure="cry"/><software>', 8, "'cry' is not a valid"),
        ("<software><none/></software>", "", 4, "<lease> without <software>"),
        ("<software><none/></software>", "<software/>", 8, "<software> with 0 elements"),
        ("<software><none/></software>", '<software><disk-image id="a" size="big"/></software>', 8, "size='big'"),
        ("<lease-requests>", "<lease-requests>hello", 3, "text 'hello' in <lease-requests>"),
        ("<lease-requests>", "<lease-requests><lease/>", 3, "unknown element 'lease' in <lease-requests>"),
        ("</lease-requests>", "</lease-requests><lease-requests/>", 16, "<lease-requests> more than once"),
        ("<site>", "<site/><site>", 2, "<site> more than once"),
        ('names="CPU Memory"', 'names="CPU"', 2, "resource types 'CPU'"),
        ('names="CPU Memory"', 'names="CPU Memory Memory"', 2, "resource types 'CPU Memory Memory'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_workload_is_said(tmp_path: Path, old: str, new: str, line: int, wrong: str) -> None:
    """Errors name the file, the line, what is there and what should be."""
    start = GOOD.index("<lease-requests>") if old in GOOD[GOOD.index("<lease-requests>") :] else 0
    said = message(tmp_path, GOOD[:start] + GOOD[start:].replace(old, new, 1))
    assert wrong in said
    assert said.startswith(f"{line}: ")


def test_hosts_with_a_type_that_the_site_does_not_have_are_refused(tmp_path: Path) -> None:
    """The resource types of a site are those of its hosts."""
    said = message(
        tmp_path, GOOD.replace('names="CPU Memory"/>' + NODES, 'names="CPU Memory"/>' + NODES.replace("CPU", "TPU"))
    )
    assert "hosts with 'TPU'" in said


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "the file is empty"),
        (b" \n\t ", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"\x00\x01\x02\xff" * 100, "1 field"),
        (b"\x7fELF\x02\x01\x01\n", "1 field"),
        (b"hello world\n", "2 fields"),
        (b"<html><body/></html>", "the file holds <html>"),
        (b"<lease-workload", "not well-formed XML"),
        (b"<", "not well-formed XML"),
        (b"<lease-workload/>", "without <lease-requests>"),
        (b"<lease-workload>\xff\xfe</lease-workload>", "not well-formed XML"),
        (b"\xff\xfe<\x00", "not well-formed XML"),
        (b'<?xml version="1.0" encoding="no-such"?><lease-workload/>', "not well-formed XML"),
        (b"<lease-workload>&nothing;</lease-workload>", "not well-formed XML"),
        (b"\x1f\x8b\x08garbage-that-is-no-gzip", "gzip"),
        (gzip.compress(job().encode() * 100, mtime=0)[:-12], "the gzip data ends in the middle"),
        (gzip.compress(GOOD.encode(), mtime=0)[:60], "the gzip data ends in the middle"),
    ],
)
def test_what_is_no_workload_is_said_to_be_none(tmp_path: Path, content: bytes, wrong: str) -> None:
    """Empty, binary, truncated and foreign files are told apart."""
    assert wrong in message(tmp_path, content)


def test_what_cannot_be_opened_is_said_to_be_so(tmp_path: Path) -> None:
    """A file that is not there, a directory, a pipe and an impossible name."""
    os.mkfifo(tmp_path / "pipe")
    cases: list[tuple[Path | str, str]] = [
        (tmp_path / "none", "there is no such file"),
        (tmp_path, "is a directory"),
        (tmp_path / "pipe", "is not a regular file"),
        (f"{tmp_path}/\0", "is not a file name"),
        (tmp_path / ("x" * 5000), "cannot be opened"),
    ]
    for path, wrong in cases:
        with pytest.raises(WorkloadError) as caught:
            load(path)
        assert wrong in str(caught.value)
        assert caught.value.line is None


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>\n<lease-workload name="&l11;"><description>&l11;</description>',
        '<!DOCTYPE lease-workload SYSTEM "http://127.0.0.1:9/x.dtd">\n<lease-workload/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<lease-workload>&x;</lease-workload>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_and_entities_are_refused(tmp_path: Path, text: str, encoding: str) -> None:
    """Neither billions of laughs nor other files get in, in whatever encoding they come."""
    said = message(tmp_path, text.encode(encoding))
    # In other encodings the parser meets the entities first, and refuses to expand them without end.
    assert "document type" in said or (encoding == "utf-16" and "not well-formed" in said)


def test_nesting_is_limited(tmp_path: Path) -> None:
    """A million elements inside each other are refused early."""
    path = write(tmp_path, "<lease-workload>" + "<a>" * 1_000_000)
    assert "depth" in message_in_bounds(path)


@pytest.mark.parametrize(
    ("start", "wrong"),
    [
        (b"", "a line of more than 65536 bytes"),
        (b"1 2 3 ", "a line of more than 65536 bytes"),
        (b"; ", "a line of more than 65536 bytes"),
        (b"<lease-workload>", "the file is too big"),
    ],
)
def test_a_line_of_a_gigabyte_is_refused(tmp_path: Path, start: bytes, wrong: str) -> None:
    """It is not read to its end, nor put into memory."""
    path = write(tmp_path, start)
    os.truncate(path, 1 << 30)
    assert wrong in message_in_bounds(path)


@pytest.mark.parametrize(
    ("start", "filling", "wrong"),
    [
        ("<lease-workload><description>", " ", "no <lease-request>"),
        ('<lease-workload name="', "x", "no <lease-request>"),
        ("<lease-workload><lease-requests>", '<res type="CPU" amount="1"/>', "no <lease-request>"),
        ("<lease-workload><lease-requests>", "<!-- -->", "no <lease-request>"),
        ("", "\n", "nothing but blanks"),
        ("", ";\n", "bytes of comments"),
        ("", "9", "a line of more than"),
        ("<lease-workload><lease-requests>" + request().strip(), request().strip(), "was already on line"),
    ],
)
def test_gzip_bombs_do_not_go_off(tmp_path: Path, start: str, filling: str, wrong: str) -> None:
    """A small file that unpacks to much more of anything than fits is given up in time."""
    path = tmp_path / "bomb.gz"
    block = (filling * (1 << 20)).encode()[: (1 << 20) // len(filling) * len(filling)]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start.encode())
        for _ in range(60):
            file.write(block)
    assert wrong in message_in_bounds(path)


def test_the_size_of_a_file_is_limited_as_the_caller_says(tmp_path: Path) -> None:
    """Limits hold for what comes out of gzip too."""
    for name, content in [("a.lwf", GOOD.encode()), ("a.gz", gzip.compress(GOOD.encode(), mtime=0))]:
        with pytest.raises(WorkloadError, match="too big; expected at most 100 bytes"):
            load(write(tmp_path, content, name), xml_bytes_max=100)
    text = job(1) + job(2)
    with pytest.raises(WorkloadError, match="too big; expected at most 50 bytes"):
        list(load(write(tmp_path, gzip.compress(text.encode(), mtime=0)), swf_bytes_max=50).requests)


def what_is_said(read: Callable[[], object]) -> str:
    """Return the message that reading ends in, if any."""
    try:
        read()
    except WorkloadError as error:
        return str(error)
    return ""


def survives(content: bytes) -> None:
    """Read a file as everything it might be; nothing but the one kind of error may come of it."""
    with TemporaryDirectory() as folder:
        path = write(Path(folder), content)
        said = [what_is_said(lambda: list(load(path).requests)), what_is_said(lambda: read_annotations(path))]
    assert all("; expected " in text and "\n" not in text for text in said if text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_workload_or_an_error(content: bytes) -> None:
    """No content makes a reader fail in another way."""
    survives(content)


@given(st.text("0123456789-.;\n \t_eE+x", max_size=300))
def test_any_text_like_a_trace_is_a_workload_or_an_error(content: str) -> None:
    """The same for what looks like SWF."""
    survives(content.encode())


ANNOTATIONS = '<lease-annotations><lease-annotation id="1"><start><now/></start></lease-annotation></lease-annotations>'


@given(st.sampled_from([GOOD, ANNOTATIONS, job(1) + job(2)]), st.data())
def test_damaged_files_are_workloads_or_errors(text: str, data: st.DataObject) -> None:
    """The same for good files of which a part is replaced, removed, repeated or made into something else."""
    content = text.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 40)))
        parts = [b"", b"<", b"/>", b'"', b"\0", b"-1", b"9" * 30, b"&x;", b"<now/>", b"<!--", content[start:end] * 2]
        content = content[:start] + data.draw(st.sampled_from(parts) | st.binary(max_size=4)) + content[end:]
    survives(content)


MANY = [f"T{number}" for number in range(99)]


def test_resource_types_are_limited(tmp_path: Path) -> None:
    """Every host's state has room for each of them, so that a short line could ask for very much memory."""
    names = f'names="CPU Memory {" ".join(MANY)}"'
    assert "101 resource types; expected at most 100" in message(tmp_path, GOOD.replace('names="CPU Memory"', names))
    asked = "".join(f'<res type="{name}" amount="1"/>' for name in MANY)
    wrong = "more than 100 resource types in a <node-set>; expected at most 100"
    assert wrong in message(tmp_path, lwf(request(body=lease(1).replace("</node-set>", asked + "</node-set>"))))


def test_resource_types_of_a_site_in_one_line_are_limited() -> None:
    """On the command line and in a configuration alike."""
    line = f"1 CPU:1 Memory:1 {' '.join(f'{name}:1' for name in MANY)}"
    with pytest.raises(ValueError, match="101 resource types; expected at most 100"):
        parse_site(line)
    with pytest.raises(ConfigError, match="101 resource types, of which there may be 100"):
        load_settings(environ={}, sets=[f"simulation.resources={line}"])
    fits = line.rpartition(" ")[0]
    assert len(parse_site(fits).resource_types) == 100
    assert load_settings(environ={}, sets=[f"simulation.resources={fits}"]).simulation.resources == fits
