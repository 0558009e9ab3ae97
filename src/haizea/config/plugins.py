"""Policies that other packages bring, found by their entry points."""

from collections.abc import Mapping
from typing import Final

from haizea.config.table import POLICY_KINDS

GROUPS: Final[Mapping[str, str]] = {kind: f"haizea.policy.{kind.replace('-', '_')}" for kind in POLICY_KINDS}
"""The group of entry points of each kind of policy."""


def entry_points(kind: str) -> dict[str, str]:
    """Return the installed policies of a kind by name, each as ``module:Class``."""
    # Looking through the installed packages takes longer than everything else here.
    from importlib import metadata

    return {point.name: point.value for point in metadata.entry_points(group=GROUPS[kind])}
