"""The page of first questions shows what really happens: each of its sessions is played against a daemon of its own."""

import re
from pathlib import Path
from shlex import split

import pytest

from tests.test_tutorial import agrees, served, session, steps

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "guide" / "first-questions.md").read_text(encoding="utf-8")
SECTIONS = {section.partition("\n")[0]: section for section in re.split(r"^## … ", PAGE, flags=re.MULTILINE)[1:]}


@pytest.mark.parametrize("title", SECTIONS)
def test_it_happens_as_shown(title: str, tmp_path: Path) -> None:
    """Whoever types in a section's commands, from the first to the last, sees what it shows."""
    first, *rest = steps(SECTIONS[title])
    program, serve, *options = split(first.command)
    assert (program, serve) == ("haizea", "serve")
    with served(*options) as site:
        outcomes = session(site, [step.command for step in rest], tmp_path)
    for step, (_status, output) in zip(rest, outcomes, strict=True):
        assert agrees(step.shown, output), f"$ {step.command}\n{output}"
    assert len(rest) > 5


def test_all_five_are_answered() -> None:
    """None of the questions was lost."""
    assert len(SECTIONS) == 5
