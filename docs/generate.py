"""Write the generated parts of the documentation from the code they describe.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in a Markdown file; what it holds
comes from the function of that name in :data:`PARTS`. Run without arguments to write them all anew, with ``--check``
only to learn which are out of date (exit status 1).
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from haizea.config.reference import reference
from haizea.model.lease import LeaseState

ROOT: Final = Path(__file__).resolve().parent.parent
PART: Final = re.compile(r"(<!-- generated: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _purpose(package: str) -> str:
    """Return the first paragraph of a package's docstring, on one line."""
    source = ROOT / "src" / "haizea" / package / "__init__.py"
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    if not docstring:
        raise SystemExit(f"{source.relative_to(ROOT)}: expected a docstring that says what the package holds")
    return " ".join(docstring.split("\n\n")[0].split())


def layers() -> str:
    """Return the packages from the top layer down, each with its purpose."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in config["tool"]["importlinter"]["contracts"] if c["id"] == "layers")
    rows = []
    for number, layer in enumerate(contract["layers"], start=1):
        names = [name.strip(" ()") for name in layer.split("|")]
        packages = [name for name in names if (ROOT / "src" / "haizea" / name).is_dir()]
        rows += [(str(number), f"`haizea.{name}`", _purpose(name)) for name in packages]
    return _table(("layer", "package", "what it holds"), rows)


def lease_states() -> str:
    """Return the states of a lease with the numbers that clients of Haizea 1.x know."""
    return _table(
        ("number", "state", "final"),
        [(str(state.value), state.label, "yes" if state.final else "") for state in LeaseState],
    )


def decisions() -> str:
    """Return the architecture decision records by number."""
    rows = []
    for record in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        lines = record.read_text(encoding="utf-8").splitlines()
        number, title = lines[0].removeprefix("# ").split(". ", 1)
        rows.append((f"[{number}]({record.name})", title, lines[2].removeprefix("Date: ")))
    return _table(("number", "decision", "date"), rows)


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "configuration": reference,
    "decisions": decisions,
    "layers": layers,
    "lease-states": lease_states,
}


def regenerated(text: str) -> str:
    """Return a Markdown text with its generated parts written anew.

    Raises:
        SystemExit: the text asks for a part that nobody makes.
    """

    def fill(match: re.Match[str]) -> str:
        if match[2] not in PARTS:
            raise SystemExit(f"there is no generated part {match[2]!r}; there are {', '.join(sorted(PARTS))}")
        return match[1] + PARTS[match[2]]() + match[3]

    return PART.sub(fill, text)


def pages() -> Iterator[Path]:
    """Yield the Markdown files of the project."""
    yield from sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def stale() -> dict[Path, str]:
    """Return the pages whose generated parts are out of date, each with what it should say."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    return {page: new for page, old in texts.items() if (new := regenerated(old)) != old}


def main(arguments: list[str]) -> int:
    """Write or check every page; return the exit status."""
    if arguments not in ([], ["--check"]):
        raise SystemExit("usage: generate.py [--check]")
    outdated = stale()
    for page, text in outdated.items():
        if arguments:
            print(f"{page.relative_to(ROOT)}: out of date; ./dev docs writes it anew")
        else:
            page.write_text(text, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: written")
    return 1 if outdated and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
