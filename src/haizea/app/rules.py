"""Giving a scheduler that runs other rules: its policies, and what they are set to."""

from collections.abc import Sequence
from typing import Any, Final

from haizea.app.reloading import TABLE, Changed
from haizea.config.settings import Settings
from haizea.core.desk import Policies
from haizea.runtime.changes import Change
from haizea.service.live import Loop

FIELDS: Final = {
    "admission": "admission",
    "host-selection": "selection",
    "preemption": "preemption",
    "pricing": "pricing",
    "queue": "queue",
}
"""What the kinds of policies are called among a scheduler's policies."""


def adopt(loop: Loop, made: Policies, settings: Settings, changed: Sequence[Changed]) -> None:
    """Have the scheduler go by these policies, made of settings, from the next step on; what is planned stays planned.

    What is said in the journal comes first, so that whoever reads it knows by which rules something was decided. A
    policy that nothing was changed of stays as it is, with what it has learnt.

    Raises:
        haizea.runtime.store.StoreError: the journal cannot be written; nothing was changed.
    """
    new = {field: getattr(made, field) for kind, field in FIELDS.items() if _is_other(kind, settings, changed)}
    text = f"The rules were changed: {'; '.join(map(str, changed))}."
    data = {each.name: each.after for each in changed}

    def note(change: Change) -> None:
        change.note("rules-changed", "haizea", text, data=data)

    def swap(change: Change) -> None:
        # One that only looks, because it is carried out when the step that says so is durable.
        scheduler: Any = change.scheduler
        scheduler.follow(scheduler.desk.configured, scheduler.desk.policies._replace(**new))

    loop.change(note)
    loop.look(swap)


def _is_other(kind: str, settings: Settings, changed: Sequence[Changed]) -> bool:
    chosen: str = getattr(settings.scheduling, f"policy_{kind.replace('-', '_')}")
    names = {each.name for each in changed}
    own = f"{TABLE}{chosen.rpartition(':')[2].strip()}"
    if kind == "pricing" and any(name.startswith("pricing.") for name in names):
        return True
    return f"scheduling.policy-{kind}" in names or own in names
