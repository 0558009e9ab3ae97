"""What is said of leases: columns of lists, the lines about one lease, and one sentence on what became of a request."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from haizea.cli.live.output import Column
from haizea.cli.live.words import amounts, at, counted, length, listed, truth, until, waited

FINAL: Final = frozenset({"done", "rejected", "rejected-by-user", "cancelled", "failed"})
REJECTED: Final = frozenset({"rejected", "rejected-by-user"})
RUNNING: Final = frozenset({"active"})

Document = Mapping[str, Any]


def hosts_of(plan: Any) -> str:
    """Name the hosts of a lease's next or present stay."""
    return listed(host_names(plan))


def host_names(plan: Any) -> list[str]:
    """Return the hosts of a lease's next or present stay."""
    stays = plan if isinstance(plan, Sequence) else []
    return list(stays[0]["hosts"]) if stays else []


def nodes_of(nodes: Any) -> str:
    """Say what VMs there are: ``2 × (1 core, 1 GiB)``."""
    return " + ".join(f"{each['count']} × ({amounts(each['resources'])})" for each in nodes or [])


def software_of(software: Any) -> str:
    """Name a disk image."""
    return f"{software.get('id', '')} ({software.get('size', '?')} MiB)" if isinstance(software, Mapping) else ""


def place_in_queue(state: Any) -> str:
    """Say how a lease waits; one that has a reservation is otherwise ready, which is not what one looks for there."""
    text = str(state)
    if text in ("ready", "scheduled", "preparing", "resumed-ready"):
        return "reserved"
    return {"suspended-scheduled": "suspended, reserved", "suspended-queued": "suspended, queued"}.get(text, text)


LEASES: Final = (
    Column("id", "id", right=True),
    Column("name", "name"),
    Column("owner", "owner"),
    Column("type", "type"),
    Column("state", "state"),
    Column("vms", "vms", right=True),
    Column("starts", "starts", at),
    Column("ends", "ends", at),
    Column("hosts", "plan", hosts_of, cell=host_names),
    Column("group", "group", wide=True),
    Column("duration", "duration_s", length, wide=True, right=True),
    Column("delivered", "delivered_s", waited, wide=True, right=True),
    Column("preemptible", "preemptible", truth, wide=True),
    Column("submitted", "submitted", at, wide=True),
    Column("reason", "reason.text", wide=True),
)

LEASE: Final = (
    Column("lease", "id"),
    Column("name", "name"),
    Column("owner", "owner"),
    Column("group", "group"),
    Column("type", "type"),
    Column("state", "state"),
    Column("progress", "progress"),
    Column("reason", "reason.text"),
    Column("could_start", "reason.retry_at", at),
    Column("VMs", "nodes", nodes_of),
    Column("duration", "duration_s", length),
    Column("asked_to_start", "start", at),
    Column("deadline", "deadline", at),
    Column("submitted", "submitted", at),
    Column("starts", "starts", at),
    Column("ends", "ends", at),
    Column("hosts", "plan", hosts_of, cell=host_names),
    Column("delivered", "delivered_s", waited),
    Column("remaining", "remaining_s", waited),
    Column("preemptible", "preemptible", truth),
    Column("price", "price"),
    Column("software", "software", software_of),
    Column("on_guest_shutdown", "on_guest_shutdown"),
    Column("on_failure", "on_failure"),
    Column("on_end", "on_end"),
    Column("extend_by", "extend_by_s", waited, wide=True),
    Column("priority", "priority"),
    Column("grace", "grace_s", waited, wide=True),
    Column("constraints", "constraints", wide=True),
    Column("extra", "extra"),
    Column("suspensions", "suspensions", wide=True),
    Column("resumptions", "resumptions", wide=True),
    Column("migrations", "migrations", wide=True),
    Column("preemptions", "preemptions", wide=True),
    Column("requeued", "requeued", wide=True),
    Column("version", "version", wide=True),
)

QUEUE: Final = (
    Column("place", "position", right=True),
    Column("lease", "lease", right=True),
    Column("name", "name"),
    Column("owner", "owner"),
    Column("vms", "vms", right=True),
    Column("priority", "priority", right=True),
    Column("state", "state", place_in_queue, wide=True),
    Column("submitted", "submitted", at, wide=True),
    Column("waiting", "waiting_s", waited, right=True),
    Column("expected", "expected_start", at),
    Column("why", "reason.text"),
)

