"""The XML of domains: what is filled into a template, what is refused, what is read back."""

from xml.etree import ElementTree as Tree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.backends.libvirt.domains import (
    DEFAULT_TEMPLATE,
    NAMESPACE,
    Disk,
    Mark,
    Spec,
    Template,
    TemplateError,
    files_of,
    labels_of,
    read_mark,
    size_of,
    uuid_of,
    with_paths,
)
from haizea.model.resources import CPU, MEMORY, Capacity

PATHS = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF))
DEMAND = Capacity({CPU: 150, MEMORY: 512})
SPEC = Spec(Mark(7, 2, 31), DEMAND, "kvm", Disk("/p/haizea-7-2.qcow2", "/p/image.raw", "raw"), "", "default", True)


def test_a_domain_is_what_its_lease_asked_for() -> None:
    """Name, identity, size, limit, disk with its chain, network and mark of a domain are the VM's own."""
    root = Tree.fromstring(Template(DEFAULT_TEMPLATE).render(SPEC))
    assert (root.get("type"), root.findtext("name"), root.findtext("uuid")) == ("kvm", "haizea-7-2", uuid_of(7, 2))
    assert (root.findtext("vcpu"), root.findtext("memory")) == ("2", "512")
    # One and a half cores are three quarters of each of two.
    assert (root.findtext("cputune/period"), root.findtext("cputune/quota")) == ("100000", "75000")
    disk = root.find("devices/disk")
    assert disk is not None
    assert [(e.tag, e.attrib) for e in disk][:2] == [
        ("driver", {"name": "qemu", "type": "qcow2"}),
        ("source", {"file": "/p/haizea-7-2.qcow2"}),
    ]
    below = disk.find("backingStore")
    assert below is not None
    assert (below.get("type"), below.find("backingStore") is not None) == ("file", True)
    assert root.find("devices/interface/source[@network='default']") is not None
    mark = root.find(f"metadata/{{{NAMESPACE}}}vm")
    assert mark is not None
    assert read_mark(Tree.tostring(mark, encoding="unicode")) == SPEC.mark


def test_a_template_names_the_vm() -> None:
    """In a template's texts and attributes the VM's name, lease and number can stand, and nothing else."""
    text = "<domain><description>${lease}/${vm} costs $$5</description><serial file='/log/${name}'/></domain>"
    root = Tree.fromstring(Template(text).render(SPEC))
    assert root.findtext("description") == "7/2 costs $5"
    assert root.find("serial[@file='/log/haizea-7-2']") is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<domain>", "it is not XML: no element found"),
        ("<network/>", "its root is <network>, not <domain>"),
        ("<domain><name>${host}</name></domain>", "${host} is not known"),
        ("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>", "document types and entities are not allowed"),
        ("<domain>" + " " * (1 << 20) + "</domain>", "it is longer than 1 MiB"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(text: str, why: str) -> None:
    """A template is checked when Haizea starts, and what is wrong with it is said."""
    with pytest.raises(TemplateError) as caught:
        Template(text, "t.xml")
    assert str(caught.value).startswith("t.xml: ")
    assert why in str(caught.value)


@given(
    st.integers(1, 2**31),
    st.integers(1, 10**5),
    st.integers(0, 2**40),
    PATHS,
)
def test_a_mark_is_read_as_it_was_written(lease: int, vm: int, command: int, saved: str) -> None:
    """What is written into a domain's metadata is what is read, whatever a path has in it."""
    mark = Mark(lease, vm, command, saved)
    assert read_mark(mark.xml()) == mark


@given(st.text() | st.just("<vm lease='0' vm='1' command='2'/>") | st.just("<vm lease='1'/>"))
def test_no_other_metadata_is_taken_for_a_mark(text: str) -> None:
    """Whatever somebody writes into a domain's metadata is not a lease's VM, and harms nobody."""
    assert read_mark(text) is None


def test_files_move_with_a_domain() -> None:
    """A domain's files are found in its XML, and can be said to be elsewhere."""
    xml = Template(DEFAULT_TEMPLATE).render(SPEC)
    assert files_of(xml) == {"vda": "/p/haizea-7-2.qcow2", "backing": "/p/image.raw"}
    moved = with_paths(xml, {"/p/haizea-7-2.qcow2": "/q/d", "/p/image.raw": "/q/i"})
    assert files_of(moved) == {"vda": "/q/d", "backing": "/q/i"}
    assert read_mark(Tree.tostring(Tree.fromstring(moved).find(f"metadata/{{{NAMESPACE}}}vm"), encoding="unicode"))  # type: ignore[arg-type] # it is there


@pytest.mark.parametrize(
    ("memory", "mib"), [("<memory>2097152</memory>", 2048), ("<memory unit='GiB'>3</memory>", 3072), ("", 0)]
)
def test_the_size_of_a_strangers_domain(memory: str, mib: int) -> None:
    """What a stranger uses is read from its XML, in whatever unit."""
    assert size_of(f"<domain>{memory}<vcpu> 3 </vcpu></domain>") == Capacity({CPU: 300, MEMORY: mib})


def test_the_labels_of_a_strangers_domain() -> None:
    """They are in the metadata, under a name of their own, as virsh puts them there; there need not be any."""
    said = '<labels:labels xmlns:labels="urn:haizea:labels:1" haizea="ignore" role="dns"/>'
    assert labels_of(f"<domain><metadata>{said}</metadata></domain>") == {"haizea": "ignore", "role": "dns"}
    assert labels_of("<domain><metadata><labels haizea='ignore'/></metadata></domain>") == {}
    assert labels_of("<domain/>") == {}
