"""The one table of lease states: which may follow which.

The diagram in the documentation is drawn from it. A change that is not in the table is a bug in Haizea, and says
so with the story of the lease.
"""

from typing import Final

from haizea.model.lease import LeaseState as S

TRANSITIONS: Final[dict[S, frozenset[S]]] = {
    S.NEW: frozenset({S.PENDING, S.QUEUED, S.REJECTED, S.CANCELLED}),
    S.PENDING: frozenset({S.HELD, S.SCHEDULED, S.READY, S.REJECTED, S.REJECTED_BY_USER, S.CANCELLED, S.ACTIVE}),
    S.QUEUED: frozenset(
        {S.HELD, S.SCHEDULED, S.READY, S.ACTIVE, S.REJECTED, S.REJECTED_BY_USER, S.CANCELLED, S.FAILED}
    ),
    S.SCHEDULED: frozenset({S.HELD, S.PREPARING, S.READY, S.ACTIVE, S.QUEUED, S.CANCELLED, S.FAILED}),
    S.PREPARING: frozenset({S.HELD, S.READY, S.ACTIVE, S.QUEUED, S.SCHEDULED, S.CANCELLED, S.FAILED}),
    S.READY: frozenset({S.HELD, S.ACTIVE, S.QUEUED, S.SCHEDULED, S.CANCELLED, S.FAILED}),
    S.ACTIVE: frozenset(
        {S.PAUSED, S.HELD, S.SUSPENDING, S.SUSPENDED_QUEUED, S.DONE, S.QUEUED, S.SCHEDULED, S.CANCELLED, S.FAILED}
    ),
    S.SUSPENDING: frozenset(
        {S.HELD, S.SUSPENDED_QUEUED, S.SUSPENDED_SCHEDULED, S.QUEUED, S.ACTIVE, S.DONE, S.CANCELLED, S.FAILED}
    ),
    S.SUSPENDED_PENDING: frozenset({S.SUSPENDED_QUEUED, S.SUSPENDED_SCHEDULED, S.CANCELLED, S.FAILED}),
    S.SUSPENDED_QUEUED: frozenset(
        {S.HELD, S.MIGRATING, S.SUSPENDED_SCHEDULED, S.RESUMING, S.QUEUED, S.DONE, S.CANCELLED, S.FAILED}
    ),
    S.SUSPENDED_SCHEDULED: frozenset(
        {S.HELD, S.MIGRATING, S.RESUMING, S.SUSPENDED_QUEUED, S.QUEUED, S.SCHEDULED, S.DONE, S.CANCELLED, S.FAILED}
    ),
    S.MIGRATING: frozenset(
        {S.HELD, S.SUSPENDED_SCHEDULED, S.SUSPENDED_QUEUED, S.RESUMING, S.QUEUED, S.DONE, S.CANCELLED, S.FAILED}
    ),
    S.RESUMING: frozenset(
        {S.HELD, S.RESUMED_READY, S.ACTIVE, S.DONE, S.SUSPENDED_QUEUED, S.QUEUED, S.CANCELLED, S.FAILED}
    ),
    S.RESUMED_READY: frozenset({S.ACTIVE, S.QUEUED, S.CANCELLED, S.FAILED}),
    S.HELD: frozenset(
        {S.QUEUED, S.SCHEDULED, S.READY, S.ACTIVE, S.SUSPENDING, S.SUSPENDED_QUEUED, S.SUSPENDED_SCHEDULED, S.RESUMING}
        | {S.PAUSED, S.DONE, S.CANCELLED, S.FAILED}
    ),
    S.PAUSED: frozenset(
        {S.ACTIVE, S.SUSPENDING, S.QUEUED, S.SCHEDULED, S.SUSPENDED_QUEUED, S.DONE, S.HELD, S.CANCELLED, S.FAILED}
    ),
    S.DONE: frozenset(),
    S.REJECTED: frozenset(),
    S.REJECTED_BY_USER: frozenset(),
    S.CANCELLED: frozenset(),
    S.FAILED: frozenset(),
}


class ImpossibleTransition(AssertionError):
    """The scheduler tried to bring a lease into a state that cannot follow its present one: a bug in Haizea."""

    def __init__(self, lease: int, before: S, after: S, story: str) -> None:
        super().__init__(
            f"lease {lease} cannot go from {before.label} to {after.label}; this is a bug in Haizea, please report it "
            f"with this story: {story}"
        )
        self.lease = lease
        self.before = before
        self.after = after


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {S.NEW.label.replace('-', '_')}"]
    for before, following in TRANSITIONS.items():
        name = before.label.replace("-", "_")
        if not following:
            lines.append(f"    {name} --> [*]")
        lines += [f"    {name} --> {after.label.replace('-', '_')}" for after in sorted(following)]
    return "\n".join(lines) + "\n"