AFFECTED: Final = (
    Column("lease", "lease", right=True),
    Column("owner", "owner"),
    Column("how", "how"),
    Column("before", "before", at),
    Column("after", "after", at),
)

EVENTS: Final = (
    Column("number", "number", right=True),
    Column("at", "at", at),
    Column("kind", "kind"),
    Column("lease", "lease", right=True),
    Column("host", "host"),
    Column("actor", "actor"),
    Column("text", "text"),
    Column("data", "data", wide=True),
)


def sentence(lease: Document) -> str:
    """Say in one sentence what a lease is, when and where it runs, or why not."""
    # One that is only thought of has no number yet.
    who = f"Lease {lease['id']}" if lease["id"] else "A new lease"
    who += f" ({lease['name']})" if lease.get("name") else ""
    state = lease["state"]
    if state in REJECTED:
        return f"{who} was rejected: {_why(lease) or 'no reason was given'}."
    if state in FINAL:
        when = f" at {at(lease['ends'])}" if lease.get("ends") else ""
        why = f": {_why(lease)}" if _why(lease) and state != "done" else ""
        return f"{who} is {'done' if state == 'done' else state}{when}{why}."
    what = counted(lease["vms"], "VM")
    times = when_and_where(lease)
    plan = lease.get("plan") or []
    if state.startswith("suspended"):
        times = f"to go on {when_and_where({**lease, 'starts': plan[0]['start']})}" if plan else ""
    elif state == "migrating":
        # Only what is suspended is: what runs moves while it is active.
        return f"{who} is migrating, {what}: its memory images are on their way to other hosts."
    if times:
        return f"{who} is {state}: {what} {times}."
    why = f": {_why(lease)}" if _why(lease) else ""
    return f"{who} is {state}, {what}{why}."


def when_and_where(found: Document) -> str:
    """Say when and where something runs: ``from … to … on host-1``; nothing where that is not known."""
    if not found.get("starts"):
        return ""
    hosts = hosts_of(found.get("plan"))
    end = until(found["starts"], found["ends"]) if found.get("ends") else ""
    return f"from {at(found['starts'])}" + (f" to {end}" if end else ", open-ended") + (f" on {hosts}" if hosts else "")


def verdict_lines(verdict: Document) -> list[str]:
    """Say what would become of a request."""
    price = f" It would cost {verdict['price']}." if verdict.get("price") not in (None, "0") else ""
    if verdict["accepted"]:
        times = when_and_where(verdict)
        return [f"It would be accepted ({verdict['state']})" + (f", {times}." if times else ".") + price]
    lines = [f"It would be rejected: {_why(verdict) or 'no reason was given'}."]
    return lines + nearest(verdict)


def nearest(found: Document) -> list[str]:
    """Say when a refused request could start, if that is known."""
    retry = (found.get("reason") or {}).get("retry_at")
    return [f"It could start at {at(retry)} at the earliest."] if retry else []


def offer_lines(offers: Sequence[Document]) -> list[str]:
    """Say what could be had instead, and how to take it."""
    if not offers:
        return []
    lines = ["What could be had instead:"]
    for offer in offers:
        times = when_and_where(offer["verdict"])
        lines.append(
            f"  {offer['kind']}: {offer['text']}" + (f" ({times})" if times and times not in offer["text"] else "")
        )
        if offer.get("id"):
            lines.append(f"    held until {at(offer['expires'])}; take it with: haizea lease accept {offer['id']}")
    return lines


def sooner_lines(explanation: Document) -> list[str]:
    """Say what would make a lease start sooner, and what could be had instead of one that was refused."""
    ideas = explanation.get("sooner") or []
    lines = ["What would help:", *(f"  {idea['text']}" for idea in ideas)] if ideas else []
    return lines + offer_lines(explanation["suggestions"])


def _why(found: Document) -> str:
    return str((found.get("reason") or {}).get("text") or "").strip().removesuffix(".")
