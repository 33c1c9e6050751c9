"""`secretsync completion`: print the completion script of a shell."""

import click
from click.shell_completion import get_completion_class

from secretsync.cli.framework import Command


@click.command(
    cls=Command,
    accepts=(),
    example='eval "$(secretsync completion bash)"    # in ~/.bashrc; likewise zsh in ~/.zshrc\n'
    "secretsync completion fish > ~/.config/fish/completions/secretsync.fish",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands and options of secretsync."""
    root = ctx.find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 -- the choices are those that click knows
    click.echo(kind(root.command, {}, root.info_name or "", "_SECRETSYNC_COMPLETE").source())
