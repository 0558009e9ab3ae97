"""Everything the scheduler can ask of the world.

Commands to a back end carry what has to be known to carry them out; they are safe to repeat. ``hosts`` gives the
host of every VM, in order of VM numbers.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from haizea.model.lease import LeaseState
from haizea.model.reason import Reason
from haizea.model.site import HostState
from haizea.model.units import Instant


class Verb(Enum):
    """What a back end can be told to do with the VMs of a lease."""

    TRANSFER = "transfer"
    START = "start"
    SUSPEND = "suspend"
    MIGRATE = "migrate"
    RESUME = "resume"
    SHUT_DOWN = "shut-down"
    DESTROY = "destroy"
    PAUSE = "pause"
    UNPAUSE = "unpause"


class Command(NamedTuple):
    """Do something with the VMs of a lease, planned to take from ``at`` until ``until``.

    ``hosts`` is worked out when it is first asked for, as it was when the command was given: a simulation never asks.
    ``vms`` are the numbers of the VMs that it is about, in order; empty for all of the lease, which is what most are
    about. MIGRATE moves running VMs to ``hosts``; RESUME resumes there, wherever the images are; DESTROY leaves nothing
    of the VMs, images included.
    """

    at: Instant
    verb: Verb
    lease: int
    until: Instant
    hosts: Callable[[], tuple[int, ...]]
    vms: tuple[int, ...] = ()


class LeaseChanged(NamedTuple):
    """A lease entered a state."""

    at: Instant
    lease: int
    state: LeaseState
    reason: Reason | None = None


class Notice(NamedTuple):
    """Something that people should be told."""

    at: Instant
    lease: int
    text: str


class Refused(NamedTuple):
    """An order was refused, and nothing changed; without this effect it was taken."""

    at: Instant
    reason: Reason


class HostChanged(NamedTuple):
    """What a host may be used for has changed; ``text`` says why, as a sentence."""

    at: Instant
    host: int
    state: HostState
    text: str


News = LeaseChanged | Notice | Refused | HostChanged
Effect = Command | News
