"""Write the manual pages, haizea(1), haizea-serve(8) and haizea.toml(5), from the code they describe.

Commands and options come from the command line itself, configuration from its table, exit statuses from the guide. Run
without arguments to write them anew, with ``--check`` only to learn which are out of date (exit status 1).
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Final, NamedTuple

import click

from haizea import __version__
from haizea.cli.commands import haizea
from haizea.config.settings import SECTIONS
from haizea.config.table import BY_SECTION, POLICIES, Option, allowed
from haizea.config.write import format_value

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "packaging" / "man"
GUIDE: Final = ROOT / "docs" / "guide" / "command-line.md"
DATE: Final = "2026-11-22"
COMMON_LEAST: Final = 10
"""An option that at least so many commands have, in the same words, is described once for all of them."""


class Entry(NamedTuple):
    """A command: its words, itself, and the context that its help is made in."""

    words: str
    command: click.Command
    context: click.Context


# Writing roff ------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Return text in which nothing means anything to troff, in ASCII."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)


def line(text: str) -> str:
    """Return a line of running text; ``code`` in backquotes is set in bold, *stress* in italics."""
    pieces = re.split(r"`([^`]+)`|(?<!\w)\*([^*\s][^*]*)\*(?!\w)", " ".join(text.split()))
    made = []
    for number, piece in enumerate(pieces):
        if piece:
            font = ("", "B", "I")[number % 3]
            made.append(f"\\f{font}{escaped(piece)}\\fR" if font else escaped(piece))
    whole = "".join(made)
    return f"\\&{whole}" if whole.startswith((".", "\\(aq")) else whole


def section(title: str) -> str:
    """Begin a section."""
    return f'.SH "{escaped(title)}"'


def subsection(title: str) -> str:
    """Begin a subsection."""
    return f'.SS "{escaped(title)}"'


def paragraphs(text: str) -> Iterator[str]:
    """Yield a docstring's or a Markdown text's paragraphs."""
    for paragraph in cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from (".PP", ".nf", *map(escaped, paragraph.splitlines()[1:]), ".fi")
        elif paragraph.strip():
            yield from (".PP", line(paragraph))


def item(term: str, *explained: str) -> Iterator[str]:
    """Yield an entry of a list; the term is roff already."""
    yield from (".TP", term, line(explained[0]))
    for more in explained[1:]:
        yield from (".IP", line(more))


def example(*lines: str) -> Iterator[str]:
    """Yield lines as they stand, indented."""
    yield from (".PP", ".RS 4", ".nf", *map(escaped, lines), ".fi", ".RE")


def declared(record: str) -> str:
    """Return ``-t, --start TIME`` with what is typed as it stands in bold, and what it stands for in italics."""
    words = re.split(r"([ ,/]+)", record)
    return "".join(
        escaped(word) if not word.strip(" ,/") else f"\\f{'B' if word.startswith('-') else 'I'}{escaped(word)}\\fR"
        for word in words
    )


def page(name: str, chapter: int, says: str, body: Iterable[str]) -> str:
    """Return a manual page."""
    head = [
        '.\\" Made by docs/man.py from the code; edit that.',
        f'.TH "{escaped(name.upper())}" "{chapter}" "{DATE}" "Haizea {escaped(__version__)}" "Haizea"',
        ".nh",
        ".ad l",
        section("NAME"),
        f"{escaped(name)} \\- {escaped(says)}",
    ]
    return "\n".join([*head, *body]) + "\n"


# Commands ----------------------------------------------------------------------------------------------------


def top() -> click.Context:
    """Return the context of ``haizea`` itself."""
    return click.Context(haizea, info_name="haizea", **haizea.context_settings)


def commands(entry: Entry | None = None) -> Iterator[Entry]:
    """Yield the commands that do something, in the order of help."""
    entry = entry or Entry("haizea", haizea, top())
    if not isinstance(entry.command, click.Group):
        yield entry
        return
    for name in entry.command.list_commands(entry.context):
        command = entry.command.get_command(entry.context, name)
        if command is not None and not command.hidden:
            context = click.Context(command, parent=entry.context, info_name=name)
            yield from commands(Entry(f"{entry.words} {name}", command, context))


def records(entry: Entry) -> list[tuple[str, str]]:
    """Return a command's options as help shows them."""
    options = [each for each in entry.command.get_params(entry.context) if isinstance(each, click.Option)]
    found = [each.get_help_record(entry.context) for each in options]
    return [(declaration, " ".join(says.split())) for declaration, says in filter(None, found)]


