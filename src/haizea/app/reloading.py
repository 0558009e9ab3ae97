"""Reading the configuration anew while the daemon runs: what changes at once, and what takes a restart.

All or nothing: what is wrong with a configuration is found before anything of it is used, and an address that cannot be
listened at has the doors opened where they were.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from haizea.api.server import CannotListen
from haizea.app.doors import Doors
from haizea.config.errors import ConfigError
from haizea.config.settings import SECTIONS, Settings
from haizea.core.desk import Policies
from haizea.runtime.store import StoreError
from haizea.service.errors import Unavailable

DOORS: Final = (
    "server.listen",
    "server.xmlrpc",
    "server.socket",
    "server.socket-mode",
    "server.socket-group",
    "server.rate",
    "server.hosts",
    "server.tls-certificate",
    "server.tls-key",
)
"""What the front doors are opened with; the certificate's files too, where only what is in them has changed."""

LOG: Final = ("general.loglevel",)

RULES: Final = (
    "scheduling.policy-admission",
    "scheduling.policy-host-selection",
    "scheduling.policy-preemption",
    "scheduling.policy-pricing",
    "scheduling.policy-queue",
    "pricing.rate",
    "pricing.seed",
    "pricing.min-rate",
    "pricing.max-rate",
)
"""What the scheduler goes by and can be given anew; and so can the tables of users' policies, ``policy.NAME``."""

TABLE: Final = "policy."

Tables = Mapping[str, Mapping[str, object]]


class Changed(NamedTuple):
    """An option that differs: its full name, and its values as people read them."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} is {self.after}, and was {self.before}"


class Adapted(NamedTuple):
    """What a daemon does with settings beside opening doors.

    ``policies`` makes them, raises what is wrong with them (ValueError), and changes nothing. ``log`` sets how much is
    logged. ``rules`` is called with the policies, with the settings as they hold from now on and with what of the rules
    has changed; it raises StoreError or Unavailable where that could not be kept.
    """

    policies: Callable[[Settings], Policies]
    log: Callable[[Settings], None]
    rules: Callable[[Policies, Settings, Sequence[Changed]], None]


async def reload(doors: Doors, before: Settings, read: Callable[[], Settings], adapted: Adapted) -> Settings:
    """Read the configuration anew and use what of it can be used without a restart; return what holds now.

    What was done, and what takes a restart, is said in the log.
    """
    log = structlog.get_logger("haizea")
    try:
        settings = await asyncio.to_thread(read)
        changed = differences(before, settings)
        rules = [each for each in changed if each.name in RULES or each.name.startswith(TABLE)]
        holds = _merged(before, settings, {*DOORS, *LOG, *RULES}, settings.policy)
        policies = await asyncio.to_thread(adapted.policies, holds)
        moved = any(each.name in DOORS for each in changed) or settings.server.tls_certificate is not None
        addresses = await doors.reopen(holds) if moved else doors.addresses
    except (ValueError, OSError, CannotListen, ConfigError) as problem:
        log.warning("the configuration was not reloaded", why=str(problem))
        return before
    adapted.log(holds)
    kept: list[str] = []
    if rules:
        try:
            await asyncio.to_thread(adapted.rules, policies, holds, rules)
        except (StoreError, Unavailable) as problem:
            kept = [each.name for each in rules]
            log.warning(
                "the scheduler's rules were not changed, as that could not be written down; reload again",
                why=str(problem), options=kept,
            )  # fmt: skip
            holds = _merged(before, holds, {*DOORS, *LOG}, before.policy)
    now = [each.name for each in changed if _is_reloaded(each.name) and each.name not in kept]
    log.info("the configuration was reloaded", used=now, listens=addresses)
    later = [each.name for each in changed if not _is_reloaded(each.name)]
    if later:
        log.warning("restart to apply", options=later)
    return holds


def differences(before: Settings, after: Settings) -> list[Changed]:
    """Return the options that differ, in the order of the reference; then users' policies by name."""
    found = []
    for section in SECTIONS:
        for name in before.section(section).names():
            old, new = (getattr(each.section(section), name) for each in (before, after))
            if old != new:
                found.append(Changed(f"{section}.{name.replace('_', '-')}", _shown(old), _shown(new)))
    for name in sorted({*before.policy, *after.policy}):
        tables = [dict(each.policy.get(name, {})) for each in (before, after)]
        if tables[0] != tables[1]:
            found.append(Changed(TABLE + name, _shown(tables[0]), _shown(tables[1])))
    return found


def _is_reloaded(name: str) -> bool:
    return name in DOORS or name in LOG or name in RULES or name.startswith(TABLE)


def _merged(before: Settings, after: Settings, names: set[str], policy: Tables) -> Settings:
    """Return settings that are those after for these names, and those before for all others."""
    sections = {section: dict(vars(before.section(section))) for section in SECTIONS}
    for name in names:
        section, _, key = name.partition(".")
        sections[section][key.replace("-", "_")] = after.value(name)
    origins = {**before.origins, **{name: origin for name, origin in after.origins.items() if name in names}}
    return Settings(sections, policy, origins, before.source)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_shown(each)}" for name, each in value.items()) or "empty"
    return str(value)
