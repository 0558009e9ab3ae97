"""What a daemon says of itself: its settings and its policies, without what must stay secret."""

from typing import Any, Final

from haizea.app.compose import chosen
from haizea.config.settings import SECTIONS, Settings
from haizea.config.table import BY_SECTION
from haizea.config.write import format_value
from haizea.model.units import Instant
from haizea.policy.registry import available
from haizea.service.models import PolicyOut
from haizea.service.system import Identity

SECRET_OPTIONS: Final = ("store.url",)


def identity(settings: Settings, started: Instant) -> Identity:
    """Return what is shown of settings, and since when the daemon runs."""
    return Identity(started, settings.live.time_scale, _shown(settings), tuple(_policies(settings)))


def _policies(settings: Settings) -> list[PolicyOut]:
    named = chosen(settings)
    return [
        PolicyOut(kind=kind, name=info.name, summary=info.description, chosen=named[kind] in (info.name, *info.aliases))
        for kind in named
        for info in available(kind)
    ]


def _shown(settings: Settings) -> dict[str, Any]:
    """Return the settings in force, without what must stay secret."""
    found: dict[str, Any] = {}
    for section in SECTIONS:
        values = settings.section(section)
        found[section] = {
            name.replace("_", "-"): plain(f"{section}.{name.replace('_', '-')}", getattr(values, name))
            for name in values.names()
            if f"{section}.{name.replace('_', '-')}" not in SECRET_OPTIONS
        }
    return found


def plain(option: str, value: object) -> object:
    """Return the value of an option as JSON has it and a configuration takes it: spans and instants as texts."""
    section, _, key = option.partition(".")
    known = BY_SECTION.get(section, {}).get(key)
    if known is not None and known.kind in ("span", "instant") and isinstance(value, int):
        return format_value(known, value)
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple):
        return [plain("", one) for one in value]
    return str(value)
