"""VMs that are no lease's: which of them are none of Haizea's business, by what their labels say."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from haizea.runtime.ports import Shown, Stranger


def noticed(found: Shown[Stranger], ignored: Sequence[str]) -> Shown[Stranger]:
    """Return the VMs that are neither ignored by a label alone nor by ``label=value``, in which ``*`` is any text."""
    if not ignored:
        return found
    return Shown([one for one in found if not any(_has(one, pattern) for pattern in ignored)], found.away)


def _has(one: Stranger, pattern: str) -> bool:
    label, equals, value = pattern.partition("=")
    return label in one.labels and (not equals or fnmatchcase(one.labels[label], value))
