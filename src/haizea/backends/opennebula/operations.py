"""What is to be done next with a VM so that it becomes as it should be.

OpenNebula's calls return before anything has changed, are refused while something else is under way, and may come to
nothing without a word. So nothing here follows a script: a VM is looked at, and from what it looks like follows the
next call, or that one must wait, or that it is done or will not be.
"""

from enum import Enum
from typing import Final, NamedTuple

from haizea.backends.opennebula.pools import Machine
from haizea.backends.opennebula.states import (
    ACTIVE,
    FAILED_TO_RESTORE,
    HOLD,
    PENDING,
    SHUTTING_DOWN,
    Place,
    host_of,
    look,
)


class Goal(Enum):
    """What a VM is to become. REMAKE throws away what it has done, and keeps the VM on hold to be started over."""

    START = "start"
    RESUME = "resume"
    SUSPEND = "suspend"
    PAUSE = "pause"
    MOVE = "migrate"
    END = "shut down"
    REMOVE = "remove"
    REMAKE = "start over later"


class Call(Enum):
    """What OpenNebula can be told about a VM."""

    MAKE = "instantiate"
    DEPLOY = "deploy"
    SUSPEND = "suspend"
    STOP = "stop"
    RESUME = "resume"
    MIGRATE_LIVE = "migrate, live"
    MIGRATE_SAVED = "migrate, saved"
    TERMINATE = "terminate"
    TERMINATE_HARD = "terminate-hard"
    HOLD = "hold"
    GIVE_UP = "recover --failure"
    RETRY = "recover --retry"
    DELETE = "recover --delete"
    RECREATE = "recover --recreate"


class Aim(NamedTuple):
    """A goal, and on which host (OpenNebula's number) where that matters."""

    goal: Goal
    host: int | None = None


class Rules(NamedTuple):
    """How patient to be, in seconds, and by which of two ways to go.

    ``settle``: so long after a call it may not show yet what it does. ``shutdown``: so long a guest may take to shut
    itself down. ``stuck``: a VM that has been on its way to the same state for so long is not any more. ``patience``:
    so long a call that is refused is tried again. ``tries``: so often something is tried that fails. ``stop``: memory
    of suspended VMs goes to the system datastore, so that they can resume anywhere.
    """

    settle: float = 2.0
    shutdown: float = 60.0
    stuck: float = 900.0
    patience: float = 60.0
    tries: int = 3
    stop: bool = False
    live: bool = True


class Past(NamedTuple):
    """What was done with a VM to reach an aim, in seconds of a monotonic clock.

    ``moved``: it was seen on its way since the last call. ``since``: since when it looks as it does. ``refused``: since
    when the call is refused, None where the last one was not.
    """

    call: Call | None = None
    at: float = 0.0
    moved: bool = False
    since: float = 0.0
    calls: tuple[Call, ...] = ()
    refused: float | None = None
    error: str = ""

    def times(self, *calls: Call) -> int:
        """Return how often calls were made."""
        return sum(1 for each in self.calls if each in calls)


class Wait(NamedTuple):
    """Look again later."""


class Done(NamedTuple):
    """It is as it should be."""


class Failed(NamedTuple):
    """It will not become as it should be; ``why`` is a sentence's end."""

    why: str


Step = Call | Wait | Done | Failed
WAIT: Final = Wait()
DONE: Final = Done()
_STARTS: Final = (Goal.START, Goal.RESUME)
_ENDS: Final = (Goal.END, Goal.REMOVE)
_MOVES: Final = (Call.MIGRATE_LIVE, Call.MIGRATE_SAVED)


def next_step(aim: Aim, vm: Machine | None, past: Past, now: float, rules: Rules) -> Step:
    """Return what is to be done next for a VM to become as it should be; None for a VM is that there is none."""
    place = Place.DONE if vm is None else look(vm).place
    if vm is None or place is Place.DONE:
        return _gone(aim, past, rules)
    if past.refused is not None and now - past.refused > rules.patience:
        return Failed(f"OpenNebula has refused it for {rules.patience:g} s: {past.error}")
    if place is Place.MOVING:
        return _moving(aim, vm, past, now, rules)
    telling = past.call is not None and past.call is not Call.MAKE
    settling = telling and not past.moved and now - past.at < rules.settle
    step = _settled(aim, vm, place, past, now, rules)
    if settling and (step is not DONE or past.call in _MOVES):
        # The call may not show yet; or shows a VM where it is still to go, which is how OpenNebula begins to move one.
        return WAIT
    return step


def _gone(aim: Aim, past: Past, rules: Rules) -> Step:
    if aim.goal in _ENDS or aim.goal is Goal.REMAKE:
        return DONE
    if past.times(Call.MAKE) >= rules.tries:
        return Failed(f"it was made {rules.tries} times, and is gone each time")
    return Call.MAKE if aim.goal is Goal.START else Failed("OpenNebula has no such VM any more")


def _moving(aim: Aim, vm: Machine, past: Past, now: float, rules: Rules) -> Step:
    """Wait; unless it hangs, or is shutting down and need not be asked nicely any more."""
    if aim.goal in _ENDS and vm.lcm == SHUTTING_DOWN and Call.TERMINATE_HARD not in past.calls:
        overdue = past.call is not None and now - past.at > rules.shutdown
        if aim.goal is Goal.REMOVE or overdue:
            return Call.TERMINATE_HARD
    if now - past.since < rules.stuck:
        return WAIT
    if past.times(Call.GIVE_UP, Call.DELETE) >= rules.tries:
        return Failed(f"it hangs in state {vm.state}/{vm.lcm}, and OpenNebula could not be had to give up")
    # What it was saving to may be incomplete: that it failed is the safe assumption.
    return Call.DELETE if aim.goal in _ENDS else Call.GIVE_UP


