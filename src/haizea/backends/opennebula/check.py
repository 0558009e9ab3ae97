"""Whether an OpenNebula can be used: connection, rights, its own scheduler, hosts, clocks; and what to do where not."""

import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from haizea.backends.opennebula.client import Client, OneError, OneUnreachable
from haizea.backends.opennebula.pools import BadAnswer, machines, people, person, servers
from haizea.backends.opennebula.site import HOST_STATES, capacity_of
from haizea.backends.opennebula.states import PENDING
from haizea.model.resources import CPU, MEMORY
from haizea.model.site import HostState

CLOCKS_APART_S: Final = 5.0

OFF_6: Final = (
    "switch the scheduler off: systemctl disable --now opennebula-scheduler && systemctl mask opennebula-scheduler"
)
OFF_7: Final = (
    'in /etc/one/oned.conf set SCHED_MAD = [ EXECUTABLE = "one_sched", ARGUMENTS = "-t 15 -p dummy -o dummy" ] '
    "and DRS_INTERVAL = -1, then: systemctl restart opennebula"
)


class Finding(NamedTuple):
    """Something that was looked at. ``well`` None: it could not be found out. ``remedy`` says what to do."""

    what: str
    well: bool | None
    text: str
    remedy: str = ""


def check(client: Client) -> Iterator[Finding]:
    """Look at one thing after the other; what stands in the way of all others ends it."""
    try:
        version = client.version()
    except (OneError, OneUnreachable) as problem:
        refused = isinstance(problem, OneError)
        remedy = "see opennebula.auth-file" if refused else "see opennebula.endpoint, and whether oned runs"
        yield Finding("connection", False, str(problem), f"{remedy}.")
        return
    yield Finding("connection", True, f"OpenNebula {version} at {client.endpoint}")
    yield _known_version(version)
    for each in (_rights, _scheduler, _hosts, _vms, _clocks):
        try:
            yield from each(client, version)
        except (OneError, OneUnreachable, BadAnswer) as problem:
            yield Finding(each.__name__.removeprefix("_"), False, str(problem), "See the log of oned.")


def _known_version(version: str) -> Finding:
    major = _major(version)
    if major in (6, 7):
        return Finding("version", True, f"{version} is of a generation that Haizea knows")
    return Finding("version", None, f"{version} is of a generation that nobody has tried", "Haizea knows 6.x and 7.x.")


def _major(version: str) -> int:
    match = re.match(r"([0-9]{1,4})\.", version)
    return int(match.group(1)) if match else 0


def _rights(client: Client, _version: str) -> Iterator[Finding]:
    me = person(client.myself())
    if 0 not in me.groups:
        yield Finding(
            "rights",
            False,
            f"{me.name} is not in the group oneadmin, and sees and moves only its own VMs",
            f"oneuser chgrp {me.name} oneadmin",
        )
        return
    if me.id == 0:
        yield Finding(
            "rights",
            None,
            "oneadmin is who administrators are: what they do cannot be told from what Haizea does",
            "oneuser create haizea PASSWORD; oneuser chgrp haizea oneadmin; and its session into opennebula.auth-file.",
        )
        return
    yield Finding("rights", True, f"{me.name} is in the group oneadmin, and a user of its own")


def _scheduler(client: Client, version: str) -> Iterator[Finding]:
    if _major(version) < 7:
        yield _scheduler_6(client)
        return
    try:
        config = client.config()
    except OneError as problem:
        yield Finding("scheduler", None, f"its configuration cannot be read: {problem.message}", OFF_7)
        return
    places = re.search(r"<SCHED_MAD>.*?</SCHED_MAD>", config, re.DOTALL)
    said = places.group(0) if places else ""
    placer, optimizer = (re.search(rf"-{flag}\s+([a-z_,]+)", said) for flag in "po")
    on = [each.group(1) for each in (placer, optimizer) if each is not None and each.group(1) != "dummy"]
    if placer is None or optimizer is None or on:
        what = f"places VMs itself ({', '.join(on)})" if on else "may place VMs itself"
        yield Finding("scheduler", False, f"OpenNebula {what}", OFF_7)
    else:
        yield Finding("scheduler", True, "OpenNebula's placer and optimizer are dummies")


def _scheduler_6(client: Client) -> Finding:
    """Say whether pending VMs wait: the scheduler of 6.x is a process of its own, which oned cannot be asked about."""
    waiting = [vm for vm in machines(client.vms()) if vm.state == PENDING]
    old = [vm.id for vm in waiting if time.time() - vm.since > 120 and not vm.error]
    if old:
        return Finding("scheduler", True, f"VM {old[0]} has been pending for minutes, and nobody has scheduled it")
    return Finding("scheduler", None, "whether mm_sched runs cannot be asked of oned", f"If it does, {OFF_6}")


def _hosts(client: Client, _version: str) -> Iterator[Finding]:
    found = servers(client.hosts())
    if not found:
        yield Finding("hosts", False, "there are none", "onehost create …")
        return
    for each in found:
        capacity, state = capacity_of(each), HOST_STATES.get(each.state, HostState.SUSPECT)
        if capacity is None:
            yield Finding(
                "hosts", None, f"{each.name} was not monitored yet, and is not used", f"onehost show {each.id}"
            )
        elif state is not HostState.UP:
            yield Finding("hosts", None, f"{each.name} is {state.value}", f"onehost show {each.id}")
        else:
            has = f"{capacity[CPU] / 100:g} cores, {capacity[MEMORY]} MiB"
            yield Finding("hosts", True, f"{each.name} is up: {has}")


def _vms(client: Client, _version: str) -> Iterator[Finding]:
    found = machines(client.vms())
    asking = [vm for vm in found if vm.state in (1, 2) and vm.asked is not None]
    users = len(people(client.users()))
    yield Finding("vms", True, f"{len(found)} VMs of {users} users, {len(asking)} of which ask to be leases")


def _clocks(client: Client, _version: str) -> Iterator[Finding]:
    """Compare clocks: a server that answers by HTTP says what time it is."""
    parts = urlsplit(client.endpoint)
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", "/")
        said = connection.getresponse().getheader("Date")
        theirs = None if said is None else parsedate_to_datetime(said).timestamp()
    except (OSError, HTTPException, ValueError):
        theirs = None
    finally:
        connection.close()
    if theirs is None:
        yield Finding("clocks", None, "the front end does not say what time it is", "Have both machines use NTP.")
        return
    apart = abs(theirs - time.time())
    if apart > CLOCKS_APART_S:
        yield Finding("clocks", False, f"the front end's clock is {apart:.0f} s away from ours", "Have both use NTP.")
    else:
        yield Finding("clocks", True, "the front end's clock agrees with ours")
