"""Write the generated parts of the documentation from the code they describe.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in a Markdown file; what it holds
comes from the function of that name in :data:`PARTS`. The picture of the README is drawn from a run of the example it
shows. The reference of XML-RPC and the manual pages are made as a whole. Run without arguments to write them all anew,
with ``--check`` only to learn which are out of date (exit status 1).
"""

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from haizea.api.xmlrpc.reference import page as xmlrpc_reference
from haizea.config.reference import reference
from haizea.core.orders import table as lease_orders
from haizea.core.reactions import REACTIONS, Desired, Reaction, Sight
from haizea.core.states import TRANSITIONS, diagram
from haizea.core.wishes import ON_FAILURE, ON_GUEST_SHUTDOWN
from haizea.model.lease import LeaseState
from haizea.service import access
from haizea.service.principal import Role

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURE: Final = ROOT / "docs" / "img" / "first-schedule.svg"
XMLRPC: Final = ROOT / "docs" / "guide" / "xmlrpc-reference.md"
HAIZEA: Final = (sys.executable, "-c", "from haizea.cli.main import main; main()")
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
    purpose = " ".join(docstring.split("\n\n")[0].split())
    return re.sub(r":\w+:`([^`]+)`", r"`\1`", purpose)


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


def state_numbers() -> str:
    """Return the states of a lease with the numbers that clients of Haizea 1.x know."""
    return _table(
        ("number", "state", "final"),
        [(str(state.value), state.label, "yes" if state.final else "") for state in LeaseState],
    )


def lease_states() -> str:
    """Return which state of a lease may follow which: as a diagram, and in words where lines would hide the rest."""
    broken_off = {LeaseState.CANCELLED: "cancelled", LeaseState.FAILED: "failed"}
    lines = [
        line
        for line in diagram().splitlines()
        if not line.endswith(tuple(f"--> {name}" for name in broken_off.values()))
    ]
    told = []
    for end, name in broken_off.items():
        exceptions = [state.label for state in LeaseState if not state.final and end not in TRANSITIONS[state]]
        but = f" but {' and '.join(exceptions)}" if exceptions else ""
        told.append(f"*{name}* may follow every state that is not final{but}")
    drawn = "\n".join(lines)
    return f"```mermaid\n{drawn}\n```\n\nNot drawn: {'; '.join(told)}.\n"


def reactions() -> str:
    """Return what is done for every pair of a seen and a desired state, and what the words for it mean."""

    def cell(desired: Desired, sight: Sight) -> str:
        reaction = REACTIONS[desired, sight]
        return {Reaction.AGREES: "", Reaction.IMPOSSIBLE: "—"}.get(reaction, reaction.name.lower().replace("_", " "))

    pairs = [(sight.value, *(cell(desired, sight) for desired in Desired)) for sight in Sight]
    meanings = [
        ("—" if word is Reaction.IMPOSSIBLE else word.name.lower().replace("_", " "), word.value)
        for word in Reaction
        if word is not Reaction.AGREES
    ]
    table = _table(("seen to be", *(f"wanted {desired.value}" for desired in Desired)), pairs)
    wishes = [(f"on guest shutdown: {wish.value}", act.value) for wish, act in ON_GUEST_SHUTDOWN.items()]
    wishes += [(f"on failure: {wish.value}", act.value) for wish, act in ON_FAILURE.items()]
    told = _table(("reaction", "what is done"), meanings)
    return f"{table}\n{told}\n{_table(('wish of a lease', 'what is done'), wishes)}"


def verbs() -> str:
    """Return every verb, who may use it, and what scope a token needs."""
    words = {"no": "", "own": "own", "all": "all"}
    rows = [
        (f"`{verb}`", rule.says, *(words[access.reach(role, verb)] for role in Role), rule.scope.label)
        for verb, rule in access.VERBS.items()
    ]
    return _table(("verb", "what it is", *(role.label for role in Role), "scope"), rows)


class Example(NamedTuple):
    """The bundled example: its figures, and its schedule as a picture."""

    summary: dict[str, Any]
    picture: str


@cache
def _example() -> Example:
    """Simulate the bundled example."""
    examples = ROOT / "examples"
    with TemporaryDirectory() as folder:
        run = (*HAIZEA, "simulate", str(examples / "first.lwf"), "--config", str(examples / "first.toml"), "--quiet")
        subprocess.run((*run, "--output", folder), check=True)
        picture = Path(folder) / "schedule.svg"
        draw = (sys.executable, str(examples / "draw.py"), folder, "--svg", str(picture), "One day on four hosts")
        subprocess.run(draw, check=True)
        summary = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
        return Example(summary, picture.read_text(encoding="utf-8"))


def example() -> str:
    """Return what came of the bundled example, in a sentence."""
    summary = _example().summary
    counts = list(summary["leases"].values())
    done, rejected = (sum(states.get(state, 0) for states in counts) for state in ("done", "rejected"))
    return (
        f"*The bundled example: {sum(sum(states.values()) for states in counts)} leases, {done} done and {rejected} "
        f"rejected, {summary['suspensions']} suspensions; {100 * summary['utilisation']['CPU']:.0f} % of all core time "
        "in use.*\n"
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
    "example": example,
    "layers": layers,
    "lease-orders": lease_orders,
    "lease-states": lease_states,
    "reactions": reactions,
    "state-numbers": state_numbers,
    "verbs": verbs,
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
    """Return the files that are out of date, each with what it should say."""
    wanted = {page: regenerated(page.read_text(encoding="utf-8")) for page in pages()}
    wanted[PICTURE] = _example().picture
    wanted[XMLRPC] = xmlrpc_reference()
    # The script beside this one, whatever this one was started as.
    wanted |= runpy.run_path(str(ROOT / "docs" / "man.py"))["pages"]()
    return {file: new for file, new in wanted.items() if not file.exists() or file.read_text(encoding="utf-8") != new}


def main(arguments: list[str]) -> int:
    """Write or check every file; return the exit status."""
    if arguments not in ([], ["--check"]):
        raise SystemExit("usage: generate.py [--check]")
    outdated = stale()
    for file, text in outdated.items():
        if arguments:
            print(f"{file.relative_to(ROOT)}: out of date; ./dev docs writes it anew")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"{file.relative_to(ROOT)}: written")
    return 1 if outdated and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
