"""Options that commands share, and help made from the settings' own descriptions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from segpipe import pipeline
from segpipe.base.config import Section
from segpipe.cli import terminal
from segpipe.stages import STAGES

EXIT_CODES = """\b
Exit codes:
  0  done
  1  a mistake in segpipe itself (--debug shows the traceback)
  2  a wrong argument, setting or config file
  3  the input cannot be worked on (no usable image, labels that match nothing)
  4  done, but some files were put aside; RUN/corpus/rejected.jsonl says why
  5  this machine lacks something (weights while offline, the device, disk space)
  6  another process works on the same run
  130, 143  stopped by Ctrl-C or SIGTERM; the same command goes on from there
"""

IMAGES_HELP = (
    "IMAGES is a folder of photographs, mosaics and videos (walked recursively), one file, a glob in quotes, or a text "
    "file of paths. Of a video about one frame a second is looked at."
)


class SettingsCommand(click.Command):
    """A command whose help lists settings with defaults and descriptions, straight from the config sections."""

    sections: Mapping[str, type[Section]] = {}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings, then the epilog."""
        for name, section in self.sections.items():
            rows = [
                (
                    f"{name}.{key}={_plain(field.get_default(call_default_factory=True))}",
                    field.description or "",
                )
                for key, field in section.model_fields.items()
            ]
            if rows:
                with formatter.section(f"Settings of {name} (--set key=value)"):
                    formatter.write_dl(rows, col_max=44)
        super().format_epilog(ctx, formatter)


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def settings_command(sections: Mapping[str, type[Section]]) -> type[SettingsCommand]:
    """A command class whose help shows these sections."""
    return type("StageCommand", (SettingsCommand,), {"sections": dict(sections)})


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every command has, and the console set up from them."""

    @click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(function)
    def wrapper(*args: Any, quiet: bool, verbose: bool, debug: bool, **kwargs: Any) -> Any:
        screen = terminal.console(quiet=quiet, verbose=verbose or debug)
        click.get_current_context().obj = (screen, quiet)
        return function(*args, **kwargs)

    return wrapper


sets_option = click.option(
    "sets", "--set", "-S", multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable."
)
config_option = click.option(
    "--config",
    "-c",
    metavar="NAME|FILE",
    help=f"Settings to start from: a YAML file or {', '.join(pipeline.config_names())}.",
)
formats_option = click.Option(
    ["formats", "--format", "-f"],
    multiple=True,
    metavar="NAME[,NAME]",
    help="What to export: `export.formats`; repeatable.",
)
run_argument = click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path, file_okay=False))


def chosen_formats(formats: Sequence[str]) -> dict[str, Any]:
    """The setting that `--format` stands for; nothing where it was not given.

    >>> chosen_formats(["png,coco", "gpkg"])
    {'export.formats': ['png', 'coco', 'gpkg']}
    """
    names = [name.strip() for text in formats for name in text.split(",") if name.strip()]
    return {"export.formats": names} if names else {}


stage_choice = click.Choice([stage.NAME for stage in STAGES])
