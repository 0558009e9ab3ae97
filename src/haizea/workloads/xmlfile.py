"""Reading XML that nobody vouches for: a stream of small elements, each checked before it is believed.

Document types and entities are refused, nothing is fetched, nesting and text are limited by the parser, and an
element is dropped as soon as it has been used, so that memory does not grow with the file.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from haizea.workloads.errors import WorkloadError, quoted
from haizea.workloads.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

ELEMENT_BYTES_MAX: Final = 8 << 20
"""Most bytes of a file that may pass before the next element of the stream is complete."""

_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"


class Shape(NamedTuple):
    """What an element may hold: attributes that must and that may be there, and children.

    ``children`` says for each name how often it may occur at most; 0 is any number. ``needed`` children must occur.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: Mapping[str, int] = {}
    needed: tuple[str, ...] = ()
    text: bool = False


EMPTY: Final = Shape()


class XmlFile:
    """Streams the elements of one file and says what is wrong with them."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        """Name the file for messages."""
        self.path = path

    def error(self, element: "_Element", wrong: str, expected: str) -> WorkloadError:
        """Return an error at the line of an element."""
        return WorkloadError(self.path, self.line(element), wrong, expected)

    def line(self, element: "_Element") -> int:
        """Return the line that an element begins on; the parser knows it to two lines beyond line 65,535."""
        return cast("int", element.sourceline)

    def stream(self, source: Source, root: str, item: str, parents: tuple[str, ...]) -> Iterator["_Element"]:
        """Yield each element ``item`` once it is complete, and at last the root.

        ``parents`` are the elements above an item, from the root down. What an item held is gone when the next one
        is asked for; the root holds everything else.

        Raises:
            WorkloadError: the file is not well-formed XML, has a document type, has another root, items elsewhere
                or among other things, or an element larger than :data:`ELEMENT_BYTES_MAX`.
        """
        from lxml import etree

        parser = etree.XMLPullParser(
            events=("end",), tag=item, resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False,
            dtd_validation=False, attribute_defaults=False, remove_comments=True, remove_pis=True,
        )  # fmt: skip
        expected = f"<{root}>, complete and well-formed XML"
        last: _Element | None = None
        waiting = 0
        try:
            while piece := source.read():
                if last is None and b"<!DOCTYPE" in piece:
                    line = piece[: piece.index(b"<!DOCTYPE")].count(b"\n") + 1
                    raise WorkloadError(self.path, line, "a document type (DTD)", f"<{root}> without one")
                parser.feed(piece)
                waiting += len(piece)
                for event in parser.read_events():
                    waiting = 0
                    element = cast("_Element", event[1])
                    self._check_place(element, last, parents)
                    yield element
                    element.clear(keep_tail=True)  # type: ignore[call-arg]
                    last = element
                if waiting > ELEMENT_BYTES_MAX:
                    wrong = f"no <{item}> in the {ELEMENT_BYTES_MAX} bytes after this line"
                    raise WorkloadError(self.path, 1 if last is None else self.line(last), wrong, expected)
            top = parser.close()
        except etree.XMLSyntaxError as error:
            wrong = f"not well-formed XML ({_one_line(error.msg or '')})"
            raise WorkloadError(self.path, error.lineno or 1, wrong, expected) from error
        self._check_root(top, root)
        yield top

    def _check_root(self, top: "_Element", root: str) -> None:
        if top.tag != root:
            raise self.error(top, f"the file holds <{top.tag!s}>", f"<{root}>")
        if top.getroottree().docinfo.internalDTD is not None:
            raise self.error(top, "a document type (DTD)", f"<{root}> without one")

    def _check_place(self, element: "_Element", last: "_Element | None", parents: tuple[str, ...]) -> None:
        """Check that an item is where items belong, next to the ``last`` one; forget that one."""
        above: list[_Element] = list(element.iterancestors())
        if tuple(a.tag for a in reversed(above)) != parents:
            path = "".join(f"<{name}>" for name in parents)
            raise self.error(element, f"<{element.tag!s}> out of place", f"it directly in {path}")
        if last is None:
            self._check_root(above[-1], parents[0])
            return
        before = element.getprevious()
        if before is not last:
            wrong = f"<{element.tag!s}> after something else" if before is None else f"<{before.tag!s}> among items"
            raise self.error(element if before is None else before, wrong, f"only <{element.tag!s}>, all in one place")
        if (last.tail or "").strip():
            raise self.error(last, f"text {quoted((last.tail or '').strip())} after it", "elements only")
        above[0].remove(last)

    def attributes(self, element: "_Element", shape: Shape) -> dict[str, str]:
        """Return an element's attributes after checking that they are those of its shape."""
        found: dict[str, str] = {}
        for key, value in element.items():
            name, text = str(key), str(value)
            if name in shape.required or name in shape.optional:
                found[name] = text
            elif not name.startswith((_XSI, _XML)):
                allowed = ", ".join(shape.required + shape.optional) or "no attributes"
                raise self.error(element, f"unknown attribute {quoted(name)} of <{element.tag!s}>", allowed)
        for name in shape.required:
            if name not in found:
                raise self.error(element, f"<{element.tag!s}> without {name}", f'{name}="..."')
        return found

    def children(self, element: "_Element", shape: Shape) -> list["_Element"]:
        """Return an element's children after checking that they, and the text between them, are as in its shape."""
        seen: dict[str, int] = {}
        text = "" if shape.text else element.text or ""
        for child in element:
            name = str(child.tag)
            limit = shape.children.get(name)
            allowed = " ".join(f"<{n}>" for n in shape.children) or f"nothing in <{element.tag!s}>"
            if limit is None:
                raise self.error(child, f"unknown element {quoted(name)} in <{element.tag!s}>", allowed)
            seen[name] = seen.get(name, 0) + 1
            if limit and seen[name] > limit:
                raise self.error(child, f"<{name}> more than once in <{element.tag!s}>", f"one <{name}>")
            text = text or (child.tail or "").strip()
        if text and not text.isspace():
            raise self.error(element, f"text {quoted(text.strip())} in <{element.tag!s}>", "elements only")
        for name in shape.needed:
            if name not in seen:
                raise self.error(element, f"<{element.tag!s}> without <{name}>", f"<{name}> in it")
        return list(element)


def _one_line(text: str) -> str:
    """Return what the parser said, fit for a message: without the place, which it begins with, on one line."""
    said = " ".join(text.split(", line ")[0].split())
    return "".join(c if c.isprintable() else "?" for c in said)[:120]
