"""The INI dialect of Haizea 1.x.

Its rules: ``[section]`` (case counts), ``option: value`` or ``option = value`` (case of the option does not count),
lines that begin with ``#`` or ``;`` or the word ``rem`` are comments, ``;`` after a space begins a comment too,
a line that begins with a space continues the value above, ``%(option)s`` stands for another option of the section,
``[DEFAULT]`` holds what every section has. Read here by hand because messages name lines, and because expansion of
``%(option)s`` must have a limit.
"""

from typing import Final, NamedTuple

from haizea.config.errors import ConfigError, quoted

DEFAULT: Final = "DEFAULT"
EXPANSION_DEPTH_MAX: Final = 10
EXPANDED_LENGTH_MAX: Final = 65_536
TOTAL_LENGTH_MAX: Final = 1 << 20


class Item(NamedTuple):
    """A value and the line it begins on, from 1."""

    value: str
    line: int


IniSections = dict[str, dict[str, Item]]


def read_ini(text: str, path: str) -> IniSections:
    """Read a whole file into its sections, ``%(option)s`` expanded.

    Raises:
        ConfigError: a line is neither a section, an option, a comment nor a continuation; or an expansion fails.
    """
    reader = _Reader(path)
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not _is_blank(line):
            reader.take(line, number)
    if reader.problems:
        raise ConfigError(reader.problems)
    return _expanded(reader.sections(), path)


class _Reader:
    """Takes the lines that are not blank; keeps the parts of each value apart until all have come."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[str] = []
        self._parts: dict[str, dict[str, tuple[int, list[str]]]] = {}
        self._current: dict[str, tuple[int, list[str]]] | None = None
        self._key = ""

    def sections(self) -> IniSections:
        return {
            section: {key: Item("\n".join(filter(None, parts)), line) for key, (line, parts) in options.items()}
            for section, options in self._parts.items()
        }

    def take(self, line: str, number: int) -> None:
        stripped = line.strip()
        if line[0].isspace() and self._current is not None and self._key:
            self._current[self._key][1].append(_without_comment(stripped))
        elif stripped.startswith("["):
            self._section(stripped, number)
        elif self._current is None:
            # A file of another kind has nothing but such lines; the first of them says it all.
            if not self.problems:
                self._wrong(number, "[section] before the first option", stripped)
        else:
            self._option(self._current, stripped, number)

    def _section(self, stripped: str, number: int) -> None:
        name, bracket, _ = stripped[1:].partition("]")
        if not bracket or not name:
            self._wrong(number, "a section written [name]", stripped)
            return
        self._current = self._parts.setdefault(name, {})
        self._key = ""

    def _option(self, options: dict[str, tuple[int, list[str]]], stripped: str, number: int) -> None:
        name, value = _split(stripped)
        if not name:
            self._wrong(number, "option: value", stripped)
            return
        self._key = name.lower()
        options[self._key] = (number, ["" if value == '""' else _without_comment(value)])

    def _wrong(self, number: int, expected: str, found: str) -> None:
        self.problems.append(f"{self.path}:{number}: expected {expected}, found {quoted(found)}")


def _is_blank(line: str) -> bool:
    stripped = line.strip()
    if not stripped or line[0] in "#;":
        return True
    first = stripped.split(None, 1)[0].lower()
    return (first == "rem" and line[0] in "rR") or stripped[0] in "#;"


def _split(line: str) -> tuple[str, str]:
    ends = [i for i in (line.find(":"), line.find("=")) if i >= 0]
    if not ends:
        return "", ""
    return line[: min(ends)].rstrip(), line[min(ends) + 1 :].strip()


def _without_comment(value: str) -> str:
    if value.startswith(";"):
        return ""
    for index, char in enumerate(value):
        if char == ";" and value[index - 1].isspace():
            return value[:index].rstrip()
    return value


def _expanded(sections: IniSections, path: str) -> IniSections:
    common = sections.get(DEFAULT, {})
    problems = []
    result: IniSections = {}
    length = 0
    for section, options in sections.items():
        scope = {**common, **options}
        result[section] = {}
        for key, item in options.items():
            try:
                result[section][key] = Item(_expand(item.value, scope), item.line)
            except ValueError as wrong:
                problems.append(f"{path}:{item.line}: {section}.{key}: {wrong}")
                continue
            length += len(result[section][key].value)
            if length > TOTAL_LENGTH_MAX:
                raise ConfigError(f"{path}:{item.line}: more than {TOTAL_LENGTH_MAX} characters once expanded")
    if problems:
        raise ConfigError(problems)
    return result


def _expand(value: str, scope: dict[str, Item]) -> str:
    for _ in range(EXPANSION_DEPTH_MAX):
        if "%(" not in value:
            return value
        value = _expand_once(value, scope)
    if "%(" in value:
        raise ValueError(f"%(…)s refers to itself, or is nested deeper than {EXPANSION_DEPTH_MAX}")
    return value


def _expand_once(value: str, scope: dict[str, Item]) -> str:
    pieces, index, length = [], 0, 0
    while index < len(value):
        mark = value.find("%", index)
        piece = value[index:] if mark < 0 else value[index:mark]
        index = len(value) if mark < 0 else mark
        if mark >= 0 and value.startswith("%(", mark):
            end = value.find(")s", mark)
            name = value[mark + 2 : end].lower()
            if end < 0 or name not in scope:
                raise ValueError(f"{quoted(value[mark : mark + 60])} names no option of this section")
            piece, index = piece + scope[name].value, end + 2
        elif mark >= 0:
            piece += "%"
            index += 2 if value.startswith("%%", mark) else 1
        pieces.append(piece)
        length += len(piece)
        if length > EXPANDED_LENGTH_MAX:
            raise ValueError(f"longer than {EXPANDED_LENGTH_MAX} characters once %(…)s is expanded")
    return "".join(pieces)
