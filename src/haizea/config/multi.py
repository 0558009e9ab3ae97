"""Multi-configuration files: one file, many runs.

``[multi]`` names workloads, annotations and injections; ``[common:SECTION]`` holds what all profiles share and
``[PROFILE:SECTION]`` what one has of its own. There is one run for each profile, workload, annotation file (or
none) and injection file (or none). In TOML the sections are ``[multi]``, ``[common.SECTION]`` and
``[profile.PROFILE.SECTION]``.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from haizea.config.document import Document, Raw, read_document
from haizea.config.errors import ConfigError, quoted, suggestion
from haizea.config.layers import Entry, build, entries_above
from haizea.config.load import variables_of
from haizea.config.settings import EMPTY, Settings
from haizea.config.table import Option
from haizea.config.values import read_value
from haizea.config.write import to_toml, toml_free, toml_key

RUNS_MAX: Final = 100_000
"""How many runs one file may describe."""

_LISTS: Final = ("tracefiles", "annotationfiles", "injectionfiles")
_DIRECTORIES: Final = ("tracedir", "annotationdir", "injectiondir", "datadir")
_FLAGS: Final = ("skip-no-annotation", "skip-no-injection")
_KEYS: Final = (*_DIRECTORIES, *_LISTS, *_FLAGS)


class NamedRun(NamedTuple):
    """One run: its name (unique in its file), what it is made of, and its settings.

    The settings' ``[tracefile]`` and ``[accounting]`` sections already name the files.
    """

    name: str
    profile: str
    workload: str
    annotations: str | None
    injection: str | None
    settings: Settings


class Multi(NamedTuple):
    """The ``[multi]`` section, checked; directories are already joined to the files they hold."""

    workloads: tuple[str, ...]
    annotations: tuple[str | None, ...]
    injections: tuple[str | None, ...]
    datadir: str | None
    given: Mapping[str, object]


def is_multi(path: str) -> bool:
    """Whether a file describes many runs.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_document(path).is_multi


def expand(path: str, *, environ: Mapping[str, str] = EMPTY, sets: Iterable[str] = ()) -> list[NamedRun]:
    """Return the runs that a multi-configuration file describes, in the order of its profiles and lists.

    What ``environ`` (``HAIZEA_SECTION__KEY``) and ``sets`` (``section.key=value``) say holds for every run.

    Raises:
        ConfigError: the file cannot be read, is none, describes no run or more than :data:`RUNS_MAX`, or a value
            in it, in the environment or in ``sets`` is wrong.
    """
    document = read_document(path)
    if not document.is_multi:
        raise ConfigError(f"{path}: not a multi-configuration file: it has no section [multi]")
    multi = _multi(document)
    problems: list[str] = []
    above = entries_above(variables_of(environ), sets, problems)
    if problems:
        raise ConfigError(problems)
    profiles = _profiles(document, above)
    count = len(profiles) * len(multi.workloads) * len(multi.annotations) * len(multi.injections)
    if count > RUNS_MAX:
        raise ConfigError(f"{path}: describes {count} runs; at most {RUNS_MAX} are allowed")
    if not count:
        raise ConfigError(f"{path}: describes no run: a profile, and a workload in multi.tracefiles, are needed")
    runs: list[NamedRun] = []
    taken: dict[str, int] = {}
    for profile, settings in profiles.items():
        for workload in multi.workloads:
            for annotations in multi.annotations:
                for injection in multi.injections:
                    name = _unique(run_name(profile, workload, annotations, injection), taken)
                    own = _own_settings(settings, name, profile, workload, annotations, injection, multi.datadir)
                    runs.append(NamedRun(name, profile, workload, annotations, injection, own))
    return runs


def run_name(profile: str, workload: str, annotations: str | None, injection: str | None) -> str:
    """Return a run's name as Haizea 1.x makes it: ``PROFILE_TRACE+INJECTION+ANNOTATION``."""
    parts = [_stem(workload), *(_stem(f) for f in (injection, annotations) if f is not None)]
    return f"{profile}_{'+'.join(parts)}"


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".", 1)[0]


def _unique(name: str, taken: dict[str, int]) -> str:
    """Number names that two runs would share: files whose names differ only after the first dot."""
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else _unique(f"{name}-{taken[name]}", taken)


def _multi(document: Document) -> Multi:
    values = {**{k: r for k, r in document.common.items() if k in _KEYS}, **document.sections.get("multi", {})}
    problems: list[str] = []
    given: dict[str, object] = {}
    for key, raw in values.items():
        try:
            given[key] = _multi_value(key, raw)
        except ValueError as wrong:
            where = document.path if raw.line is None else f"{document.path}:{raw.line}"
            problems.append(f"{where}: {wrong}")
    if problems:
        raise ConfigError(problems)
    return Multi(
        tuple(f for f in _files(given, "trace", False) if f is not None),
        _files(given, "annotation", True),
        _files(given, "injection", True),
        _text_of(given, "datadir"),
        given,
    )


