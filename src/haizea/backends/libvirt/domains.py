"""Domains: their XML, made from a template, and the mark in their metadata by which they are known again."""

import uuid
from pathlib import Path
from string import Template as Text
from typing import Final, NamedTuple
from xml.etree import ElementTree as Tree

from haizea.model.resources import CPU, MEMORY, Capacity

NAMESPACE: Final = "urn:haizea:vm:1"
LABELS: Final = "urn:haizea:labels:1"
PREFIX: Final = "haizea"
TEMPLATE_MAX: Final = 1 << 20
MARK_MAX: Final = 65_536
_IDENTITY: Final = uuid.UUID("0bd2a0c2-98e2-4f0b-8b7c-3d8d4a1f7e55")
_PERIOD_US: Final = 100_000
_QUOTA_MIN_US: Final = 1_000

DEFAULT_TEMPLATE: Final = """
<domain>
  <os><type arch='x86_64'>hvm</type></os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type='pty'/>
    <panic model='isa'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
"""
"""The machine that VMs are where nobody has written another one."""


class TemplateError(ValueError):
    """A template cannot be used; the message says where and why."""


class Mark(NamedTuple):
    """What a domain's metadata says of it.

    ``command`` is the one that made or changed it last. ``saved`` is the file that its memory is in while it is
    suspended, empty where it is not.
    """

    lease: int
    vm: int
    command: int
    saved: str = ""

    def xml(self) -> str:
        """Return the element that is kept with the domain."""
        element = Tree.Element("vm", {name: str(value) for name, value in self._asdict().items()})
        return Tree.tostring(element, encoding="unicode")


def read_mark(text: str) -> Mark | None:
    """Return what an element in the metadata says; None where it is not one of ours, or damaged."""
    if len(text) > MARK_MAX or "<!" in text:
        return None
    try:
        element = Tree.fromstring(text)
        lease, vm, command = (int(element.get(name, "")) for name in ("lease", "vm", "command"))
    except (Tree.ParseError, ValueError):
        return None
    return Mark(lease, vm, command, element.get("saved", "")) if lease > 0 and vm > 0 else None


class Disk(NamedTuple):
    """A VM's disk: a qcow2 file, and the image below it with its format, empty where it stands alone."""

    path: str
    backing: str = ""
    backing_format: str = ""


class Spec(NamedTuple):
    """What a domain is to be like. ``seed`` is a disk for cloud-init, empty for none.

    ``direct`` disks are not cached by their host, so that another one on the same storage sees what was written.
    """

    mark: Mark
    demand: Capacity
    domain_type: str
    disk: Disk | None = None
    seed: str = ""
    network: str | None = None
    limit_cpu: bool = False
    direct: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return name_of(self.mark.lease, self.mark.vm)


def name_of(lease: int, vm: int) -> str:
    """Return what the domain of a lease's VM is called."""
    return f"haizea-{lease}-{vm}"


def uuid_of(lease: int, vm: int) -> str:
    """Return the identity of a lease's VM, wherever it is: a restored domain must have the one it was saved with."""
    return str(uuid.uuid5(_IDENTITY, f"{lease}/{vm}"))


