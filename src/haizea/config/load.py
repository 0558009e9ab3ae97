"""Finding the settings of a run: defaults < file < environment < ``--set`` < dedicated options."""

import os
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from haizea.config.settings import Settings

ENVIRONMENT_PREFIX: Final = "HAIZEA_"


class Override(NamedTuple):
    """A value that a dedicated option of the command line gives: ``("simulation.seed", "7", "--seed")``."""

    name: str
    text: str
    origin: str


def variables_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that set options: ``HAIZEA_SECTION__KEY``."""
    return {name: text for name, text in environ.items() if name.startswith(ENVIRONMENT_PREFIX) and "__" in name}


def load(
    path: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    sets: Iterable[str] = (),
    overrides: Iterable[Override] = (),
) -> Settings:
    """Return the settings that a file, the environment and the command line give together.

    ``path`` is a TOML file or an INI file of Haizea 1.x. ``environ`` is the process's environment where None;
    of it only ``HAIZEA_SECTION__KEY`` counts. ``sets`` are ``section.key=value``.

    Raises:
        ConfigError: the file cannot be read, or something in any of the four is wrong.
    """
    variables = variables_of(os.environ if environ is None else environ)
    sets, overrides = tuple(sets), tuple(overrides)
    if path is None and not variables and not sets and not overrides:
        return Settings()
    # Reading and checking are only paid for where there is something to read.
    from haizea.config.layers import assemble

    return assemble(path, variables, sets, overrides)
