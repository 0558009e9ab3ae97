"""The colours and names that every picture of a schedule shares.

The hues are Okabe and Ito's, which people with any common colour blindness can tell apart. Kinds other than running
differ by texture as well, so that no meaning hangs on colour alone.
"""

from typing import Final

TYPES: Final = ("best-effort", "AR", "immediate", "deadline")
"""The lease types, in the order of legends; any other type is drawn as :data:`OTHER`."""

OTHER: Final = "other"

TYPE_COLOURS: Final = {
    "best-effort": "#0072B2",
    "AR": "#E69F00",
    "immediate": "#009E73",
    "deadline": "#CC79A7",
    OTHER: "#8A8F98",
}

TEXT_ON: Final = {
    "best-effort": "#ffffff",
    "AR": "#1b1400",
    "immediate": "#00140e",
    "deadline": "#1d0a13",
    OTHER: "#101214",
}
"""A colour for text that stands out from each type's colour."""

LOST: Final = "#D55E00"
TRANSFER: Final = "#56B4E9"

KINDS: Final = ("transfer", "run", "suspend", "migrate", "resume", "shutdown")

COPIES: Final = frozenset({"transfer", "migrate"})
"""Kinds that copy images and hold no VM: drawn as a strip below the VMs of their host."""

LOST_OUTCOMES: Final = frozenset({"lost", "failed"})

LIGHT: Final = {
    "bg": "#f6f7f9",
    "card": "#ffffff",
    "ink": "#1b1f24",
    "soft": "#59626e",
    "line": "#d5dae1",
    "row": "#eff2f5",
    "copy": "#22272e",
    "focus": "#005fcc",
}

DARK: Final = {
    "bg": "#0f1216",
    "card": "#181c22",
    "ink": "#e8ebef",
    "soft": "#a3adb9",
    "line": "#333b46",
    "row": "#20262e",
    "copy": "#f2f4f7",
    "focus": "#7ab7ff",
}


def type_of(name: str) -> str:
    """Return the name of a lease type that has a colour."""
    return name if name in TYPE_COLOURS else OTHER
