"""Bugs put into Haizea on purpose: each must be noticed by the chaos run, or the run would notice none of its kind.

To try all of them: ``python -m tests.simulation.mutations``. They are put in by replacing what the source says, so the
scheduler must not be compiled.
"""

import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest

from haizea.app.chaos import ChaosRequest, run_chaos
from haizea.core import reactions
from haizea.core.alarms import Alarms, Bell
from haizea.core.claims import Claims
from haizea.core.desk import Desk
from haizea.core.execution import Execution
from haizea.core.lateness import Lateness
from haizea.core.reactions import Desired, Reaction, Sight
from haizea.core.repair import Repair
from haizea.core.wishes import Wishes
from haizea.live.breaker import Breaker
from haizea.live.dispatch import Dispatch
from haizea.live.keeper import Keeper
from haizea.live.operations import Operations
from haizea.live.outbox import Outbox
from haizea.live.reconcile import Reconciler
from haizea.live.unwritten import Unwritten
from haizea.live.writing import Writing
from haizea.model.units import FAR_FUTURE
from haizea.plan.slottable import SlotTable
from haizea.runtime.store import Transaction

SEEDS: Final = range(60)
HOURS: Final = 2.0

Patch = Callable[[pytest.MonkeyPatch], None]


class Mutation(NamedTuple):
    """A bug: what it is, and how it is put in."""

    name: str
    put_in: Patch


