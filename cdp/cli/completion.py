"""`cdp completion`: completion of commands, options and their values in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

COMPLETE_VARIABLE = "_CDP_COMPLETE"
PROGRAM = "cdp"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that lets your shell complete commands and options.

    \b
    cdp completion bash >> ~/.bashrc
    cdp completion zsh >> ~/.zshrc
    cdp completion fish > ~/.config/fish/completions/cdp.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click brings these three
    click.echo(kind(context.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
