"""Putting settings together from a file, the environment and the command line, each value checked.

All that is wrong is gathered and told at once.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

from haizea.config.errors import ConfigError, quoted, suggestion
from haizea.config.load import ENVIRONMENT_PREFIX, Override
from haizea.config.settings import SECTIONS, Settings
from haizea.config.table import BY_SECTION
from haizea.config.values import read_free, read_value

if TYPE_CHECKING:
    from haizea.config.document import Document

POLICY_PREFIX: Final = "policy."
POLICY_DEPTH_MAX: Final = 8


class Entry(NamedTuple):
    """A raw value on its way: where it stands (for messages), and how its origin is shown."""

    section: str
    key: str
    value: object
    where: str
    ini: bool = False


def assemble(
    path: str | None, variables: Mapping[str, str], sets: Iterable[str], overrides: Iterable[Override]
) -> Settings:
    """Return the settings of all layers together; a later one wins.

    Raises:
        ConfigError: with everything that is wrong in any of them.
    """
    problems: list[str] = []
    entries: list[Entry] = []
    document = None
    if path is not None:
        from haizea.config.document import read_document

        try:
            document = read_document(path)
            entries += file_entries(document)
        except ConfigError as error:
            problems += error.problems
    entries += entries_above(variables, sets, problems)
    for name, text, origin in overrides:
        section, _, key = name.rpartition(".")
        entries.append(Entry(section, key, text, origin))
    if document is not None and document.is_multi:
        problems.append(f"{path}: describes many runs ([multi]); this needs the configuration of one "
                        "(haizea experiment runs them all)")  # fmt: skip
    return build(entries, path, problems)


def entries_above(variables: Mapping[str, str], sets: Iterable[str], problems: list[str]) -> list[Entry]:
    """Return the values of the environment and of ``--set``, which win over a file; add what is wrong to problems."""
    return [*_environment_entries(variables, problems), *_set_entries(sets, problems)]


def file_entries(document: "Document") -> list[Entry]:
    """Return the values of a file that belong to one run, ``[DEFAULT]`` spread over the sections that know them."""
    entries = []
    for section, values in document.sections.items():
        if section == "multi" or ":" in section:
            continue
        known = BY_SECTION.get(section, {})
        common = {key: raw for key, raw in document.common.items() if key in known}
        for key, raw in {**common, **values}.items():
            where = document.path if raw.line is None else f"{document.path}:{raw.line}"
            entries.append(Entry(section, key, raw.value, where, document.ini))
        if not values and section not in SECTIONS and not section.startswith(POLICY_PREFIX):
            entries.append(Entry(section, "", None, document.path))
    return entries


def build(
    entries: Iterable[Entry], source: str | None, problems: list[str] | None = None, *, check: bool = True
) -> Settings:
    """Check entries and return the settings they make; without ``check``, options need not fit one another.

    Raises:
        ConfigError: with ``problems`` (those found before) and everything that is wrong with the entries.
    """
    problems = [] if problems is None else problems
    sections: dict[str, dict[str, object]] = {}
    policy: dict[str, dict[str, object]] = {}
    origins: dict[str, str] = {}
    for entry in entries:
        try:
            _take(entry, sections, policy)
        except ValueError as wrong:
            problems.append(f"{entry.where}: {wrong}")
        else:
            origins[f"{entry.section}.{entry.key}"] = entry.where
    if not problems:
        settings = Settings(sections, policy, origins, source)
        problems += _contradictions(settings) if check else []
        if not problems:
            return settings
    raise ConfigError(problems)


def _take(entry: Entry, sections: dict[str, dict[str, object]], policy: dict[str, dict[str, object]]) -> None:
    section, key = entry.section, entry.key
    if section.startswith(POLICY_PREFIX):
        value = read_free(entry.value) if entry.ini and isinstance(entry.value, str) else entry.value
        _check_free(f"{section}.{_name(key)}", value)
        policy.setdefault(section.removeprefix(POLICY_PREFIX), {})[key] = value
        return
    known = BY_SECTION.get(section)
    if known is None:
        hint = suggestion(section, [*SECTIONS, "policy"])
        raise ValueError(f"[{_name(section)}] is not a section{hint}; allowed: {', '.join(SECTIONS)}, policy.NAME")
    option = known.get(key)
    if option is None:
        elsewhere = next((s for s, options in BY_SECTION.items() if key in options), None)
        hint = f" (it belongs to [{elsewhere}])" if elsewhere else suggestion(key, known)
        raise ValueError(f"{section}.{_name(key)} is not an option{hint}; allowed in [{section}]: {', '.join(known)}")
    try:
        value = read_value(option, entry.value, ini=entry.ini)
    except ValueError as wrong:
        raise ValueError(f"{option.name}: {wrong}") from None
    sections.setdefault(section, {})[option.attribute] = value


def _check_free(name: str, value: object) -> None:
    """Refuse what could not be written back: tables within tables without end, and numbers that are none."""
    level = [value]
    for _ in range(POLICY_DEPTH_MAX):
        if any(isinstance(v, float) and not isfinite(v) for v in level):
            raise ValueError(f"{name}: a number that is not finite; allowed: finite numbers")
        level = [inner for v in level for inner in _inner(v)]
        if not level:
            return
    raise ValueError(f"{name}: nested deeper than {POLICY_DEPTH_MAX} levels; allowed: values, lists, shallow tables")


def _inner(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _name(text: str) -> str:
    return quoted(text)[1:-1]


def _environment_entries(variables: Mapping[str, str], problems: list[str]) -> list[Entry]:
    """Read ``HAIZEA_SECTION__KEY`` and ``HAIZEA_POLICY__NAME__KEY``."""
    sections = {section.replace("-", "_"): section for section in SECTIONS}
    entries = []
    for variable, text in sorted(variables.items()):
        section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        where = f"environment variable {variable}"
        if section == "policy" and "__" in key:
            name, _, key = key.partition("__")
            entries.append(Entry(POLICY_PREFIX + name, key, read_free(text), where))
        elif section not in sections:
            hint = suggestion(section, sections)
            problems.append(f"{where}: {_name(section)} is not a section{hint}; allowed: {', '.join(sections)}")
        else:
            entries.append(Entry(sections[section], key.replace("_", "-"), text, where))
    return entries


def _set_entries(sets: Iterable[str], problems: list[str]) -> list[Entry]:
    """Read ``section.key=value`` and ``policy.NAME.key=value``."""
    entries = []
    for text in sets:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().rpartition(".")
        if not equals or not dot or not section or not key:
            problems.append(f"--set {quoted(text)}: expected section.key=value")
            continue
        is_policy = section.startswith(POLICY_PREFIX)
        entries.append(Entry(section, key, read_free(value) if is_policy else value, "--set"))
    return entries


def _contradictions(settings: Settings) -> list[str]:
    """Say what does not fit together, option by option."""
    scheduling, simulation, pricing = settings.scheduling, settings.simulation, settings.pricing
    needed = []
    if scheduling.backfilling == "intermediate" and scheduling.backfilling_reservations is None:
        needed.append(("scheduling.backfilling-reservations", "scheduling.backfilling", "intermediate"))
    if simulation.stop_when == "exact" and simulation.stop_when_time is None:
        needed.append(("simulation.stop-when-time", "simulation.stop-when", "exact"))
    policy = scheduling.policy_pricing
    if policy in ("constant", "adaptive") and pricing.rate is None:
        needed.append(("pricing.rate", "scheduling.policy-pricing", policy))
    if policy == "random":
        absent = [name for name in ("pricing.min-rate", "pricing.max-rate") if settings.value(name) is None]
        needed += [(name, "scheduling.policy-pricing", policy) for name in absent]
    problems = [
        f"{settings.origins.get(cause, 'default')}: {option} is needed where {cause} is {value!r}, and is missing"
        for option, cause, value in needed
    ]
    low, high = pricing.min_rate, pricing.max_rate
    if low is not None and high is not None and low > high:
        where = settings.origins.get("pricing.min-rate", "default")
        problems.append(f"{where}: pricing.min-rate: {low:g} is more than pricing.max-rate, {high:g}")
    return problems


def changed(settings: Settings, changes: Mapping[str, str]) -> Settings:
    """Return settings with options changed, by their full names, to what the texts say.

    Raises:
        ConfigError: with everything that is wrong with the changes, or does not fit together then.
    """
    problems: list[str] = []
    sections: dict[str, dict[str, object]] = {}
    policy: dict[str, dict[str, object]] = {}
    for entry in _set_entries([f"{name}={text}" for name, text in changes.items()], problems):
        try:
            _take(entry, sections, policy)
        except ValueError as wrong:
            problems.append(str(wrong))
    if not problems:
        values = {name: {**vars(settings.section(name)), **sections.get(name, {})} for name in SECTIONS}
        tables = {
            **settings.policy,
            **{name: {**settings.policy.get(name, {}), **table} for name, table in policy.items()},
        }
        found = Settings(values, tables, settings.origins, settings.source)
        problems = _contradictions(found)
        if not problems:
            return found
    raise ConfigError(problems)
