"""What a configuration gives that changes nothing in a simulation, and why: for ``haizea config check``."""

from collections.abc import Iterator

from haizea.config.settings import Settings
from haizea.config.table import OPTIONS


def notes(settings: Settings) -> list[str]:
    """Return a sentence for each option that is given and has no effect in a simulation."""
    return [f"{settings.origins[name]}: {name} has no effect in a simulation: {why}" for name, why in _idle(settings)]


def _idle(settings: Settings) -> Iterator[tuple[str, str]]:
    given = settings.origins
    for option in OPTIONS:
        name = option.name
        if name not in given:
            continue
        if option.idle:
            yield name, option.idle
        elif name == "general.loglevel" and "general.logfile" not in given:
            yield name, "nothing is logged where general.logfile is not given"
        elif name == "general.mode" and settings.general.mode != "simulated":
            yield name, "haizea simulate simulates whatever the mode"
        elif name == "simulation.clock" and settings.simulation.clock == "real":
            yield name, "time jumps from event to event, and only the default of non-schedulable-interval follows it"
