"""``haizea pretend``: do to the pretended platform what happens to a real one without Haizea's knowing.

It writes into the platform's file, past the daemon, which notices within a fraction of a second. Exit statuses: 0 done,
2 wrong usage, or what was to be pretended makes no sense.
"""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from haizea.cli.live.common import NounGroup

if TYPE_CHECKING:
    from haizea.backends.pretence import Pretence

OPERATIONS = ("transfer", "boot", "suspend", "resume", "migrate", "shutdown")
VM_ACTS = (
    "shutdown", "crash", "vanish", "lose", "find", "stop", "suspend", "pause", "resume", "migrate", "delete",
)  # fmt: skip
HOST_ACTS = ("fail", "recover", "silence", "disable", "enable")


class PretendCommand(click.Command):
    """A command whose platform is that of a daemon's configuration, or may be named."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--platform-file", "path"], metavar="FILE", help="The file of the platform."),
            click.Option(["-c", "--config"], metavar="FILE", type=click.Path(), help="The daemon's configuration."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what makes no sense is told in a line."""
        from haizea.backends.pretence import Impossible

        path, config = ctx.params.pop("path"), ctx.params.pop("config")
        try:
            ctx.obj = _opener(path, config)
            return super().invoke(ctx)
        except Impossible as error:
            raise click.UsageError(str(error)) from error


Open = Callable[[], Any]


def _opener(path: str | None, config: str | None) -> Open:
    from haizea.app.platforms import platform_path
    from haizea.backends.pretence import Pretence
    from haizea.config.load import load

    found = path or str(platform_path(load(config)))
    if found == ":memory:":
        raise click.UsageError("this daemon's platform is in memory, where nobody else can reach it; set store.url")

    @contextmanager
    def opened() -> "Iterator[Pretence]":
        pretence = Pretence(found, make=False)
        try:
            yield pretence
        finally:
            pretence.close()

    return opened


class PretendGroup(NounGroup):
    """The noun."""

    command_class = PretendCommand


@click.group(cls=PretendGroup, short_help="Act behind Haizea's back on the pretended platform.")
def pretend() -> None:
    """Do to the pretended platform what happens to a real one without Haizea's knowing.

    As an administrator does with the platform's own tools, as guests do, and as machines fail.
    """


@pretend.command("vm", short_help="Do something to VMs of a lease.")
@click.argument("vm", metavar="LEASE[.VM]")
@click.argument("act", metavar="ACT", type=click.Choice(VM_ACTS))
@click.argument("host", required=False)
@click.option("--by", metavar="NAME", help="Who does it; you.")
@click.pass_obj
def vm_(opened: Open, vm: str, act: str, host: str | None, by: str | None) -> None:
    """Do something to VMs of a lease: one, by its number (12.1), or all.

    \b
    shutdown   the guest shuts itself down      stop      an administrator switches it off
    crash      it crashes                       suspend   … suspends it to disk
    vanish     it is gone, nobody knows why     pause     … pauses it
    lose       it does not answer               resume    … resumes, unpauses or starts it
    find       it answers again                 migrate   … moves it to HOST
                                                delete    … deletes it
    """  # noqa: D301 # click knows the backspace as a mark
    if (act == "migrate") is (host is None):
        raise click.UsageError("migrate takes a HOST" if act == "migrate" else f"{act} takes no HOST")
    lease, number = _vm(vm)
    with opened() as pretence:
        count = pretence.act(lease, number, act, by or getpass.getuser(), host)
    click.echo(f"{count} VM{'' if count == 1 else 's'} of lease {lease}: {act}")


@pretend.command("host", short_help="Do something to a host.")
@click.argument("name", metavar="HOST")
@click.argument("act", metavar="ACT", type=click.Choice([*HOST_ACTS, "resize"]))
@click.argument("capacity", required=False)
@click.pass_obj
def host_(opened: Open, name: str, act: str, capacity: str | None) -> None:
    """Do something to a HOST.

    \b
    fail      it fails; VMs that run there are gone     recover   it is back
    silence   it does not answer                        disable   somebody disables it
    resize    it has CAPACITY now: "CPU:200 Memory:4096"  enable  … and enables it again
    """  # noqa: D301 # as above
    if (act == "resize") is (capacity is None):
        raise click.UsageError("resize takes a CAPACITY" if act == "resize" else f"{act} takes no CAPACITY")
    with opened() as pretence:
        if capacity is not None:
            pretence.set_capacity(name, _capacity(capacity))
        else:
            pretence.act_on_host(name, act)
    click.echo(f"{name}: {act}")