def _multi_value(key: str, raw: Raw) -> object:
    if key not in _KEYS:
        raise ValueError(f"multi.{quoted(key)[1:-1]} is not an option{suggestion(key, _KEYS)}; "
                         f"allowed in [multi]: {', '.join(_KEYS)}")  # fmt: skip
    kind = "words" if key in _LISTS else "boolean" if key in _FLAGS else "path"
    try:
        if kind == "words" and isinstance(raw.value, list):
            # In a TOML list a file's name may hold spaces and commas, which a line of words cannot.
            return tuple(str(read_value(Option("multi", key, "path", ""), name)) for name in raw.value)
        return read_value(Option("multi", key, kind, ""), raw.value)
    except ValueError as wrong:
        raise ValueError(f"multi.{key}: {wrong}") from None


def _text_of(given: Mapping[str, object], key: str) -> str | None:
    value = given.get(key)
    return None if value is None else str(value)


def _files(given: Mapping[str, object], what: str, or_none: bool) -> tuple[str | None, ...]:
    names = given.get(f"{what}files", ())
    directory = _text_of(given, f"{what}dir")
    prefix = "" if directory is None else directory.rstrip("/") + "/" if directory != "/" else "/"
    files: list[str | None] = [prefix + str(name) for name in names] if isinstance(names, tuple) else []
    if or_none and not given.get(f"skip-no-{what}"):
        files.append(None)
    return tuple(files)


def datadir(path: str) -> str | None:
    """Return the folder that a multi-configuration file names for results, None where it names none.

    Raises:
        ConfigError: the file cannot be read, or something in its section ``[multi]`` is wrong.
    """
    return _multi(read_document(path)).datadir


def _profiles(document: Document, above: list[Entry]) -> dict[str, Settings]:
    """Return each profile's settings, those of ``common`` below its own, those from ``above`` over both."""
    problems: list[str] = []
    names: list[str] = []
    for section in document.sections:
        owner, colon, _ = section.partition(":")
        if not colon and section != "multi":
            problems.append(f"{document.path}: [{quoted(section)[1:-1]}] is not a section of a multi-configuration "
                            "file; allowed: [multi], [common:SECTION], [PROFILE:SECTION]")  # fmt: skip
        elif colon and (not owner or "/" in owner or any(ord(c) < 32 for c in owner)):
            problems.append(f"{document.path}: {quoted(owner)} is not a profile's name: a file is named after it")
        elif colon and owner != "common" and owner not in names:
            names.append(owner)
    profiles = {}
    for name in names:
        try:
            profiles[name] = build([*_profile_entries(document, name), *above], document.path)
        except ConfigError as error:
            problems += [p for p in error.problems if p not in problems]
    if problems:
        raise ConfigError(problems)
    return profiles


def _profile_entries(document: Document, profile: str) -> list[Entry]:
    return [
        Entry(section.partition(":")[2], key, raw.value, _where(document, raw), document.ini)
        for owner in ("common", profile)
        for section, values in document.sections.items()
        if section.partition(":")[0] == owner and ":" in section
        for key, raw in values.items()
    ]


def _where(document: Document, raw: Raw) -> str:
    return document.path if raw.line is None else f"{document.path}:{raw.line}"


def _own_settings(
    settings: Settings,
    name: str,
    profile: str,
    workload: str,
    annotations: str | None,
    injection: str | None,
    datadir: str | None,
) -> Settings:
    """Return a profile's settings with the files of one run put in."""
    files = {"tracefile": workload, "annotationfile": annotations, "injectionfile": injection}
    labels = {"profile": profile, "tracefile": workload, "annotationfile": annotations, "injectfile": injection}
    attributes = {**{k: v for k, v in labels.items() if v is not None}, **settings.accounting.attributes}
    changed: dict[str, dict[str, object]] = {
        "tracefile": {k: v for k, v in files.items() if v is not None},
        "accounting": {"attributes": attributes},
    }
    if datadir is not None:
        changed["accounting"]["datafile"] = f"{datadir.rstrip('/')}/{name}.dat"
    result = settings.with_values(changed)
    source = settings.source or ""
    given = {f"{section}.{key}": source for section, values in changed.items() for key in values}
    result.origins = {**settings.origins, **given}
    return result


def multi_to_toml(path: str) -> str:
    """Return a multi-configuration file as TOML that expands to equal runs.

    Raises:
        ConfigError: as :func:`expand`.
    """
    expand(path)
    document = read_document(path)
    lines = ["[multi]", *(f"{key} = {toml_free(value)}" for key, value in _multi(document).given.items())]
    blocks = ["\n".join(lines) + "\n"]
    owners = dict.fromkeys(s.partition(":")[0] for s in document.sections if ":" in s)
    for owner in owners:
        sections = {s.partition(":")[2]: v for s, v in document.sections.items() if s.startswith(f"{owner}:")}
        entries = [
            Entry(section, key, raw.value, _where(document, raw), document.ini)
            for section, values in sections.items()
            for key, raw in values.items()
        ]
        prefix = "common." if owner == "common" else f"profile.{toml_key(owner)}."
        blocks.append(to_toml(build(entries, path, check=False), prefix=prefix, everything=False))
    return "\n".join(blocks)
