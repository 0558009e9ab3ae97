"""What states and reasons of domains mean."""

import pytest

from haizea.backends.libvirt.domains import Mark
from haizea.backends.libvirt.facade import Paused, Shutoff, State
from haizea.backends.libvirt.watching import BY_PAUSE, BY_SHUTOFF, BY_STATE, Standing
from haizea.model.events import Observed


def standing(state: State, reason: int = 0, *, kept: bool = False) -> Standing:
    """Return a lease's domain that is so."""
    return Standing("haizea-1-1", state, reason, Mark(1, 1, 1), kept)


@pytest.mark.parametrize(
    ("reason", "observed"),
    [
        (Shutoff.SHUTDOWN, Observed.GUEST_SHUTDOWN),
        (Shutoff.DESTROYED, Observed.STOPPED),
        (Shutoff.CRASHED, Observed.CRASHED),
        (Shutoff.FAILED, Observed.CRASHED),
        (Shutoff.SAVED, Observed.SUSPENDED),
        (Shutoff.UNKNOWN, Observed.VANISHED),
        (Shutoff.MIGRATED, None),
    ],
)
def test_why_a_vm_is_off_is_kept(reason: Shutoff, observed: Observed | None) -> None:
    """A guest's shutdown, a crash, and somebody's ending it are three things."""
    assert standing(State.SHUTOFF, reason).observed() is observed


def test_a_vm_ended_by_its_host_has_not_shut_itself_down() -> None:
    """Libvirt gives the same reason for both; the event before told them apart."""
    one = standing(State.SHUTOFF, Shutoff.SHUTDOWN)
    assert one.observed(ended_by_host=True) is Observed.STOPPED


@pytest.mark.parametrize("reason", list(Shutoff))
def test_saved_memory_counts_only_where_the_vm_was_not_started_since(reason: Shutoff) -> None:
    """Memory of before is never restored once the guest has run on and ended in another way."""
    since = reason in (Shutoff.SHUTDOWN, Shutoff.DESTROYED, Shutoff.CRASHED, Shutoff.MIGRATED, Shutoff.FROM_SNAPSHOT)
    assert standing(State.SHUTOFF, reason, kept=True).suspended is not since


def test_every_state_means_something() -> None:
    """No state and no reason that libvirt has is missing in the table, and one that it may get is survived."""
    assert set(BY_STATE) == set(State) - {State.PAUSED, State.SHUTOFF}
    assert set(BY_PAUSE) == set(Paused)
    assert set(BY_SHUTOFF) == set(Shutoff)
    assert standing(State.PAUSED, 99).observed() is Observed.PAUSED
    assert standing(State.SHUTOFF, 99).observed() is Observed.VANISHED
