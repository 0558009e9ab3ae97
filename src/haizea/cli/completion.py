"""``haizea completion``: scripts that let a shell complete commands."""

import click
from click.shell_completion import get_completion_class

from haizea.cli.commands import haizea


@click.command(short_help="Print a script that lets a shell complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets SHELL complete the commands and options of haizea.

    bash: haizea completion bash > ~/.local/share/bash-completion/completions/haizea

    zsh: haizea completion zsh > a file _haizea in a folder of $fpath

    fish: haizea completion fish > ~/.config/fish/completions/haizea.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    if shell == "bash":
        # click's own source() starts bash to learn its version; the script is the same for all that it supports.
        click.echo(kind.source_template % kind(haizea, {}, "haizea", "_HAIZEA_COMPLETE").source_vars())
        return
    click.echo(kind(haizea, {}, "haizea", "_HAIZEA_COMPLETE").source())
