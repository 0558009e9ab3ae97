"""Reading what oned answers: the XML of its pools, as plain values.

Much of it was written by users. Document types and entities are refused, sizes are bounded, numbers that are none are
an error of that one object, not of the pool.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from haizea.model.resources import AMOUNT_MAX

if TYPE_CHECKING:
    from lxml.etree import _Element

TEXT_MAX: Final = 4_096
"""So much is kept of one attribute."""

ATTRIBUTES_MAX: Final = 256
"""So many attributes are kept of a user template."""

OURS: Final = "HAIZEA"
_KIB: Final = 1024


class BadAnswer(ValueError):
    """What OpenNebula has answered cannot be understood."""


class Record(NamedTuple):
    """The last entry of a VM's history: where it is or was, and what was done with it last, by whom.

    ``open`` says whether it is still on that host.
    """

    number: int
    host: int
    action: int
    by: int
    open: bool


class Machine(NamedTuple):
    """A VM of OpenNebula. ``cpu`` is in percent of a core, ``cores`` counts virtual ones, ``memory`` is in MiB.

    ``said`` are the attributes of its user template that begin with ``HAIZEA_``; ``asked`` is its HAIZEA attribute,
    names in upper case, None where it has none. ``since`` is when it was made, in seconds since the epoch. ``before``
    is the record before the last one, which pools do not show.
    """

    id: int
    name: str
    owner: str
    group: str
    state: int
    lcm: int
    cpu: int
    cores: int
    memory: int
    since: int
    record: Record | None
    said: Mapping[str, str]
    asked: Mapping[str, str] | None
    error: str = ""
    before: Record | None = None


class Server(NamedTuple):
    """A host of OpenNebula. ``cpu`` is in percent of a core, ``memory`` in MiB; both 0 until it was monitored."""

    id: int
    name: str
    cluster: str
    state: int
    cpu: int
    memory: int


class Person(NamedTuple):
    """A user, or a group (without groups) of OpenNebula."""

    id: int
    name: str
    groups: tuple[int, ...] = ()


class Datastore(NamedTuple):
    """A datastore; ``kind`` is 0 image, 1 system, 2 files. ``free`` is in MiB."""

    id: int
    name: str
    kind: int
    free: int


def machines(text: str) -> list[Machine]:
    """Read a pool of VMs, by number.

    Raises:
        BadAnswer: it is none.
    """
    return sorted([_machine(each) for each in _items(text, "VM_POOL", "VM")], key=lambda vm: vm.id)


def machine(text: str) -> Machine:
    """Read one VM.

    Raises:
        BadAnswer: it is none.
    """
    return _machine(_root(text, "VM"))


def servers(text: str) -> list[Server]:
    """Read a pool of hosts, by number.

    Raises:
        BadAnswer: it is none.
    """
    found = []
    for each in _items(text, "HOST_POOL", "HOST"):
        share = each.find("HOST_SHARE")
        cpu = memory = 0
        if share is not None:
            cpu, memory = _number(share, "MAX_CPU", 0), _number(share, "MAX_MEM", 0) // _KIB
        found.append(
            Server(
                _number(each, "ID"),
                _text(each, "NAME"),
                _text(each, "CLUSTER"),
                _number(each, "STATE"),
                min(max(cpu, 0), AMOUNT_MAX),
                min(max(memory, 0), AMOUNT_MAX),
            )
        )
    return sorted(found)


def people(text: str, pool: str = "USER_POOL", item: str = "USER") -> list[Person]:
    """Read a pool of users, or of groups.

    Raises:
        BadAnswer: it is none.
    """
    return [_person(each) for each in _items(text, pool, item)]


def person(text: str) -> Person:
    """Read one user.

    Raises:
        BadAnswer: it is none.
    """
    return _person(_root(text, "USER"))


def datastores(text: str) -> list[Datastore]:
    """Read a pool of datastores.

    Raises:
        BadAnswer: it is none.
    """
    return [
        Datastore(_number(each, "ID"), _text(each, "NAME"), _number(each, "TYPE", 0), _number(each, "FREE_MB", 0))
        for each in _items(text, "DATASTORE_POOL", "DATASTORE")
    ]


# Parts -------------------------------------------------------------------------------------------------------


def _machine(vm: "_Element") -> Machine:
    template, user = vm.find("TEMPLATE"), vm.find("USER_TEMPLATE")
    said, asked = _user_template(user)
    records = _records(vm.find("HISTORY_RECORDS"))
    return Machine(
        id=_number(vm, "ID"),
        name=_text(vm, "NAME"),
        owner=_text(vm, "UNAME"),
        group=_text(vm, "GNAME"),
        state=_number(vm, "STATE"),
        lcm=_number(vm, "LCM_STATE", 0),
        cpu=_percent(template),
        cores=0 if template is None else _number(template, "VCPU", 0),
        memory=0 if template is None else _number(template, "MEMORY", 0),
        since=_number(vm, "STIME", 0),
        record=records[-1] if records else None,
        said=said,
        asked=asked,
        error="" if user is None else _text(user, "ERROR"),
        before=records[-2] if len(records) > 1 else None,
    )


def _user_template(user: "_Element | None") -> tuple[dict[str, str], dict[str, str] | None]:
    said: dict[str, str] = {}
    asked: dict[str, str] | None = None
    for count, each in enumerate(() if user is None else user):
        if count == ATTRIBUTES_MAX:
            break
        name = str(each.tag).upper()
        if name == OURS:
            asked = {
                str(child.tag).upper(): (child.text or "").strip()[:TEXT_MAX] for child in list(each)[:ATTRIBUTES_MAX]
            }
        elif name.startswith(OURS + "_"):
            said[name] = (each.text or "").strip()[:TEXT_MAX]
    return said, asked


def _records(records: "_Element | None") -> list[Record]:
    """Return what is shown of a VM's history, the last one last."""
    found = [
        Record(
            _number(each, "SEQ"),
            _number(each, "HID"),
            _number(each, "ACTION", 0),
            _number(each, "UID", -1),
            _number(each, "ETIME", 0) == 0,
        )
        for each in (() if records is None else records.iterchildren("HISTORY"))
    ]
    return sorted(found)


