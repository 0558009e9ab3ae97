"""What the documentation names is there: pages and their headings, files, modules, options, commands.

That its examples do what they show is tested where each of them is run: see test_tutorial and the tests of the guides.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from shlex import shlex
from typing import Final, NamedTuple

import click
import pytest

from haizea.cli.commands import haizea
from haizea.config import load
from haizea.config.table import BY_SECTION
from haizea.service.access import VERBS

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packaging/**/*.md")])
UNIT: Final = ROOT / "packaging" / "haizea.service"
MANUAL: Final = ("haizea.1", "haizea-serve.8", "haizea.toml.5")
FILES: Final = (".py", ".md", ".toml", ".csv", ".html")
FOLDERS: Final = ("benchmarks", "docs", "examples", "packaging", "src", "tests")

BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
SPAN: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
PLACEHOLDER: Final = re.compile(r"…|[\[\]|]|^(--?[\w-]+=)?[A-Z]{2,}$|^N$")
PREFIX: Final = re.compile(r"^(\$ +)?(\./dev run +|sudo -u \w+ +|[A-Z_]+=\S+ +)*")
# Those of operations.md, to serve and to stop, are run in tests/live.
RUN: Final = {
    "CONTRIBUTING.md",
    "README.md",
    "docs/admin/administering.md",
    "docs/admin/operations.md",
    "docs/admin/store.md",
    "docs/guide/command-line.md",
    "docs/guide/first-questions.md",
    "docs/tutorial.md",
}
# Methods of XML-RPC are called haizea.….
METHODS: Final = ("xmlrpc.md", "xmlrpc-reference.md")


def name(page: Path) -> str:
    """Return a page's path as a test's name shows it."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


# Links and names ---------------------------------------------------------------------------------------------


def headings(page: Path) -> set[str]:
    """Return what a page's headings are called in links."""
    found = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link into the repository leads to a file that is there, and to a heading that it has."""
    wrong = []
    for target in LINK.findall(prose(page)):
        path, _, heading = target.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        file = page.parent / path if path else page
        if not file.exists() or (heading and heading not in headings(file)):
            wrong.append(target)
    assert wrong == []


def test_every_page_is_linked() -> None:
    """Nobody has to know that a page exists: another one leads to it."""
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in LINK.findall(prose(page))
        if "://" not in target and not target.startswith("#")
    }
    assert [name(page) for page in PAGES if page not in linked and page.parent != ROOT] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_are_there(page: Path) -> None:
    """A path below one of the repository's folders is that of a file that exists."""
    named = [span for span in SPAN.findall(prose(page)) if span.partition("/")[0] in FOLDERS and "/" in span]
    assert [path for path in named if " " not in path and not any(ROOT.glob(path.rstrip("/")))] == []


def is_there(dotted: str) -> bool:
    """Whether a name below ``haizea`` is that of a module, or of something in one."""
    found: object = import_module("haizea")
    path = "haizea"
    for part in dotted.split("."):
        path += f".{part}"
        if not hasattr(found, part):
            try:
                found = import_module(path)
            except ImportError:
                return False
        else:
            found = getattr(found, part)
    return True


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in METHODS], ids=name)
def test_modules_and_options_that_are_named_are_there(page: Path) -> None:
    """``haizea.package.module`` can be imported; ``section.key`` is an option, a verb, or such a module in short."""
    packages = {path.parent.name for path in (ROOT / "src" / "haizea").glob("*/__init__.py")}
    wrong = []
    for span in SPAN.findall(prose(page)):
        if not re.fullmatch(r"[a-zA-Z_]+(\.[a-zA-Z_][\w-]*)+", span) or span in VERBS or span.endswith(FILES):
            continue
        dotted = span.removeprefix("haizea.")
        section, _, key = dotted.partition(".")
        is_option = section in BY_SECTION and key in BY_SECTION[section]
        if (section in packages or (section in BY_SECTION and dotted == span)) and not (is_option or is_there(dotted)):
            wrong.append(span)
    assert wrong == []


# Commands ----------------------------------------------------------------------------------------------------


class Shown(NamedTuple):
    """A command that a page shows: its words after ``haizea``; ``typed``: as it stands, not in running text."""

    words: tuple[str, ...]
    typed: bool = True

    @property
    def complete(self) -> bool:
        """Whether it can be typed in as it stands."""
        return self.typed and not any(PLACEHOLDER.search(word) for word in self.words)


def words_of(line: str) -> Iterator[str]:
    """Yield the words of a command up to where the shell begins something else."""
    lexer = shlex(line, posix=True, punctuation_chars=";<>&")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    yield from takewhile(lambda word: word[0] not in ";<>&", lexer)