def common(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the options that many commands share, with what help says of them."""
    counted = Counter(record for entry in entries for record in records(entry))
    return {declaration: says for (declaration, says), count in counted.items() if count >= COMMON_LEAST}


def described(entry: Entry, left_out: Iterable[str]) -> Iterator[str]:
    """Yield what a command does, and its options."""
    usage = " ".join(entry.command.collect_usage_pieces(entry.context))
    yield subsection(entry.words)
    yield f"\\fB{escaped(entry.words)}\\fR {declared(usage)}"
    yield from paragraphs(entry.command.help or "")
    for declaration, says in records(entry):
        if declaration not in left_out:
            yield from item(declared(declaration), says)


def statuses() -> Iterator[str]:
    """Yield the exit statuses that the guide lists."""
    table = GUIDE.read_text(encoding="utf-8").partition("## Exit statuses\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    if not rows:
        raise SystemExit(f"{GUIDE.relative_to(ROOT)}: expected a table under 'Exit statuses'")
    for status, says in rows:
        yield from item(f"\\fB{status}\\fR", says[0].upper() + says[1:] + ".")


def main_page() -> str:
    """Return haizea(1)."""
    entries = list(commands())
    shared = common(entries)
    body = [section("SYNOPSIS"), "\\fBhaizea\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]", section("DESCRIPTION")]
    body += paragraphs(
        "Haizea decides which hosts virtual machines run on, and when. `haizea simulate` plays a workload through; "
        "`haizea serve` is the lease manager that runs day and night, see `haizea-serve`(8); most other commands speak "
        "with one that runs: a noun, then a verb.\n\nThe server is what `--server` or `--context` says, else "
        "`HAIZEA_SERVER`, `HAIZEA_CONTEXT`, the current context, or the Unix socket of one's own daemon."
    )
    body += [section("OPTIONS")]
    for declaration, says in records(Entry("haizea", haizea, top())):
        body += item(declared(declaration), says)
    body += [section("COMMANDS")]
    for entry in entries:
        body += described(entry, shared)
    body += [section("OPTIONS OF MANY COMMANDS")]
    for declaration, says in shared.items():
        body += item(declared(declaration), says)
    body += [section("EXIT STATUS"), *statuses(), section("ENVIRONMENT")]
    for name, says in ENVIRONMENT:
        body += item(f"\\fB{escaped(name)}\\fR", says)
    body += [section("FILES")]
    body += item(
        "\\fI\\(ti/.config/haizea/contexts.toml\\fR", "Servers by name, some with tokens; only its owner may read it."
    )
    body += [section("EXAMPLES")]
    body += example(
        "haizea serve --time-scale 60",
        'haizea lease request --start "tomorrow 14:00" --duration 2h --nodes 2 --cpu 2 --memory 4G',
        "haizea schedule",
        'haizea lease cancel 1 --reason "no longer needed"',
    )
    body += see_also("haizea-serve(8)", "haizea.toml(5)")
    return page("haizea", 1, "lease virtual machines: which hosts they run on, and when", body)


ENVIRONMENT: Final = (
    ("HAIZEA_SERVER", "The server that commands speak with, where no option names one."),
    ("HAIZEA_CONTEXT", "A server of `haizea context list`, where `HAIZEA_SERVER` is not set."),
    ("HAIZEA_TOKEN", "The token that says who asks; not needed at a Unix socket."),
    ("HAIZEA_CAFILE", "The certificates that the server's must come from."),
    ("HAIZEA_SECTION__KEY", "An option of the configuration, such as `HAIZEA_STORE__URL`; see `haizea.toml`(5)."),
    ("TZ", "The zone of times that are typed and shown."),
    ("NO_COLOR", "No colours, whatever it is set to."),
    ("XDG_RUNTIME_DIR, XDG_DATA_HOME, XDG_CONFIG_HOME", "Where the socket, the state and the contexts are."),
)


def see_also(*others: str) -> list[str]:
    """Return the last section."""
    named = ", ".join(f"\\fB{escaped(other.partition('(')[0])}\\fR({other.partition('(')[2]}" for other in others)
    return [section("SEE ALSO"), named]


# The daemon and its configuration ----------------------------------------------------------------------------


def serve_page() -> str:
    """Return haizea-serve(8)."""
    entry = next(entry for entry in commands() if entry.words == "haizea serve")
    body = [section("SYNOPSIS"), "\\fBhaizea serve\\fR [\\fIOPTIONS\\fR]", section("DESCRIPTION")]
    body += paragraphs(entry.command.help or "")
    body += paragraphs(
        "When it takes requests it prints where, and how to make a first one; with systemd it says that it is ready. "
        "It stays in the foreground. Its log is on standard error: lines for people on a terminal, JSON elsewhere."
        "\n\nWhat was acknowledged is in its store and is there again after whatever happens. VMs run on when it stops."
    )
    body += [section("OPTIONS")]
    for declaration, says in records(entry):
        body += item(declared(declaration), says)
    body += [section("SIGNALS")]
    body += item(
        "\\fBSIGTERM\\fR, \\fBSIGINT\\fR", "Take no more requests, finish those under way, keep everything, end."
    )
    body += item(
        "\\fBSIGHUP\\fR",
        "Read the configuration anew: addresses, certificates, names and rates of `[server]`, the log level, policies "
        "and prices are used at once, and the log says which other options take a restart.",
    )
    body += [section("EXIT STATUS")]
    body += item("\\fB0\\fR", "It was told to stop, and did.")
    body += item("\\fB1\\fR", "It cannot serve: the store cannot be used, or an address cannot be listened at.")
    body += item("\\fB2\\fR", "The configuration or the command line is wrong.")
    body += [section("FILES")]
    body += item("\\fI/etc/haizea/haizea.toml\\fR", "The configuration, where the unit of systemd is used.")
    body += item(
        "\\fI\\(ti/.local/share/haizea/haizea.sqlite\\fR",
        "The store, where none is named; under `XDG_DATA_HOME` if that is set. Beside it are files that belong to it.",
    )
    body += item(
        "\\fI$XDG_RUNTIME_DIR/haizea/haizea.sock\\fR",
        "The Unix socket, where none is named; else `~/.local/share/haizea/haizea.sock`. The system says who is at its "
        "other end: root and the user that the daemon runs as are administrators.",
    )
    body += see_also("haizea(1)", "haizea.toml(5)", "systemctl(1)")
    return page("haizea-serve", 8, "the live lease manager", body)


def option(each: Option) -> Iterator[str]:
    """Yield what there is to say of one option of the configuration."""
    default = format_value(each, each.default)
    yield from item(f"\\fB{escaped(each.key)}\\fR", each.meaning, f"Takes {allowed(each)}. Default: `{default}`.")


def configuration_page() -> str:
    """Return haizea.toml(5)."""
    body = [section("DESCRIPTION")]
    body += paragraphs(
        "A configuration is one TOML file; INI files of Haizea 1.x are accepted wherever a TOML file is. A later "
        "source wins: the defaults below, the file, environment variables `HAIZEA_SECTION__KEY` (dashes written as "
        "underscores), `--set section.key=value`, and options of a command that stand for one setting."
        "\n\nEvery option that is unknown or has a wrong value is an error. `haizea config check FILE` tells all of "
        "them, `haizea config show` prints what is in effect and where each value comes from."
    )
    for name, options in BY_SECTION.items():
        body += [section(f"[{name}]"), line((SECTIONS[name].__doc__ or "").strip())]
        for each in options.values():
            body += option(each)
    body += [section("BUILT-IN POLICIES")]
    for kind, policies in POLICIES.items():
        body += [subsection(kind)]
        for name, meaning in policies.items():
            body += item(f"\\fB{escaped(name)}\\fR", meaning)
    body += [section("EXAMPLE")]
    body += example(
        "[live]",
        'site = "4 CPU:400 Memory:8192"',
        "",
        "[store]",
        'url = "sqlite:////var/lib/haizea/haizea.sqlite"',
        "",
        "[scheduling]",
        'suspension = "all"',
    )
    body += see_also("haizea(1)", "haizea-serve(8)")
    return page("haizea.toml", 5, "configuration of Haizea", body)


def pages() -> dict[Path, str]:
    """Return the manual pages by their paths."""
    return {
        FOLDER / "haizea.1": main_page(),
        FOLDER / "haizea-serve.8": serve_page(),
        FOLDER / "haizea.toml.5": configuration_page(),
    }


def main(arguments: list[str]) -> int:
    """Write or check the pages; return the exit status."""
    if arguments not in ([], ["--check"]):
        raise SystemExit("usage: man.py [--check]")
    outdated = {
        file: text for file, text in pages().items() if not file.exists() or file.read_text(encoding="utf-8") != text
    }
    for file, text in outdated.items():
        if not arguments:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {'out of date; ./dev docs writes it anew' if arguments else 'written'}")
    return 1 if outdated and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
