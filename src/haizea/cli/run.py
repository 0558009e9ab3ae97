"""Carrying out a simulation that the command line asks for: progress, the run itself, its summary."""

import sys
from collections.abc import Mapping
from typing import Any, Final

from haizea.app.request import SimulateRequest

VIOLATED: Final = 3
"""The exit status where verification found the schedule wrong."""


def request_of(values: Mapping[str, Any]) -> SimulateRequest:
    """Return the request that the options of ``haizea simulate`` stand for."""
    return SimulateRequest(
        workloads=tuple(values["workloads"]),
        config=values.get("config"),
        site=values.get("site"),
        annotations=values.get("annotations"),
        injection=values.get("injection"),
        sets=tuple(values["set"]),
        output=values.get("output"),
        report=values["report"],
        detail=values["detail"],
        verify=values["verify"],
        memory=values.get("memory"),
        processors=values["processors"],
        starttime=values.get("starttime"),
    )


def simulate(request: SimulateRequest, output_format: str = "table", quiet: bool = False) -> int:
    """Run a simulation and print its summary; return the exit status: 0, or 3 where verification failed.

    Raises:
        ValueError: the request, its files or its configuration are wrong.
        OSError: results cannot be written.
    """
    from haizea.app.simulate import run

    if quiet:
        summary = run(request)
    elif not sys.stderr.isatty():
        summary = run(request._replace(status=_line))
    else:
        from haizea.cli.progress import Progress

        with Progress() as progress:
            summary = run(request._replace(progress=progress, status=progress.line))
    if not quiet:
        _print(summary, output_format)
    violations = (summary.get("verify") or {}).get("violations", [])
    for violation in violations:
        sys.stderr.write(f"haizea: verification: {violation}\n")
    return VIOLATED if violations else 0


def _line(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _print(summary: Mapping[str, Any], output_format: str) -> None:
    if output_format == "json":
        import json

        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
        return
    from haizea.cli.summary import blocks
    from haizea.cli.tables import print_blocks

    print_blocks(blocks(summary))