class Template:
    """A domain's XML in which name, identity, size, disks and network are filled in.

    In texts and attributes ``${name}``, ``${lease}`` and ``${vm}`` stand for the VM's own.
    """

    def __init__(self, text: str, origin: str = "the built-in template") -> None:
        """Check it.

        Raises:
            TemplateError: it is no domain's XML, or too long.
        """
        if len(text) > TEMPLATE_MAX:
            raise TemplateError(f"{origin}: it is longer than {TEMPLATE_MAX >> 20} MiB")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise TemplateError(f"{origin}: document types and entities are not allowed")
        try:
            root = Tree.fromstring(text)
        except Tree.ParseError as problem:
            raise TemplateError(f"{origin}: it is not XML: {problem}") from None
        if root.tag != "domain":
            raise TemplateError(f"{origin}: its root is <{root.tag}>, not <domain>")
        for element in root.iter():
            for value in (element.text or "", *element.attrib.values()):
                _check(value, origin)
        self._text = text

    @classmethod
    def read(cls, path: Path) -> "Template":
        """Read it from a file.

        Raises:
            TemplateError: it cannot be read or used.
        """
        try:
            with path.open(encoding="utf-8") as file:
                return cls(file.read(TEMPLATE_MAX + 1), str(path))
        except (OSError, UnicodeDecodeError) as problem:
            raise TemplateError(f"{path}: {problem}") from problem

    def render(self, spec: Spec) -> str:
        """Return the XML of a domain."""
        root = Tree.fromstring(self._text)
        mark = spec.mark
        words = {"name": spec.name, "lease": str(mark.lease), "vm": str(mark.vm)}
        for element in root.iter():
            if element.text and "$" in element.text:
                element.text = Text(element.text).safe_substitute(words)
            for name, value in element.attrib.items():
                element.set(name, Text(value).safe_substitute(words))
        root.set("type", spec.domain_type)
        vcpus = max(1, -(-spec.demand[CPU] // 100))
        memory = str(max(1, spec.demand[MEMORY]))
        for tag, text in (
            ("name", spec.name),
            ("uuid", uuid_of(mark.lease, mark.vm)),
            ("vcpu", str(vcpus)),
            ("memory", memory),
            ("currentMemory", memory),
        ):
            _child(root, tag).text = text
        for tag in ("memory", "currentMemory"):
            _child(root, tag).set("unit", "MiB")
        if spec.limit_cpu and spec.demand[CPU]:
            tune = _child(root, "cputune")
            _child(tune, "period").text = str(_PERIOD_US)
            quota = spec.demand[CPU] * _PERIOD_US // 100 // vcpus
            _child(tune, "quota").text = str(max(_QUOTA_MIN_US, quota))
        metadata = _child(root, "metadata")
        Tree.SubElement(metadata, f"{{{NAMESPACE}}}vm", {name: str(value) for name, value in mark._asdict().items()})
        _add_devices(_child(root, "devices"), spec)
        Tree.register_namespace(PREFIX, NAMESPACE)
        return Tree.tostring(root, encoding="unicode")


def _check(value: str, origin: str) -> None:
    for found in Text.pattern.finditer(value):
        word = found.group("named") or found.group("braced")
        if word is not None and word not in ("name", "lease", "vm"):
            raise TemplateError(f"{origin}: ${{{word}}} is not known; ${{name}}, ${{lease}} and ${{vm}} are")


def _child(parent: Tree.Element, tag: str) -> Tree.Element:
    found = parent.find(tag)
    return found if found is not None else Tree.SubElement(parent, tag)


def _add_devices(devices: Tree.Element, spec: Spec) -> None:
    """Add the VM's own disks in front of the template's, and its network."""
    if spec.disk is not None:
        element = _disk(spec.disk.path, "qcow2", "vda")
        if spec.direct:
            element[0].set("cache", "none")
        element.append(_backing(spec.disk))
        devices.insert(0, element)
    if spec.seed:
        element = _disk(spec.seed, "raw", "vdy")
        Tree.SubElement(element, "readonly")
        devices.insert(1 if spec.disk is not None else 0, element)
    if spec.network is not None:
        interface = Tree.SubElement(devices, "interface", {"type": "network"})
        Tree.SubElement(interface, "source", {"network": spec.network})
        Tree.SubElement(interface, "model", {"type": "virtio"})


def _disk(path: str, form: str, target: str) -> Tree.Element:
    element = Tree.Element("disk", {"type": "file", "device": "disk"})
    Tree.SubElement(element, "driver", {"name": "qemu", "type": form})
    Tree.SubElement(element, "source", {"file": path})
    Tree.SubElement(element, "target", {"dev": target, "bus": "virtio"})
    return element


def _backing(disk: Disk) -> Tree.Element:
    """Return the chain below a disk, spelled out: what an image says of itself is never believed."""
    element = Tree.Element("backingStore")
    if disk.backing:
        element.set("type", "file")
        Tree.SubElement(element, "format", {"type": disk.backing_format})
        Tree.SubElement(element, "source", {"file": disk.backing})
        Tree.SubElement(element, "backingStore")
    return element


def with_paths(xml: str, changed: dict[str, str]) -> str:
    """Return a domain's XML in which files are elsewhere: old path to new one."""
    root = Tree.fromstring(xml)
    for source in root.iter("source"):
        path = source.get("file")
        if path in changed:
            source.set("file", changed[path])
    Tree.register_namespace(PREFIX, NAMESPACE)
    return Tree.tostring(root, encoding="unicode")


def files_of(xml: str) -> dict[str, str]:
    """Return the files that a domain's disks are in, by their targets' names; as ``backing`` the image below one."""
    found: dict[str, str] = {}
    for disk in Tree.fromstring(xml).iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None and source.get("file"):
            found[target.get("dev", "")] = source.get("file", "")
        below = disk.find("backingStore/source")
        if below is not None and below.get("file"):
            found["backing"] = below.get("file", "")
    return found


def labels_of(xml: str) -> dict[str, str]:
    """Return the labels that a domain's metadata gives it: the attributes of an element of a namespace for that."""
    found: dict[str, str] = {}
    for element in Tree.fromstring(xml).iterfind(f"metadata/{{{LABELS}}}labels"):
        found.update(element.attrib)
    return found


def size_of(xml: str) -> Capacity:
    """Return what a domain uses: its virtual CPUs and memory."""
    root = Tree.fromstring(xml)
    memory = root.find("memory")
    units = {"b": 1, "KiB": 1024, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
    amount = 0
    if memory is not None and (memory.text or "").strip().isdigit():
        amount = int(memory.text or "0") * units.get(memory.get("unit", "KiB"), 1024) >> 20
    vcpus = (root.findtext("vcpu") or "1").strip()
    return Capacity({CPU: 100 * int(vcpus) if vcpus.isdigit() else 100, MEMORY: amount})
