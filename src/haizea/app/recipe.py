"""Reading recipes for workloads and annotations: the configuration of ``haizea-lwf-generate`` and ``-annotate``.

One file serves both commands: each uses the sections that it knows what to do with.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from haizea.config.document import Document, Raw, read_document
from haizea.config.errors import ConfigError, quoted, suggestion
from haizea.config.table import Option
from haizea.config.values import read_value
from haizea.model.lease import NO_EXTRA
from haizea.model.resources import CPU, MEMORY, Capacity
from haizea.model.site import Site
from haizea.model.units import SECOND
from haizea.workloads.distributions import (
    BoundedPareto,
    Choice,
    Distribution,
    Normal,
    Share,
    TruncatedPareto,
    Uniform,
    Whole,
)
from haizea.workloads.lwf import read_site
from haizea.workloads.oneline import HOSTS_MAX, parse_site
from haizea.workloads.recipe import LEASES_MAX, Count, Drawn, Recipe
from haizea.workloads.times import SPAN_MAX, parse_span

_SECONDS_MAX: Final = SPAN_MAX / SECOND
_UNBOUNDED: Final = "unbounded"
_KINDS: Final = ("uniform", "normal", "bounded-pareto", "truncated-pareto")
_BOUND: Final = "a number, or unbounded"

_DISTRIBUTION: Final = (
    Option("", "distribution", "choice", "", _KINDS),
    Option("", "discrete", "boolean", ""),
    Option("", "min", "text", ""),
    Option("", "max", "text", ""),
    Option("", "values", "words", ""),
    Option("", "mu", "number", "", low=-1e15, high=1e15),
    Option("", "sigma", "number", "", low=0, high=1e15),
    Option("", "alpha", "number", "", low=0.001, high=1000),
    Option("", "scale", "number", "", low=0.001, high=1e6),
    Option("", "invert", "boolean", ""),
    Option("", "seed", "integer", "", low=0, high=2**63 - 1),
)
_SHIFTS: Final = ("absolute", "multiple-of-duration")
_OWN: Final[Mapping[str, tuple[Option, ...]]] = {
    "general": (Option("", "attributes", "pairs", ""), Option("", "site", "text", "")),
    "start-delay": (Option("", "type", "choice", "", _SHIFTS),),
    "deadline-stretch": (Option("", "type", "choice", "", (*_SHIFTS, "original-slowdown")),),
    "user-rate": (),
    "nodes": (Option("", "resources", "text", ""),),
    "duration": (),
    "software": (),
    "numleases": (
        Option("", "type", "choice", "", ("interval", "utilization")),
        Option("", "utilization", "number", "", low=0, high=1000),
        Option("", "last-request", "text", ""),
        Option("", "numleases", "integer", "", low=1, high=LEASES_MAX),
    ),
}
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "start-delay": (0, _SECONDS_MAX),
    "deadline-stretch": (0, _SECONDS_MAX),
    "user-rate": (0, 1e12),
    "nodes": (1, HOSTS_MAX),
    "duration": (1, _SECONDS_MAX),
    "numleases": (-_SECONDS_MAX, _SECONDS_MAX),
}


def read_recipe(path: str) -> Recipe:
    """Read a recipe, in INI as Haizea 1.x has it or in TOML.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; the message names file, line and option.
        WorkloadError: the file of the site cannot be read.
    """
    return _Reader(read_document(path)).read()


class _Reader:
    """Reads one file; gathers all that is wrong with it."""

    def __init__(self, document: Document) -> None:
        self._path = document.path
        self._problems: list[str] = []
        self._lines: dict[str, int | None] = {}
        self._given: dict[str, dict[str, Any]] = {}
        for section, values in document.sections.items():
            known = _OWN.get(section)
            if known is None:
                hint = suggestion(section, _OWN)
                self._wrong(None, f"[{quoted(section)[1:-1]}] is not a section{hint}; allowed: {', '.join(_OWN)}")
                continue
            options = {o.key: o for o in (*known, *(() if section == "general" else _DISTRIBUTION))}
            common = {key: raw for key, raw in document.common.items() if key in options}
            self._given[section] = self._values(section, options, {**common, **values}, document.ini)

    def _wrong(self, line: int | None, what: str) -> None:
        self._problems.append(f"{self._path}{'' if line is None else f':{line}'}: {what}")

    def _values(
        self, section: str, options: Mapping[str, Option], raws: Mapping[str, Raw], ini: bool
    ) -> dict[str, Any]:
        found = {}
        for key, raw in raws.items():
            name = f"{section}.{quoted(key)[1:-1]}"
            self._lines[f"{section}.{key}"] = raw.line
            if key not in options:
                hint = suggestion(key, options)
                self._wrong(raw.line, f"{name} is not an option{hint}; allowed in [{section}]: {', '.join(options)}")
                continue
            try:
                found[key] = read_value(options[key], _texts(options[key], raw.value), ini=ini)
            except ValueError as wrong:
                self._wrong(raw.line, f"{name}: {wrong}")
        return found

    def read(self) -> Recipe:
        general = self._given.get("general", {})
        recipe = Recipe(
            path=self._path,
            attributes=general.get("attributes", NO_EXTRA),
            site=self._site(general.get("site")),
            resources=self._resources(),
            leases=self._count(),
            start=self._drawn("start-delay"),
            deadline=self._drawn("deadline-stretch"),
            rate=self._drawn("user-rate"),
            nodes=self._drawn("nodes"),
            duration=self._drawn("duration"),
            software=self._drawn("software"),
        )
        if recipe.deadline is not None and recipe.start is None:
            self._wrong(None, "deadline-stretch without start-delay: a deadline goes with a start")
        if self._problems:
            raise ConfigError(self._problems)
        return recipe

    def _say(self, section: str, key: str, what: str) -> None:
        self._wrong(self._lines.get(f"{section}.{key}"), f"{section}.{key}{what}")

    def _site(self, text: str | None) -> Site | None:
        if text is None:
            return None
        if text.startswith("file:"):
            return read_site(text.removeprefix("file:"))
        try:
            return parse_site(text)
        except ValueError as wrong:
            self._say("general", "site", f": {wrong}, or file:PATH")
            return None

    def _resources(self) -> Capacity | None:
        text = self._given.get("nodes", {}).get("resources")
        if text is None:
            return None
        try:
            capacity = parse_site(f"1 {text}").hosts[0].capacity
        except ValueError:
            self._say("nodes", "resources", f": {quoted(text)} is not what a VM needs; allowed: amounts such as "
                      f"{CPU}:100,{MEMORY}:1024, both of them above 0")  # fmt: skip
            return None
        return capacity

    def _count(self) -> Count | None:
        given = self._given.get("numleases")
        if given is None:
            return None
        kind = given.get("type")
        needed = {"interval": ("numleases", "distribution"), "utilization": ("utilization", "last-request")}
        for key in needed.get(kind or "", ("type",)):
            if key not in given:
                self._say("numleases", key, f" is missing{'' if kind is None else f': type is {kind}'}")
        interval = self._drawn("numleases") if "distribution" in given else None
        last = 0
        if kind == "utilization" and "last-request" in given:
            try:
                last = parse_span(given["last-request"])
            except ValueError as wrong:
                self._say("numleases", "last-request", f": {quoted(given['last-request'])}: {wrong}")
        return Count(
            given.get("numleases") if kind == "interval" else None, given.get("utilization", 0) / 100, last, interval
        )

    def _drawn(self, section: str) -> Drawn | None:
        given = self._given.get(section)
        if given is None:
            return None
        if section in ("start-delay", "deadline-stretch") and "type" not in given:
            self._say(section, "type", " is missing")
        kind = given.get("type", "")
        distribution = self._distribution(section, given)
        if distribution is None:
            return None
        if kind == "original-slowdown":
            # The range is that of the parts of the slowdown that are taken: none of it to all of it.
            distribution = Share(distribution, *self._bounds(section, given))
        return Drawn(distribution, kind, given.get("seed"))

    def _bounds(self, section: str, given: Mapping[str, Any]) -> tuple[float, float]:
        """Return the two bounds; infinite where one is unbounded or not given."""
        found = []
        for key, none in (("min", -math.inf), ("max", math.inf)):
            text = given.get(key, _UNBOUNDED)
            try:
                number = none if text == _UNBOUNDED else float(text)
            except ValueError:
                number = math.nan
            if math.isnan(number) or (text != _UNBOUNDED and math.isinf(number)):
                self._say(section, key, f": {quoted(text)}; allowed: {_BOUND}")
                number = none
            found.append(number)
        return found[0], found[1]

    def _distribution(self, section: str, given: Mapping[str, Any]) -> Distribution | None:
        kind, before = given.get("distribution"), len(self._problems)
        if kind is None:
            if not any(f": {section}.distribution:" in problem for problem in self._problems):
                self._say(section, "distribution", f" is missing; allowed: {', '.join(_KINDS)}")
            return None
        needed = {"normal": ("mu", "sigma"), "bounded-pareto": ("alpha",), "truncated-pareto": ("alpha", "scale")}
        for key in needed.get(kind, ()):
            if key not in given:
                self._say(section, key, f" is missing: distribution is {kind}")
        discrete = given.get("discrete", False)
        if section == "software" and not (discrete and "values" in given and "min" not in given):
            self._say(section, "values", " is needed, with discrete: images as image|size")
        if len(self._problems) > before:
            return None
        if discrete and kind in ("uniform", "truncated-pareto"):
            return self._choice(section, kind, given)
        low, high = self._bounds(section, given)
        if len(self._problems) > before or not self._in_limits(section, kind, low, high, given):
            return None
        continuous = _continuous(kind, low, high, given)
        return Whole(continuous) if discrete else continuous

    def _in_limits(self, section: str, kind: str, low: float, high: float, given: Mapping[str, Any]) -> bool:
        """Check that all that can be drawn makes sense."""
        least, most = _LIMITS[section]
        if given.get("type") in ("original-slowdown", "interval"):
            least = 0 if given["type"] == "interval" else -_SECONDS_MAX
        wrong = ""
        if low < least:
            wrong = f"min: {'unbounded' if math.isinf(low) else f'{low:g}'} is too low; allowed: {least:g} or more"
        elif kind == "bounded-pareto" and low <= 0:
            wrong = "min: must be above 0 for bounded-pareto"
        elif high > most and not (kind == "normal" and math.isinf(high)):
            wrong = f"max: {'unbounded' if math.isinf(high) else f'{high:g}'} is too high; allowed: up to {most:g}"
        elif low > high or (given.get("type") == "original-slowdown" and not low < high < math.inf):
            wrong = f"max: {high:g} must be above min, {low:g}"
        if wrong:
            key, _, what = wrong.partition(":")
            self._say(section, key, f":{what}")
        return not wrong

    def _choice(self, section: str, kind: str, given: Mapping[str, Any]) -> Distribution | None:
        place = _continuous(kind, 0.0, 1.0, given)
        if "min" in given and "max" in given:
            low, high = self._bounds(section, given)
            if math.isinf(low) or math.isinf(high) or not self._in_limits(section, kind, int(low), int(high), given):
                if math.isinf(low) or math.isinf(high):
                    self._say(section, "min", ": whole numbers are drawn between two bounds; allowed: numbers")
                return None
            return Choice(range(int(low), int(high) + 1), place)
        values = given.get("values", ())
        if not values:
            self._say(section, "values", " or min and max are missing: discrete is true")
            return None
        for value in values:
            if not (_is_image(value) if section == "software" else self._is_number(section, value)):
                wanted = "image|size, the size in MiB" if section == "software" else _limits_text(section)
                self._say(section, "values", f": {quoted(value)}; allowed: {wanted}")
                return None
        return Choice(values, place)

    def _is_number(self, section: str, text: str) -> bool:
        try:
            number = float(text)
        except ValueError:
            return False
        return _LIMITS[section][0] <= number <= _LIMITS[section][1]


def _continuous(kind: str, low: float, high: float, given: Mapping[str, Any]) -> Distribution:
    invert = given.get("invert", False)
    if kind == "normal":
        return Normal(low, high, given["mu"], given["sigma"])
    if kind == "bounded-pareto":
        return BoundedPareto(low, high, given["alpha"], invert)
    if kind == "truncated-pareto":
        return TruncatedPareto(low, high, given["scale"], given["alpha"], invert)
    return Uniform(low, high)


def _texts(option: Option, value: object) -> object:
    """Return a value of TOML as the text that INI would have, where numbers stand for words."""
    if option.kind == "words" and isinstance(value, list):
        return [str(each) if type(each) in (int, float) else each for each in value]
    if option.kind == "text" and type(value) in (int, float):
        return str(value)
    return value


def _is_image(text: str) -> bool:
    name, _, size = text.rpartition("|")
    return bool(name) and size.isascii() and size.isdigit() and 0 < len(size) <= 12


def _limits_text(section: str) -> str:
    low, high = _LIMITS[section]
    return f"numbers from {low:g} to {high:g}"
