"""The `segpipe` command: every declared command, and completion of the shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from segpipe import pipeline
from segpipe.base.version import __version__
from segpipe.cli.declared import EXIT_CODES, click_command
from segpipe.commands import COMMANDS


class _Group(click.Group):
    """Lists commands in the order in which they are declared."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; `probe RUN` has a name of its own now."""
        if len(args) > 1 and args[0] == "probe" and pipeline.is_run(Path(args[1])):
            click.echo("warning: `segpipe probe RUN` is called `segpipe robustness RUN` now", err=True)
            args = ["robustness", *args[1:]]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, epilog=EXIT_CODES
)
@click.version_option(__version__, prog_name="segpipe")
def cli() -> None:
    """From a folder of images and not one label to class maps."""


for _command in COMMANDS:
    if "terminal" in _command.faces:
        cli.add_command(click_command(_command))


@cli.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the script that completes segpipe commands, their options and settings.

    For bash put `eval "$(segpipe completion bash)"` into ~/.bashrc; zsh and fish alike.
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "segpipe", "_SEGPIPE_COMPLETE").source())
    return 0


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    found = cli.main(
        args=list(sys.argv[1:] if arguments is None else arguments), prog_name="segpipe", standalone_mode=False
    )
    return int(found or 0)
