"""Values of options that several commands take."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from haizea.model.site import Site
from haizea.workloads.oneline import parse_site
from haizea.workloads.swf import SwfOptions
from haizea.workloads.times import parse_span

Command = Callable[..., Any]


class SpanType(click.ParamType):  # type: ignore[type-arg]
    """A span as workloads write it, ``[[DD:]HH:]MM:SS``, in milliseconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a span."""
        if isinstance(value, int):
            return value
        try:
            return parse_span(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class SiteType(click.ParamType):  # type: ignore[type-arg]
    """A site in one line."""

    name = "site"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Site:
        """Read a site."""
        if isinstance(value, Site):
            return value
        try:
            return parse_site(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class QueuesType(click.ParamType):  # type: ignore[type-arg]
    """Numbers of queues, separated by commas."""

    name = "queues"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[int]:
        """Read the numbers."""
        if isinstance(value, frozenset):
            return value
        numbers = [part.strip() for part in value.split(",")]
        if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in numbers):
            self.fail(f"{value!r} is not a list of queues such as 1,3", param, ctx)
        return frozenset(int(number) for number in numbers)


class SizesType(click.ParamType):  # type: ignore[type-arg]
    """A least and a most number, ``LEAST-MOST``."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read the two numbers."""
        if isinstance(value, tuple):
            return value
        least, _, most = value.partition("-")
        if not (least.isdigit() and most.isdigit() and value.isascii() and len(value) < 20):
            self.fail(f"{value!r} is not of the form 1-24", param, ctx)
        return int(least), int(most)


SPAN: Final = SpanType()
SITE: Final = SiteType()
QUEUES: Final = QueuesType()
SIZES: Final = SizesType()

_SWF: Final = (
    click.option("--memory", type=click.IntRange(1, 1 << 40), metavar="MIB", help="SWF: memory of each VM."),
    click.option("--processors", type=click.Choice(["requested", "allocated"]), default="requested",
                 show_default=True, help="SWF: which processors count first."),
    click.option("--scale", type=click.IntRange(1, 1_000_000), default=1, show_default=True,
                 help="SWF: processors that one VM stands for."),
    click.option("--preemptible/--non-preemptible", default=True, show_default=True,
                 help="SWF: whether leases may be preempted."),
    click.option("--queues", type=QUEUES, metavar="N,N", help="SWF: only jobs of these queues."),
    click.option("--from", "start", type=SPAN, default="00:00", metavar="DD:HH:MM:SS",
                 help="SWF: only jobs submitted from this time on."),
    click.option("--interval-length", "interval", type=SPAN, metavar="DD:HH:MM:SS",
                 help="SWF: only jobs submitted within this time."),
)  # fmt: skip


def swf_parameters(command: Command) -> Command:
    """Give a command the options that say how SWF jobs become leases."""
    for option in reversed(_SWF):
        command = option(command)
    return command


def site_option(command: Command) -> Command:
    """Give a command the option ``--site``."""
    return click.option("--site", type=SITE, help="The site in one line: '144 CPU:100 Memory:1024'.")(command)


def swf_options(values: Mapping[str, Any]) -> SwfOptions:
    """Return the options of a command that :func:`swf_parameters` gave it."""
    return SwfOptions(**{name: values[name] for name in SwfOptions._fields})
