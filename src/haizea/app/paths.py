"""Where things are when nobody says so: the XDG folders of the user."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return where a daemon keeps its state."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "haizea"


def socket_path() -> Path:
    """Return where a daemon's Unix socket is, and commands look for it."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    return (Path(base) / "haizea" if os.path.isabs(base) else data_folder()) / "haizea.sock"
