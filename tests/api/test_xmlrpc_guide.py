"""What the guide to XML-RPC shows happens, and the reference is what the code says."""

import doctest
import re
from pathlib import Path

import pytest

from haizea.api.xmlrpc.methods import Method
from haizea.api.xmlrpc.reference import page
from haizea.api.xmlrpc.table import METHODS
from tests.api.xmlrpc_running import running

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide" / "xmlrpc.md"
REFERENCE = ROOT / "docs" / "guide" / "xmlrpc-reference.md"


def test_the_guide_can_be_typed_in() -> None:
    """Every line of Python in the guide gives what the guide says it gives, against a server that has just started."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    with running() as server:
        session = "".join(blocks).replace("http://localhost:42493", server.uri())
        test = doctest.DocTestParser().get_doctest(session, {}, GUIDE.name, str(GUIDE), 0)
        told: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(test, out=told.append, clear_globs=False)
        test.globs["haizea"]("close")()
    assert (result.failed, "".join(told)) == (0, "")
    assert result.attempted > 20


def test_the_reference_is_current() -> None:
    """The reference that is kept in the repository says what the code says now."""
    assert REFERENCE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_is_in_the_reference(method: Method) -> None:
    """The reference has a heading for every method of the table."""
    assert f"\n### `{method.name}`\n" in page()


def test_links_within_the_reference_lead_somewhere() -> None:
    """Every struct that the reference links to is on it."""
    text = page()
    headings = {line.removeprefix("### ").lower() for line in text.splitlines() if line.startswith("### ")}
    assert set(re.findall(r"\]\(#([a-z]+)\)", text)) <= headings


def test_structs_that_methods_name_are_explained() -> None:
    """What a method takes or answers by a struct's name has a heading of its own."""
    text = page()
    named = {word for method in METHODS for word in re.findall(r"`([A-Z]\w+)`", method.result)}
    assert named
    assert {name for name in named if f"\n### {name}\n" not in text} == set()
