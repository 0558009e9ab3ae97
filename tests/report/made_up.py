"""Made-up schedules for the pictures: a small one by hand and big ones drawn from a seed."""

from random import Random

from haizea.report.data import ReportData

EPOCH = 1_164_459_600_000  # 2006-11-25 13:00:00 UTC
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

Lease = tuple[object, ...]
Row = tuple[int, str, int, str, int, int, str]


def lease(
    number: int,
    kind: str,
    state: str,
    submitted: int,
    *,
    nodes: int = 1,
    wait: float | None = None,
    slowdown: float | None = None,
    started: int | None = None,
    ended: int | None = None,
    reason: str = "",
) -> Lease:
    """A row of leases.csv; instants as offsets from the epoch of the tests."""
    return (
        number, kind, state, EPOCH + submitted, None if started is None else EPOCH + started,
        None if ended is None else EPOCH + ended, 0, 0.0, wait, slowdown, 0, 0, nodes, reason,
    )  # fmt: skip


def small() -> ReportData:
    """Four hosts, eight leases, every kind of reservation, work lost and a cancelled lease."""
    m = MINUTE
    rows = [
        (1, "transfer", 0, "1", 0, 4, "done"), (1, "transfer", 1, "2", 0, 4, "done"),
        (1, "run", 0, "1", 4, 50, "done"), (1, "run", 1, "2", 4, 50, "done"),
        (1, "suspend", 0, "1", 50, 60, "done"), (1, "suspend", 1, "2", 50, 60, "done"),
        (2, "run", 0, "1", 60, 120, "done"), (2, "run", 1, "2-3", 60, 120, "done"), (2, "run", 2, "4", 60, 120, "done"),
        (2, "shutdown", 0, "1", 120, 126, "done"), (2, "shutdown", 1, "2-3", 120, 126, "done"),
        (3, "run", 2, "1", 0, 60, "lost"), (3, "run", 2, "1", 126, 200, "done"),
        (4, "run", 3, "1", 10, 90, "done"), (5, "run", 3, "1", 30, 130, "done"),
        (6, "run", 3, "1", 140, 190, "cancelled"),
        (1, "migrate", 3, "1", 128, 138, "done"), (1, "resume", 3, "1", 138, 148, "done"),
        (1, "resume", 1, "2", 138, 148, "done"), (1, "run", 3, "1", 148, 215, "done"),
        (1, "run", 1, "2", 148, 215, "done"),
        (7, "run", 0, "1", 130, 230, "done"),
    ]  # fmt: skip
    reservations: list[Row] = [(i, k, h, v, EPOCH + a * m, EPOCH + b * m, o) for i, k, h, v, a, b, o in rows]
    leases = [
        lease(1, "best-effort", "done", 0, nodes=2, wait=240.0, slowdown=1.95, started=4 * m, ended=215 * m),
        lease(2, "AR", "done", 5 * m, nodes=4, started=60 * m, ended=120 * m),
        lease(3, "best-effort", "done", 0, wait=0.0, slowdown=2.7, started=0, ended=200 * m),
        lease(4, "immediate", "done", 10 * m, started=10 * m, ended=90 * m),
        lease(5, "best-effort", "done", 12 * m, wait=1080.0, slowdown=1.18, started=30 * m, ended=130 * m),
        lease(6, "best-effort", "cancelled", 100 * m, wait=2400.0, slowdown=1.8, started=140 * m, ended=190 * m),
        lease(7, "deadline", "done", 20 * m, started=130 * m, ended=230 * m),
        lease(8, "AR", "rejected", 22 * m, nodes=4, reason="needs 4 hosts from 13:30 to 14:30; 1 of 4 fits; "
              "the nearest start that fits is 15:06:00"),
    ]  # fmt: skip
    used = [(0, 750), (10, 1000), (50, 1000), (60, 1000), (90, 870), (120, 500), (130, 600), (148, 1000), (200, 750),
            (215, 250), (230, 0)]  # fmt: skip
    waiting = [(0, 0), (12, 1), (30, 0), (60, 2), (126, 1), (138, 0), (230, 0)]
    return ReportData(
        "Preemption on four hosts", [f"host-{n}" for n in range(1, 5)], leases, reservations,
        [(EPOCH + t * m, v) for t, v in used], [(EPOCH + t * m, v) for t, v in waiting], summary_of(leases, 230 * m),
        {"scheduling": {"backfilling": "aggressive", "suspension": "all", "suspend-rate": 32, "migration": True}},
    )  # fmt: skip