def _settled(aim: Aim, vm: Machine, place: Place, past: Past, now: float, rules: Rules) -> Step:
    goal = aim.goal
    if goal in _STARTS:
        return _to_run(aim, vm, place, past, rules)
    if goal in (Goal.SUSPEND, Goal.PAUSE):
        return _to_suspend(goal, vm, place, past, now, rules)
    if goal is Goal.MOVE:
        return _to_move(aim, vm, place, past, rules)
    if goal is Goal.REMAKE:
        return _to_remake(vm, place, past, rules)
    return _to_end(goal, place, past, rules)


def _to_run(aim: Aim, vm: Machine, place: Place, past: Past, rules: Rules) -> Step:
    here = host_of(vm) == aim.host
    if place is Place.RUNNING and here:
        return DONE
    if place is Place.FAILED:
        return _after_failure(aim, vm, past, rules)
    if past.times(Call.DEPLOY, Call.RESUME, *_MOVES) >= 2 * rules.tries:
        return Failed(f"it was tried {rules.tries} times, and came to nothing{_because(vm)}")
    if place is Place.RUNNING:
        return _move(rules, past)
    if place in (Place.WAITING, Place.STOPPED, Place.UNDEPLOYED):
        if past.times(Call.DEPLOY) >= rules.tries:
            return Failed(f"it could not be started{_because(vm)}")
        return Call.DEPLOY
    if place is Place.UNKNOWN:
        if aim.goal is Goal.RESUME and past.call is None:
            return WAIT
        if not here and past.times(Call.RECREATE) >= rules.tries:
            return Failed(f"nothing is heard of it, and it could not be made anew{_because(vm)}")
        return Call.RESUME if here else Call.RECREATE
    if past.times(Call.RESUME) >= rules.tries:
        return Failed(f"it could not be resumed{_because(vm)}")
    return Call.RESUME if here else Call.MIGRATE_SAVED


def _after_failure(aim: Aim, vm: Machine, past: Past, rules: Rules) -> Step:
    """Return a VM that could not be started or resumed to where it was; the next look tries again, or gives up."""
    if past.times(Call.GIVE_UP, Call.RECREATE) > rules.tries:
        return Failed(f"it failed, and could not be brought back{_because(vm)}")
    if aim.goal is Goal.RESUME or vm.lcm in FAILED_TO_RESTORE:
        return Call.GIVE_UP
    return Call.RECREATE


def _move(rules: Rules, past: Past) -> Step:
    if past.times(*_MOVES) >= rules.tries:
        return Failed("it could not be migrated")
    live = rules.live and not past.times(Call.MIGRATE_LIVE)
    return Call.MIGRATE_LIVE if live else Call.MIGRATE_SAVED


def _to_suspend(goal: Goal, vm: Machine, place: Place, past: Past, now: float, rules: Rules) -> Step:
    if place in (Place.SUSPENDED, Place.STOPPED):
        return DONE
    if place is Place.RUNNING:
        if past.times(Call.SUSPEND, Call.STOP) >= rules.tries:
            return Failed(f"it could not be saved, {rules.tries} times{_because(vm)}")
        return Call.STOP if rules.stop and goal is Goal.SUSPEND else Call.SUSPEND
    if place is Place.UNKNOWN and now - past.since < rules.patience:
        return WAIT
    if place is Place.FAILED and past.times(Call.RETRY) < rules.tries and past.call is not None:
        return Call.RETRY
    return Failed(f"it does not run: it is {place.value}{_because(vm)}")


def _to_move(aim: Aim, vm: Machine, place: Place, past: Past, rules: Rules) -> Step:
    if host_of(vm) == aim.host or place in (Place.STOPPED, Place.UNDEPLOYED):
        return DONE if place not in (Place.FAILED, Place.UNKNOWN) else Failed(f"it is {place.value}{_because(vm)}")
    if place is Place.RUNNING:
        return _move(rules, past)
    if place in (Place.SUSPENDED, Place.OFF):
        return Call.MIGRATE_SAVED if past.times(*_MOVES) < rules.tries else Failed("it could not be migrated")
    if place is Place.FAILED and past.times(Call.GIVE_UP) < rules.tries:
        return Call.GIVE_UP
    return Failed(f"it is {place.value}{_because(vm)}")


def _to_remake(vm: Machine, place: Place, past: Past, rules: Rules) -> Step:
    if vm.state == HOLD:
        return DONE
    if past.times(Call.RECREATE, Call.HOLD) > 2 * rules.tries:
        return Failed(f"it could not be made anew{_because(vm)}")
    if vm.state == PENDING and not (vm.record is not None and vm.record.open) and place is Place.WAITING:
        return Call.HOLD
    return Call.RECREATE


def _to_end(goal: Goal, place: Place, past: Past, rules: Rules) -> Step:
    if past.times(Call.TERMINATE, Call.TERMINATE_HARD) > rules.tries:
        return Call.DELETE if past.times(Call.DELETE) < rules.tries else Failed("it could not be removed")
    if goal is Goal.END and place is Place.RUNNING and Call.TERMINATE not in past.calls:
        return Call.TERMINATE
    return Call.TERMINATE_HARD


def _because(vm: Machine) -> str:
    if vm.error:
        return f"; OpenNebula says: {vm.error[:500]}"
    return f" (state {vm.state}/{vm.lcm})" if vm.state == ACTIVE else ""