def shown_on(page: Path) -> Iterator[Shown]:
    """Yield the commands of a page: lines of blocks that begin with ``haizea``, and such text between backquotes."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line.strip()
        for _, language, block in BLOCK.findall(text)
        if language in ("", "console", "sh", "text")
        for line in re.sub(r"\\\n|\n +(?=\[)", " ", block).splitlines()
    ]
    spans = [line.replace("\\|", "|") for line in SPAN.findall(prose(page))]
    for line, typed in [*((line, True) for line in lines), *((line, False) for line in spans)]:
        command = PREFIX.sub("", line)
        if command.startswith("haizea "):
            # What stands in columns after a command says what it is for.
            yield Shown(tuple(words_of(re.split(r" {3,}", command)[0]))[1:], typed)


def fault_of(shown: Shown) -> str:
    """Return what is wrong with a command, nothing if it can be typed in."""
    command: click.Command = haizea
    context = click.Context(haizea, info_name="haizea", **haizea.context_settings)
    rest = list(shown.words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        names = [each for each in rest.pop(0).split("|") if each != "…"]
        found = [(each, command.get_command(context, each)) for each in names]
        missing = [each for each, one in found if one is None]
        if missing:
            return f"there is no {context.command_path} {missing[0]}"
        if len(found) != 1 or found[0][1] is None:
            return ""
        command = found[0][1]
        context = click.Context(command, parent=context, info_name=found[0][0])
    options = {text for each in command.get_params(context) for text in (*each.opts, *each.secondary_opts)}
    for word in rest:
        for each in word.strip("[]…").split("|"):
            if re.match(r"--?[a-z]", each) and each.partition("=")[0] not in options:
                return f"{context.command_path} has no option {each}"
    if not shown.complete or isinstance(command, click.Group):
        return ""
    try:
        command.make_context(context.info_name, rest, parent=context.parent)
    except click.UsageError as problem:
        return problem.format_message()
    except click.exceptions.Exit:
        return ""
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_understood(page: Path) -> None:
    """Every ``haizea …`` that a page shows names commands and options that there are, with values that they take."""
    faults = [(" ".join(shown.words), fault_of(shown)) for shown in shown_on(page)]
    assert [(words, fault) for words, fault in faults if fault] == []


def test_commands_are_run_wherever_they_can_be() -> None:
    """A page with commands that can be typed in as they stand is one of those whose commands test_tutorial runs."""
    found = {name(page): [shown for shown in shown_on(page) if shown.complete] for page in PAGES}
    assert {page for page, shown in found.items() if shown} == RUN
    assert sum(len(shown) for shown in found.values()) > 60


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("lease request --duration 1h", ""),
        ("lease request|cancel", ""),
        ("lease list [--all]", ""),
        ("leese list", "there is no haizea leese"),
        ("lease request|steal", "there is no haizea lease steal"),
        ("lease list --everything", "haizea lease list has no option --everything"),
        ("lease wait 1 --for supper", "Invalid value for '--for'"),
        ("lease show", "Missing argument"),
    ],
)
def test_the_check_of_commands_sees_it(words: str, fault: str) -> None:
    """A command, an option or a value that there is not is found; what stands for something else is let pass."""
    found = fault_of(Shown(tuple(words.split())))
    assert found.startswith(fault)
    assert bool(found) == bool(fault)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_programs_that_are_named_are_installed(page: Path) -> None:
    """Every ``haizea-…`` that is shown as a command comes with the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    spans = [span.split()[0] for span in SPAN.findall(prose(page)) if not span.isspace()]
    named = {span for span in spans if re.fullmatch(r"haizea-[a-z0-9-]+", span)}
    assert named - set(project["scripts"]) - {"haizea-serve"} == set()


# Packaging ---------------------------------------------------------------------------------------------------


def unit(key: str) -> list[str]:
    """Return the values of a key of the systemd unit."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def test_the_unit_starts_what_there_is() -> None:
    """The service's command is one that ``haizea serve`` understands, and its configuration is in order."""
    [command] = unit("ExecStart")
    program, *words = command.split()
    assert program == "/usr/bin/haizea"
    assert fault_of(Shown(tuple(words))) == ""
    settings = load(str(ROOT / "packaging" / "haizea.toml"))
    folder = f"/var/lib/{unit('StateDirectory')[0]}"
    assert settings.store.url == f"sqlite:///{folder}/haizea.sqlite"
    assert settings.server.socket == f"/run/{unit('RuntimeDirectory')[0]}/haizea.sock"
    assert folder in (ROOT / "packaging" / "sysusers.conf").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_the_unit_is_locked_in() -> None:
    """What the service could do and need not is little to systemd: an exposure of at most 2 of 10."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_manual_pages_are_current() -> None:
    """The manual pages say what the code says now."""
    command = [sys.executable, str(ROOT / "docs" / "man.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("manual", MANUAL)
@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_the_manual_pages_are_well_formed(manual: str) -> None:
    """There is nothing that groff has to say about them, with all its warnings on."""
    command = ["groff", "-man", "-Tutf8", "-ww", "-z", str(ROOT / "packaging" / "man" / manual)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_manual_pages_name_every_command() -> None:
    """haizea(1) has a section for each command that does something, and no command twice."""
    text = (ROOT / "packaging" / "man" / "haizea.1").read_text(encoding="utf-8")
    sections = [each.replace("\\-", "-") for each in re.findall(r'^\.SS "haizea (.*)"$', text, re.MULTILINE)]
    context = click.Context(haizea)
    for command in haizea.list_commands(context):
        found = haizea.get_command(context, command)
        verbs = [f"{command} {verb}" for verb in found.list_commands(context)] if isinstance(found, click.Group) else []
        assert [sections.count(each) for each in verbs or [command]] == [1] * len(verbs or [command])
