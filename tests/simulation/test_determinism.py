"""The same input gives the same bytes, whatever the order in which Python happens to keep sets."""

import os
import subprocess
import sys
from pathlib import Path

import haizea

HEADER = """<lease-workload name="mixed"><site><resource-types names="CPU Memory"/><nodes>
<node-set numnodes="6"><res type="CPU" amount="200"/><res type="Memory" amount="2048"/></node-set></nodes></site>
<lease-requests>"""
STARTS = {
    "best-effort": "<start/>",
    "AR": '<start><exact time="{start}"/></start>',
    "deadline": '<start><exact time="{start}"/></start>',
    "immediate": "<start><now/></start>",
}


def clock(seconds: int) -> str:
    """Write a span."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def workload() -> str:
    """Sixty leases of all types, with images, that get in each other's way."""
    parts = [HEADER]
    for number in range(1, 61):
        kind = list(STARTS)[(number * 7) % 4 if number % 3 else 0]
        arrival, duration = number * 97 % 3600, 300 + number * 131 % 2400
        start = arrival + 60 + number * 53 % 1800
        deadline = f'<deadline time="{clock(start + duration * 3)}"/>' if kind == "deadline" else ""
        parts.append(
            f'<lease-request arrival="{clock(arrival)}">'
            f'<realduration time="{clock(duration * (1 + number % 4) // 4)}"/>'
            f'<lease id="{number}" preemptible="{"false" if number % 11 == 0 else "true"}"><nodes>'
            f'<node-set numnodes="{1 + number % 7}"><res type="CPU" amount="100"/><res type="Memory" amount="1024"/>'
            f"</node-set></nodes>{STARTS[kind].format(start=clock(start))}"
            f'<duration time="{clock(duration)}"/>{deadline}'
            f'<software><disk-image id="image-{number % 3}" size="{100 * (1 + number % 3)}"/></software>'
            "</lease></lease-request>"
        )
    return "".join([*parts, "</lease-requests></lease-workload>"])


def run(folder: Path, trace: Path, seed: str) -> tuple[bytes, bytes]:
    """Simulate in a process of its own, and return what it has written."""
    program = "import sys; from haizea.cli.main import main; sys.exit(main())"
    sets = [
        "scheduling.backfilling=conservative",
        "scheduling.suspension=all",
        "scheduling.suspend-rate=100",
        "scheduling.resume-rate=100",
        "scheduling.migration=yes",
        "scheduling.policy-preemption=deadline",
        "general.lease-preparation=imagetransfer",
        "deploy-imagetransfer.diskimage-reuse=image-caches",
        "scheduling.policy-pricing=random",
        "pricing.min-rate=0.1",
        "pricing.max-rate=0.9",
    ]
    command = [sys.executable, "-c", program, "simulate", str(trace), "--output", str(folder), "--verify"]
    for each in sets:
        command += ["--set", each]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(Path(haizea.__file__).parents[1]), "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "leases.csv").read_bytes(), (folder / "reservations.csv").read_bytes()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs under different hash seeds write the same leases and the same operations, and nothing is violated."""
    trace = tmp_path / "mixed.lwf"
    trace.write_text(workload(), encoding="utf-8")
    one, other = (run(tmp_path / seed, trace, seed) for seed in ("1", "31337"))
    assert one == other
    leases, operations = one
    assert leases.count(b"\n") == 61
    for kind in (b",transfer,", b",run,", b",suspend,", b",resume,", b",migrate,"):
        assert kind in operations