def summary_of(leases: list[Lease], span: int) -> dict[str, object]:
    """A summary with plausible numbers."""
    counts: dict[str, dict[str, int]] = {}
    for row in leases:
        by_state = counts.setdefault(str(row[1]), {})
        by_state[str(row[2])] = by_state.get(str(row[2]), 0) + 1
    ars = counts.get("AR", {})
    waits = {"mean": 930.0, "median": 660.0, "p95": 2400.0}
    return {
        "workload": "preemption.lwf", "site": "4 CPU:200 Memory:4096", "start": "2006-11-25T13:00:00Z",
        "end": "2006-11-25T16:50:00Z", "simulated_s": span // 1000, "leases": counts,
        "ar": {"accepted": ars.get("done", 0), "rejected": ars.get("rejected", 0),
               "reasons": {"no host free": ars.get("rejected", 0)} if ars.get("rejected") else {}},
        "besteffort": {"count": sum(counts.get("best-effort", {}).values()), "wait_s": waits,
                       "bounded_slowdown": {"mean": 1.9, "median": 1.8, "p95": 2.7}, "all_best_effort_s": 12_900},
        "utilisation": {"CPU": 0.793, "Memory": 0.41}, "preemptions": 2, "suspensions": 1, "resumptions": 1,
        "migrations": 1, "transfers": 2, "requeued": 1, "lost_s": 3_600,
        "overhead_s": {"suspend": 600, "resume": 600, "shutdown": 360},
    }  # fmt: skip


def big(hosts: int = 144, days: int = 30, lease_count: int = 5_000, seed: int = 1, slots: int = 2) -> ReportData:
    """A month of a busy cluster, packed without overlap from a seed; parallel leases on scattered hosts."""
    random = Random(seed)
    end = days * DAY
    free = [[0] * slots for _ in range(hosts)]
    leases: list[Lease] = []
    rows: list[Row] = []
    queue: list[tuple[int, int]] = []
    for number in range(1, lease_count + 1):
        kind = random.choices(("best-effort", "AR", "immediate", "deadline"), (80, 12, 3, 5))[0]
        submitted = end * number // (lease_count + 1) // SECOND * SECOND
        nodes = min(hosts, random.choice((1, 1, 2, 4, 8, 16, 32, 64)))
        length = min(int(random.lognormvariate(8, 1.3)), 3 * 86_400) * SECOND + MINUTE
        if kind == "AR" and random.random() < 0.15:
            leases.append(lease(number, kind, "rejected", submitted, nodes=nodes, reason=f"needs {nodes} hosts; 3 fit"))
            continue
        places = sorted(range(hosts), key=lambda h: min(free[h]) + random.randrange(4 * HOUR))[:nodes]
        start = max(submitted, *(min(free[h]) for h in places)) if places else submitted
        for vm, host in enumerate(sorted(places), 1):
            free[host][free[host].index(min(free[host]))] = start + length + 2 * MINUTE
            rows += _life(random, number, host, vm, EPOCH + start, EPOCH + start + length, kind)
        wait = (start - submitted) / 1000
        leases.append(lease(number, kind, "done", submitted, nodes=nodes, started=start, ended=start + length,
                            wait=wait, slowdown=(wait + length / 1000) / max(length / 1000, 10)))  # fmt: skip
        queue.append((EPOCH + submitted, random.randrange(number % 700 + 1)))
    last = max(row[5] for row in rows)
    used = [(EPOCH + t, int(500 + 400 * random.random())) for t in range(0, last - EPOCH, 5 * MINUTE)]
    names = [f"node{n:03}.cluster.example" for n in range(hosts)]
    return ReportData("A month of a cluster", names, leases, rows, used, queue, summary_of(leases, end), {})


def _life(random: Random, number: int, host: int, vm: int, start: int, end: int, kind: str) -> list[Row]:
    vms = str(vm)
    if kind != "best-effort":
        return [
            (number, "run", host, vms, start, end, "done"),
            (number, "shutdown", host, vms, end, end + 10_000, "done"),
        ]
    rows: list[Row] = [(number, "transfer", host, vms, start - 60_000, start, "done")]
    at, pieces = start, 1 + number % 4
    for piece in range(pieces):
        until = start + (end - start) * (piece + 1) // pieces // 1000 * 1000
        outcome = "lost" if number % 37 == 0 and piece == 0 else "done"
        if piece + 1 < pieces and outcome == "done" and until - at > 200_000:
            skew = random.randrange(60) * 1000
            rows += [(number, "run", host, vms, at, until - 120_000 - skew, "done"),
                     (number, "suspend", host, vms, until - 120_000 - skew, until - 60_000, "done"),
                     (number, "resume", host, vms, until - 60_000, until, "done")]  # fmt: skip
        elif until > at:
            rows.append((number, "run", host, vms, at, until, outcome))
        at = until
    return rows
