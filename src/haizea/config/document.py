"""A configuration file as sections of raw values, whether it is TOML or INI.

Both dialects come out alike. Sections of a multi-configuration file are named as Haizea 1.x names them,
``common:SECTION`` and ``PROFILE:SECTION``; in TOML they are written ``[common.SECTION]`` and
``[profile.PROFILE.SECTION]``. A table for a user's policy is the section ``policy.NAME``.
"""

from typing import Final, NamedTuple

from haizea.config.errors import ConfigError, quoted
from haizea.config.ini import DEFAULT, read_ini

SIZE_MAX: Final = 256 * 1024
"""The largest file that is read, in bytes."""

DOTS_MAX: Final = 500
"""The most dots on one line of TOML: what a dotted key costs to read grows with the square of its parts."""

_INI_ENDINGS: Final = (".conf", ".ini", ".cfg")


class Raw(NamedTuple):
    """A value as the file has it, and its line (None where it is not known)."""

    value: object
    line: int | None


class Document(NamedTuple):
    """A file: ``sections`` by name, each with its raw values by key.

    ``common`` are the values of the INI section ``[DEFAULT]``, which every section has that knows the key.
    """

    path: str
    ini: bool
    sections: dict[str, dict[str, Raw]]
    common: dict[str, Raw]

    @property
    def is_multi(self) -> bool:
        """Whether the file describes many runs."""
        return any(name == "multi" or ":" in name for name in self.sections)


def read_document(path: str) -> Document:
    """Read a file; its ending, then its content, tell the dialect.

    Raises:
        ConfigError: the file cannot be read, is larger than :data:`SIZE_MAX`, is not UTF-8, or is neither dialect.
    """
    text = read_text(path)
    return _ini(text, path) if _looks_like_ini(text, path) else _toml(text, path)


def read_text(path: str) -> str:
    """Return a file's text.

    Raises:
        ConfigError: the file cannot be read, is larger than :data:`SIZE_MAX`, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > SIZE_MAX:
        raise ConfigError(f"{path}: larger than {SIZE_MAX // 1024} KiB, too large for a configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text, which a configuration must be") from None


def _looks_like_ini(text: str, path: str) -> bool:
    ending = path[path.rfind(".") :].lower() if "." in path else ""
    if ending == ".toml":
        return False
    if ending in _INI_ENDINGS:
        return not _has_toml_values(text)
    return _has_colons(text) or not _has_toml_values(text)


def _has_toml_values(text: str) -> bool:
    """Whether values are quoted or lists, which 1.x files never write and TOML files do."""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and ":" not in key and not key.lstrip().startswith(("#", ";")):
            value = value.strip()
            quoted = len(value) > 2 and value[0] in "\"'" and value.endswith(value[0])
            if quoted or value.startswith(("[", "{")):
                return True
    return False


def _has_colons(text: str) -> bool:
    for line in text.splitlines():
        key, colon, _ = line.partition(":")
        if colon and key.strip().replace("-", "").isalpha():
            return True
    return False


def _ini(text: str, path: str) -> Document:
    sections = {
        section: {key: Raw(item.value, item.line) for key, item in options.items()}
        for section, options in read_ini(text, path).items()
    }
    common = sections.pop(DEFAULT, {})
    return Document(path, True, sections, common)


def _toml(text: str, path: str) -> Document:
    import tomllib

    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > DOTS_MAX:
            raise ConfigError(f"{path}:{number}: more than {DOTS_MAX} dots on one line; break long lists into lines")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {_without_code(str(error))}") from None
    except (ValueError, RecursionError):
        # Raised for integers of thousands of digits, and for lists nested without end.
        raise ConfigError(f"{path}: not a TOML file that can be read: a value in it is too large or too deep") from None
    sections: dict[str, dict[str, Raw]] = {}
    problems: list[str] = []
    lines = _Lines(text)
    for name, table in tables.items():
        if not isinstance(table, dict):
            problems.append(f"{path}: {quoted(name)} stands outside a section; allowed: [section] before it")
        elif name in ("common", "profile", "policy"):
            _nested(name, table, sections, problems, path, lines)
        else:
            sections[name] = {key: Raw(value, lines.find(name, key)) for key, value in table.items()}
    if problems:
        raise ConfigError(problems)
    return Document(path, False, sections, {})


def _nested(
    prefix: str,
    table: dict[str, object],
    sections: dict[str, dict[str, Raw]],
    problems: list[str],
    path: str,
    lines: "_Lines",
) -> None:
    """Take the tables below ``[policy]``, ``[common]`` and ``[profile]``."""
    for name, inner in table.items():
        if not isinstance(inner, dict):
            problems.append(f"{path}: {prefix}.{name} must be a table, [{prefix}.{name}], not {quoted(inner)}")
        elif prefix == "policy":
            sections[f"policy.{name}"] = {k: Raw(v, lines.find(f"policy.{name}", k)) for k, v in inner.items()}
        elif prefix == "profile":
            _nested(f"profile.{name}", inner, sections, problems, path, lines)
        else:
            owner = prefix.removeprefix("profile.")
            if name != "policy":
                found = {k: Raw(v, lines.find(f"{prefix}.{name}", k)) for k, v in inner.items()}
                sections[f"{owner}:{name}"] = found
                continue
            for policy, options in inner.items():
                if isinstance(options, dict):
                    sections[f"{owner}:policy.{policy}"] = {k: Raw(v, None) for k, v in options.items()}
                else:
                    problems.append(f"{path}: {prefix}.policy.{policy} must be a table, not {quoted(options)}")


def _without_code(message: str) -> str:
    return message if len(message) <= 200 else message[:196] + " ..."


class _Lines:
    """Finds the line of a key in a TOML file; as good as reading line by line can be."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, str], int] = {}
        section = ""
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip()
            if stripped.startswith("[") and "]" in stripped:
                section = stripped[1 : stripped.index("]")].strip().replace('"', "").replace("'", "")
            else:
                key, equals, _ = stripped.partition("=")
                if equals:
                    self._found.setdefault((section, key.strip().strip("\"'")), number)

    def find(self, section: str, key: str) -> int | None:
        return self._found.get((section, key))