def _person(user: "_Element") -> Person:
    groups = user.find("GROUPS")
    ids = (
        []
        if groups is None
        else [int(each.text or "-1") for each in groups if re.fullmatch("[0-9]{1,9}", each.text or "")]
    )
    return Person(_number(user, "ID"), _text(user, "NAME"), tuple(ids))


def _percent(template: "_Element | None") -> int:
    """Return CPU in percent of a core; OpenNebula has it as a decimal number of cores."""
    given = "0" if template is None else _text(template, "CPU") or "0"
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", given):
        raise BadAnswer(f"CPU {given[:32]!r} is no number of cores")
    whole, _, fraction = given.partition(".")
    hundredths = int((fraction + "00")[:2])
    more = 1 if fraction[2:].strip("0") else 0
    return int(whole) * 100 + hundredths + more


def _items(text: str, pool: str, item: str) -> Iterator["_Element"]:
    return iter(_root(text, pool).findall(item))


def _root(text: str, name: str) -> "_Element":
    from lxml import etree

    # What no longer is a tree when it has been looked at cannot be a trap: nothing is resolved, fetched or expanded.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as problem:
        raise BadAnswer(f"OpenNebula answered with XML that is none: {problem}") from problem
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadAnswer("OpenNebula answered with a document type, which it never does")
    if root.tag != name:
        raise BadAnswer(f"OpenNebula answered with a {str(root.tag)[:32]} where a {name} was asked for")
    return root


def _text(element: "_Element", name: str) -> str:
    return (element.findtext(name) or "").strip()[:TEXT_MAX]


def _number(element: "_Element", name: str, default: int | None = None) -> int:
    given = _text(element, name)
    if not given and default is not None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", given):
        raise BadAnswer(f"{element.tag}: {name} is {given[:32]!r}, not a whole number")
    return int(given)
