"""Writing settings: as commented TOML, as INI of Haizea 1.x, and single values for people to read."""

from collections.abc import Iterable, Mapping
from typing import Final

from haizea.config.errors import ConfigError, quoted
from haizea.config.settings import SECTIONS, Settings
from haizea.config.spans import format_span
from haizea.config.table import BY_SECTION, Option, allowed
from haizea.model.units import DAY, MINUTE, SECOND, Instant

_BARE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_WIDTH: Final = 110


def to_toml(settings: Settings, *, prefix: str = "", everything: bool = True) -> str:
    """Return TOML that reads back as equal settings.

    Each given option stands below its meaning; with ``everything`` the others of its section follow as comments
    with their defaults. ``prefix`` is put before each section's name: ``common.`` or ``profile.NAME.`` in a
    multi-configuration file.
    """
    blocks = []
    for section, options in BY_SECTION.items():
        given = vars(settings.section(section))
        if not given:
            continue
        lines = [f"[{prefix}{section}]"]
        for option in options.values():
            if option.attribute in given:
                lines += _comment(option)
                lines.append(f"{option.key} = {_toml_value(option, given[option.attribute])}")
            elif everything and option.default not in (None, (), {}):
                lines.append(f"# {option.key} = {_toml_value(option, option.default)}")
        blocks.append("\n".join(lines))
    for name, table in settings.policy.items():
        lines = [f"[{prefix}policy.{toml_key(name)}]"]
        lines += [f"{toml_key(key)} = {toml_free(value)}" for key, value in table.items()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def effective_toml(settings: Settings) -> str:
    """Return TOML that says every option, defaults included: what reads it gets equal settings whatever they become."""
    sections = {
        section: {o.attribute: settings.value(o.name) for o in options.values() if not _is_unset(settings, o)}
        for section, options in BY_SECTION.items()
    }
    return to_toml(Settings(sections, settings.policy))


def _is_unset(settings: Settings, option: Option) -> bool:
    return option.default is None and settings.value(option.name) is None


def to_ini(settings: Settings) -> str:
    """Return an INI file of Haizea 1.x with the options that are given.

    Raises:
        ConfigError: a value cannot be written in that format.
    """
    lines = []
    for section, options in BY_SECTION.items():
        given = vars(settings.section(section))
        if given:
            lines += [f"[{section}]", *(f"{k} = {_ini_value(options[k], v)}" for k, v in _by_key(given)), ""]
    for name, table in settings.policy.items():
        lines += [f"[policy.{name}]", *(f"{key} = {value}" for key, value in table.items()), ""]
    return "\n".join(lines)


def format_value(option: Option, value: object) -> str:
    """Write one value on one line, as a 1.x file would have it, for people and tables."""
    if value is None:
        return "none"
    if option.kind == "span" and isinstance(value, int):
        return format_span(value)
    if option.kind == "instant" and isinstance(value, int):
        return iso_instant(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    if isinstance(value, Mapping):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:.17g}" if float(f"{value:.15g}") != value else f"{value:.15g}"
    return str(value)


def iso_instant(instant: Instant) -> str:
    """Write an instant as ISO 8601 in UTC: ``2006-11-25T13:00:00Z``."""
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=instant // DAY, milliseconds=instant % DAY)
    return moment.isoformat(timespec="milliseconds" if instant % SECOND else "seconds").replace("+00:00", "Z")


def toml_key(key: str) -> str:
    """Write a key, quoted where it must be."""
    return key if key and _BARE.issuperset(key) else toml_text(key)


def toml_text(text: str) -> str:
    """Write a text as a basic TOML string."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}") for c in text) + '"'


def toml_free(value: object) -> str:
    """Write any TOML value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(str(k))} = {toml_free(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Iterable):
        return "[" + ", ".join(toml_free(v) for v in value) + "]"
    # What is left are TOML's dates and times, which it writes as Python does.
    return str(value)


def _by_key(given: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(attribute.replace("_", "-"), value) for attribute, value in given.items()]


def _comment(option: Option) -> list[str]:
    # Every simulation writes its settings, and textwrap would take longer than all the rest of that.
    lines = ["#"]
    for word in f"{option.meaning} Allowed: {allowed(option)}.".split():
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("#")
        lines[-1] += f" {word}"
    return lines


def _toml_value(option: Option, value: object) -> str:
    if value is None:
        return '"none"'
    if option.kind == "span" and isinstance(value, int):
        return str(value // SECOND) if value % SECOND == 0 else toml_text(format_span(value))
    if option.kind == "instant" and isinstance(value, int):
        return iso_instant(value)
    return toml_free(value)


def _ini_value(option: Option, value: object) -> str:
    if option.kind == "span" and isinstance(value, int):
        # 1.x knows nothing but whole numbers, of seconds or of what the option counts; the rest is text of ours.
        unit = MINUTE if option.ini_unit == 60 else SECOND
        text = format_span(value) if value % unit else str(value // unit)
    elif option.kind == "instant" and isinstance(value, int):
        text = iso_instant(value).replace("T", " ").removesuffix("Z")
    else:
        text = format_value(option, value)
    if text != text.strip() or "%(" in text or "\n" in text or " ;" in text or text.startswith(";") or text == '""':
        raise ConfigError(f"{option.name}: {quoted(text)} cannot be written in a file of Haizea 1.x")
    return text


def effective(settings: Settings) -> list[tuple[str, str, str]]:
    """Return every option as ``(section.key, value, origin)``; origin ``default`` where nobody gave it."""
    rows = [
        (option.name, format_value(option, settings.value(option.name)), settings.origins.get(option.name, "default"))
        for section in SECTIONS
        for option in BY_SECTION[section].values()
    ]
    for name, table in settings.policy.items():
        for key, value in table.items():
            full = f"policy.{name}.{key}"
            rows.append((full, toml_free(value), settings.origins.get(full, "default")))
    return rows
