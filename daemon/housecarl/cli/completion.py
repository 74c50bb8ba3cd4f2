"""`completion`: what a shell needs to complete our verbs and options."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def verb(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: housecarl completion bash > ~/.local/share/bash-completion/completions/housecarl
    zsh:  housecarl completion zsh > "${fpath[1]}/_housecarl"
    fish: housecarl completion fish > ~/.config/fish/completions/housecarl.fish
    """
    from click.shell_completion import get_completion_class

    from housecarl.cli import housecarl

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(housecarl, {}, "housecarl", "_HOUSECARL_COMPLETE").source())