@pretend.command("stranger", short_help="Run a VM that is no lease's, or end it.")
@click.argument("name", metavar="NAME")
@click.argument("act", type=click.Choice(["start", "end"]))
@click.argument("host", required=False)
@click.argument("demand", required=False)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of it. May be repeated.")
@click.pass_obj
def stranger(opened: Open, name: str, act: str, host: str | None, demand: str | None, labels: tuple[str, ...]) -> None:
    """Have a VM run that is no lease's (start HOST "CPU:100 Memory:512"), or end it."""
    with opened() as pretence:
        if act == "end":
            pretence.remove_stranger(name)
        elif host is None or demand is None:
            raise click.UsageError('start takes a HOST and what the VM uses, such as "CPU:100 Memory:512"')
        else:
            parted = [text.partition("=") for text in labels]
            pretence.put_stranger(name, host, _capacity(demand), {label: value for label, _equals, value in parted})
    click.echo(f"{name}: {act}")


@pretend.command("slow", short_help="Have operations take longer, or shorter.")
@click.argument("kind", metavar="OPERATION", type=click.Choice(OPERATIONS))
@click.argument("pace", metavar="PACE")
@click.pass_obj
def slow(opened: Open, kind: str, pace: str) -> None:
    """Have operations take PACE from now on: 3x as long as usual, or a span such as 90s. 1x is as usual.

    OPERATION is transfer, boot, suspend, resume, migrate or shutdown.
    """
    from haizea.app.platforms import pace_of

    found = pace_of(kind, pace)
    with opened() as pretence:
        pretence.set_pace(kind, found)
    click.echo(f"{kind}: {pace}")


@pretend.command("fault", short_help="Have operations fail.")
@click.argument("kind", metavar="OPERATION", type=click.Choice(OPERATIONS))
@click.argument("times", type=click.IntRange(0, 1_000_000), default=1)
@click.pass_obj
def fault(opened: Open, kind: str, times: int) -> None:
    """Have the next OPERATION fail, or the next so many TIMES: as with slow."""
    with opened() as pretence:
        pretence.set_fault(kind, times)
    click.echo(f"{kind}: the next {times} fail" if times != 1 else f"{kind}: the next one fails")


@pretend.command("show", short_help="Show what there is.")
@click.pass_obj
def show(opened: Open) -> None:
    """Show the VMs, hosts and strangers there are, whatever Haizea believes."""
    with opened() as pretence:
        hosts = dict(pretence.database.execute("SELECT host, name FROM machines"))
        for one in pretence.hosts():
            click.echo(f"host {hosts[one.host]}: {one.state.value}")
        for vm in pretence.vms():
            by = f", by {vm.by}" if vm.by else ""
            click.echo(f"vm {vm.lease}.{vm.vm}: {vm.observed.value} on {hosts.get(vm.host or 0, vm.host)}{by}")
        for each in pretence.strangers():
            click.echo(f"stranger {each.name}: on {hosts.get(each.host, each.host)}, {each.demand}")


def _vm(text: str) -> tuple[int, int | None]:
    lease, dot, number = text.partition(".")
    if not lease.isascii() or not lease.isdigit() or (dot and not (number.isascii() and number.isdigit())):
        raise click.UsageError(f"{text!r} is no VM: expected a lease's number, or LEASE.VM such as 12.1")
    if len(text) > 20 or (dot and int(number) < 1):
        raise click.UsageError(f"{text!r} is no VM: VMs are numbered from 1")
    return int(lease), int(number) if dot else None


def _capacity(text: str) -> Any:
    from haizea.workloads.oneline import parse_site

    try:
        return parse_site(f"1 {text}").hosts[0].capacity
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no capacity: expected amounts such as 'CPU:100 Memory:512'") from error
