"""Settings: their defaults, the files and variables they are read from, and how they are written.

Native files are TOML; INI files of Haizea 1.x are accepted wherever a TOML file is.
"""

from haizea.config.errors import ConfigError
from haizea.config.load import Override, load
from haizea.config.settings import Settings

__all__ = ["ConfigError", "Override", "Settings", "load"]
