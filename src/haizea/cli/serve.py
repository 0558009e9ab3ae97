"""``haizea serve``: the live lease manager in the foreground."""

from collections.abc import Sequence

import click


@click.command()
@click.option("-c", "--config", metavar="FILE", type=click.Path(), help="Configuration, TOML or a 1.x INI file.")
@click.option("--site", metavar="SITE", help='The pretended site: "4 CPU:400 Memory:8192".')
@click.option("--time-scale", type=float, metavar="N", help="Let the pretended site live N times faster than life.")
@click.option("--store", metavar="URL", help="Where to keep state: sqlite:///path, postgresql://…, memory:.")
@click.option(
    "--libvirt",
    "uris",
    multiple=True,
    metavar="URI",
    help="Run real VMs on a libvirt host, such as qemu:///session; may be repeated.",
)
@click.option("--set", "sets", multiple=True, metavar="SECTION.KEY=VALUE", help="Set an option; may be repeated.")
@click.option("--log", type=click.Choice(["auto", "console", "json"]), default="auto", help="Form of the log lines.")
def serve(
    config: str | None,
    site: str | None,
    time_scale: float | None,
    store: str | None,
    uris: Sequence[str],
    sets: Sequence[str],
    log: str,
) -> int:
    """Run the lease manager until it is told to stop (Ctrl-C or SIGTERM).

    Without a configuration it pretends to have four hosts, keeps its state in a file of yours and listens on this
    machine only.
    """
    from haizea.app.serve import run
    from haizea.config import Override

    given = (
        ("live.site", site, "--site"),
        ("live.time-scale", None if time_scale is None else f"{time_scale:g}", "--time-scale"),
        ("store.url", store, "--store"),
        ("live.backend", "libvirt" if uris else None, "--libvirt"),
        ("libvirt.hosts", ",".join(_named(uris)) or None, "--libvirt"),
    )
    overrides = [Override(name, text, origin) for name, text, origin in given if text is not None]
    return run(config, tuple(sets), overrides, log)


def _named(uris: Sequence[str]) -> list[str]:
    """Return URIs of hosts, each with a name in front: the machine's, where it says which."""
    from urllib.parse import urlsplit

    names: list[str] = []
    for uri in uris:
        name = urlsplit(uri).hostname or "here"
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return [f"{name}={uri}" for name, uri in zip(names, uris, strict=True)]


def stop_daemon(config: str | None) -> int:
    """Stop the daemon that listens at the Unix socket; return the exit status.

    Raises:
        haizea.config.errors.ConfigError: the configuration is wrong.
    """
    from pathlib import Path

    from haizea.app.paths import socket_path
    from haizea.app.stopping import stop
    from haizea.cli.main import tell
    from haizea.config.load import load

    named = load(config).server.socket
    path = socket_path() if named is None else Path(named)
    try:
        process = stop(path)
    except (FileNotFoundError, ConnectionRefusedError):
        tell(f"no daemon listens at {path}")
        return 1
    except OSError as problem:
        tell(f"the daemon at {path} was not stopped: {problem}")
        return 1
    click.echo(f"stopped process {process}")
    return 0