def _reaction(desired: Desired, sight: Sight, becomes: Reaction) -> Mutation:
    def put_in(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(reactions.REACTIONS, (desired, sight), becomes)

    return Mutation(f"{desired} × {sight}: {becomes.name.lower()}", put_in)


def _replaced(name: str, owner: type, attribute: str, value: object) -> Mutation:
    return Mutation(name, lambda patch: patch.setattr(owner, attribute, value))


def _nothing(*_args: Any, **_options: Any) -> None:
    return None


def _none(*_args: Any, **_options: Any) -> list[Any]:
    return []


def _without(bell: Bell) -> Patch:
    """Never set an alarm of a kind."""
    plain = Alarms.set

    def put(self: Alarms, which: Bell, number: int, at: int, vm: int = 0) -> None:
        if which is not bell:
            plain(self, which, number, at, vm)

    return lambda patch: patch.setattr(Alarms, "set", put)


def _keeps_capacity(patch: pytest.MonkeyPatch) -> None:
    def drop(self: Desk, stay: Any) -> None:
        self.forget(stay)

    patch.setattr(Desk, "drop", drop)


def _credits_twice(patch: pytest.MonkeyPatch) -> None:
    plain = Execution.account

    def account(self: Execution, stay: Any, until: int) -> None:
        plain(self, stay, until)
        stay.lease.delivered += max(0, until - stay.run_start)

    patch.setattr(Execution, "account", account)


def _forgets_alarms(patch: pytest.MonkeyPatch) -> None:
    plain = Alarms.recall

    def recall(self: Alarms, found: Any) -> None:
        plain(self, [])

    patch.setattr(Alarms, "recall", recall)


def _forgets_strangers(patch: pytest.MonkeyPatch) -> None:
    plain = Claims.recall
    patch.setattr(Claims, "recall", lambda self, found: plain(self, {**found, "strangers": {}}))


def _never_again(patch: pytest.MonkeyPatch) -> None:
    plain = Breaker.failed

    def failed(self: Breaker, now: int, why: str) -> bool:
        first = plain(self, now, why)
        self.retry_at = FAR_FUTURE
        return first

    patch.setattr(Breaker, "failed", failed)


def _writes_without(what: str) -> Patch:
    plain = Unwritten.write

    def write(self: Unwritten, transaction: Transaction) -> None:
        setattr(self, what, type(getattr(self, what))() if getattr(self, what) is not None else None)
        plain(self, transaction)

    return lambda patch: patch.setattr(Unwritten, "write", write)


def _keeps_no_rest(patch: pytest.MonkeyPatch) -> None:
    plain = Keeper.hand_over

    def hand_over(self: Keeper, event: Any, taken: Any = None) -> Any:
        answer = plain(self, event, taken)
        self._news = False
        return answer

    patch.setattr(Keeper, "hand_over", hand_over)


def _keeps_dead(patch: pytest.MonkeyPatch) -> None:
    plain = Desk.retire

    def retire(self: Desk, lease: Any, state: Any, reason: Any = None) -> None:
        plain(self, lease, state, reason)
        if lease.id % 5 == 0:
            self.leases[lease.id] = lease

    patch.setattr(Desk, "retire", retire)


def _numbers_again(patch: pytest.MonkeyPatch) -> None:
    plain = Outbox.__init__

    def begin(self: Outbox, *args: Any) -> None:
        plain(self, *args)
        self.next = self._until = 1

    patch.setattr(Outbox, "__init__", begin)


_D, _S, _R = Desired, Sight, Reaction
MUTATIONS: Final = (
    _reaction(_D.RUNNING, _S.CRASHED, _R.NOTHING),
    _reaction(_D.RUNNING, _S.VANISHED, _R.NOTHING),
    _reaction(_D.RUNNING, _S.GUEST_SHUTDOWN, _R.NOTHING),
    _reaction(_D.RUNNING, _S.SUSPENDED, _R.NOTHING),
    _reaction(_D.RUNNING, _S.PAUSED, _R.NOTHING),
    _reaction(_D.RUNNING, _S.ELSEWHERE, _R.NOTHING),
    _reaction(_D.RUNNING, _S.STOPPED, _R.NOTHING),
    _reaction(_D.RUNNING, _S.DELETED, _R.NOTHING),
    _reaction(_D.RUNNING, _S.VANISHED, _R.PAUSE),
    _reaction(_D.SUSPENDED, _S.RUNNING, _R.NOTHING),
    _reaction(_D.SUSPENDED, _S.VANISHED, _R.NOTHING),
    _reaction(_D.SUSPENDED, _S.DELETED, _R.NOTHING),
    _reaction(_D.PAUSED, _S.RUNNING, _R.NOTHING),
    _reaction(_D.ABSENT, _S.RUNNING, _R.NOTHING),
    Mutation("no alarm is set for another start", _without(Bell.RESTART)),
    Mutation("no alarm is set for a promise's end", _without(Bell.WINDOW)),
    Mutation("capacity is not given back", _keeps_capacity),
    Mutation("time is credited twice", _credits_twice),
    Mutation("alarms are not recalled", _forgets_alarms),
    Mutation("strangers are not recalled", _forgets_strangers),
    Mutation("a platform that failed is never asked again", _never_again),
    Mutation("leases are not written", _writes_without("leases")),
    Mutation("the rest of the desk is not written", _writes_without("rest")),
    Mutation("commands are given numbers again", _numbers_again),
    Mutation("silent changes are not written", _keeps_no_rest),
    Mutation("leases that are over are kept", _keeps_dead),
    _replaced("restarts that are due are forgotten", Wishes, "restart_due", _nothing),
    _replaced("who waits is forgotten", Desk, "enqueue", _nothing),
    _replaced("no timers are set", Desk, "arm", _nothing),
    _replaced("leases are not planned anew", Repair, "replace", _nothing),
    _replaced("nothing is known of late ends", Lateness, "catch_up", _nothing),
    _replaced("what was lost ahead of time stays lost", Execution, "_cut", _nothing),
    _replaced("commands in doubt are forgotten", Dispatch, "doubt", _nothing),
    _replaced("commands that got lost are not sent again", Dispatch, "look_again", _nothing),
    _replaced("late operations are ignored", Operations, "late", _none),
    _replaced("VMs are not compared", Reconciler, "vms", _none),
    _replaced("strays are left", Reconciler, "_clean", _nothing),
    _replaced("hosts are not compared", Reconciler, "_host_states", _none),
    _replaced("capacities are not compared", Reconciler, "_site", _none),
    _replaced("strangers are not seen", Reconciler, "_use", _none),
    _replaced("a broken store is given up", Writing, "mend", _nothing),
    _replaced("there is always room", SlotTable, "has_room", lambda *_args: True),
)

_sound: dict[int, bool] = {}


def sound(seed: int) -> bool:
    """Whether nothing is found with a seed in Haizea as it is."""
    if seed not in _sound:
        _sound[seed] = run_chaos(ChaosRequest(seed, HOURS)).found is None
    return _sound[seed]


def caught(mutation: Mutation) -> str:
    """Return what a bug is noticed by; empty where it is not."""
    for seed in SEEDS:
        with pytest.MonkeyPatch.context() as patch:
            mutation.put_in(patch)
            found = run_chaos(ChaosRequest(seed, HOURS)).found
        if found is not None and sound(seed):
            return f"seed {seed}: {found.kind}"
    return ""


def main() -> int:
    """Try all bugs, or those whose names have a word in them; return how many went unnoticed."""
    chosen = [each for each in MUTATIONS if len(sys.argv) < 2 or sys.argv[1] in each.name]
    missed = 0
    for mutation in chosen:
        by = caught(mutation)
        missed += not by
        sys.stdout.write(f"{mutation.name}: {by or 'NOT NOTICED'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} noticed\n")
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
