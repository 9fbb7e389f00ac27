"""The commands. Stage commands, their settings and their help are made from the list of stages."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.table import Table

from segpipe import pipeline
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.files import absolute
from segpipe.base.version import __version__
from segpipe.cli import tables
from segpipe.cli.attend import attend_command
from segpipe.cli.bundle import apply_command, bundle_command
from segpipe.cli.name import name_command
from segpipe.cli.options import (
    EXIT_CODES,
    IMAGES_HELP,
    chosen_formats,
    common,
    config_option,
    formats_option,
    run_argument,
    sets_option,
    settings_command,
    stage_choice,
)
from segpipe.cli.probe import probe_command
from segpipe.cli.similar import similar_command
from segpipe.cli.work import existing, facts_of, rejected_code, show_plan, show_scores, work
from segpipe.commands import doctor as checks
from segpipe.stages import STAGES, Stage


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="segpipe")
def cli() -> None:
    """From a folder of images and not one label to class maps."""


@cli.command("run", cls=settings_command(pipeline.SECTIONS), epilog=EXIT_CODES)
@click.argument("images", metavar="IMAGES")
@run_argument
@config_option
@sets_option
@click.option("start", "--from", type=stage_choice, help="First stage; the ones before it must be up to date.")
@click.option("stop", "--to", type=stage_choice, help="Last stage.")
@click.option("--force", type=stage_choice, multiple=True, help="Run this stage although it is up to date; repeatable.")
@click.option("--dry-run", is_flag=True, help="Print what would be done and why; change nothing.")
@common
def run_command(
    images: str,
    run_path: Path,
    config: str | None,
    sets: Sequence[str],
    formats: Sequence[str],
    start: str | None,
    stop: str | None,
    force: Sequence[str],
    dry_run: bool,
) -> int:
    """Do every stage, from images to class maps and a report; skip what is up to date.

    An existing RUN keeps its settings; --config replaces them and --set changes single ones.
    """
    run_dir = pipeline.open_run(run_path)
    more = {"index.images": absolute(images), **chosen_formats(formats)}
    settings = pipeline.resolve(run_dir, config=config, sets=sets, more=more)
    if dry_run:
        show_plan(pipeline.plan(settings, run_dir, start=start, stop=stop, force=force), settings, run_dir)
        return 0
    work(run_dir, settings, start=start, stop=stop, force=force)
    for artefact, what in (
        ("masks", "masks"),
        ("export", "exports"),
        ("cover", "cover"),
        ("report/index.html", "report"),
    ):
        if (run_path / artefact).exists():
            click.echo(f"{what:8} {run_path / artefact}")
    return rejected_code(run_dir)


run_command.params.insert(4, formats_option)  # after --set, as in `segpipe export`
run_command.help = f"{cleandoc(run_command.help or '')}\n\n{IMAGES_HELP}"


_CLASSES = (("--classes",), "FILE", "Class names, one a line in index order.")
OPTIONS: dict[str, list[tuple[tuple[str, ...], str, str]]] = defaultdict(list) | {
    "evaluate": [
        (
            ("--labels",),
            "DIR|CSV",
            "A folder of index PNGs, a CSV of points, or (evaluate.layout) the folder of a published set.",
        ),
        _CLASSES,
    ],
    "cover": [
        (("--sites",), "CSV", "A table that names images and their site; with a column gsd, meters per pixel too."),
        (("--by",), "COLUMN|folder", "The column that says the site, or `folder`: that of the image."),
        (("--gsd",), "METERS", "Length on the ground of a pixel's side, of all images that do not say so."),
        (("--labels", "--points"), "CSV|DIR", "Labelled points, or index PNGs: they correct the cover."),
        _CLASSES,
    ],
}
"""Arguments of a stage's command that stand for its main settings: spellings, value, help."""
_PATHS = ("images", "labels", "classes", "sites")


def stage_command(stage: Stage) -> click.Command:
    """The command of one stage: `segpipe STAGE RUN`, with the arguments that stand for its main settings."""
    needs_images, needs_labels = stage.NAME == "index", stage.NAME == "evaluate"
    title = (sys.modules[stage.__name__].__doc__ or "").split("\n\n")  # type: ignore[attr-defined]

    @common
    def command(
        run_path: Path,
        sets: Sequence[str],
        config: str | None = None,
        formats: Sequence[str] = (),
        force: bool = False,
        **extra: Any,
    ) -> int:
        run_dir = pipeline.open_run(run_path)
        if not needs_images and not (run_path / "config.yaml").exists():
            raise UsageError(f"{run_path} is not a run yet; begin with `segpipe index IMAGES {run_path}`")
        given = {key: value for key, value in extra.items() if value is not None}
        values = {f"{stage.NAME}.{key}": absolute(v) if key in _PATHS else v for key, v in given.items()}
        more = {**values, **chosen_formats(formats)}
        settings = pipeline.resolve(run_dir, config=config, sets=sets, more=more)
        work(run_dir, settings, start=stage.NAME, stop=stage.NAME, force=[stage.NAME] if force else [])
        if needs_labels:
            show_scores(run_dir)
        return rejected_code(run_dir) if needs_images else 0

    options: list[click.Parameter] = []
    if needs_images:
        options.append(click.Argument(["images"], metavar="IMAGES"))
    options.append(click.Argument(["run_path"], metavar="RUN", type=click.Path(path_type=Path, file_okay=False)))
    options += [click.Option(list(names), metavar=metavar, help=text) for names, metavar, text in OPTIONS[stage.NAME]]
    if needs_images:
        options.append(click.Option(["--config", "-c"], metavar="NAME|FILE", help="Settings to start from."))
    options.append(
        click.Option(["sets", "--set", "-S"], multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable.")
    )
    if stage.NAME == "export":
        options.append(formats_option)
    options.append(click.Option(["--force"], is_flag=True, help="Run although it is up to date."))
    return settings_command({stage.NAME: stage.Config})(
        stage.NAME,
        callback=command,
        params=[*options, *reversed(getattr(command, "__click_params__", []))],
        help="\n\n".join([title[0].split(":", 1)[-1].strip().capitalize(), "\b\n" + "\n\n".join(title[1:2])]),
        short_help=title[0].split(":", 1)[-1].strip(),
    )


for _stage in STAGES:
    cli.add_command(stage_command(_stage))


cli.add_command(name_command)
cli.add_command(attend_command)
cli.add_command(probe_command)
cli.add_command(bundle_command)
cli.add_command(apply_command)
cli.add_command(similar_command)


@cli.command("show")
@run_argument
@common
def show_command(run_path: Path) -> int:
    """What a run has done: each stage, whether it is up to date, how long it took, what it says."""
    run_dir = existing(run_path)
    settings = pipeline.resolve(run_dir)
    manifest = run_dir.manifest()
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "state", "seconds", "finished", "summary"):
        table.add_column(heading, overflow="fold")
    for step in pipeline.plan(settings, run_dir):
        record = manifest.stages.get(step.stage.NAME)
        state = {"skip": "up to date", "idle": "no labels"}.get(step.action, step.reason)
        facts = "" if record is None else facts_of(record)
        table.add_row(
            step.stage.NAME,
            state,
            f"{record.seconds:.1f}" if record else "",
            record.finished[:16].replace("T", " ") if record else "",
            facts,
        )
    Console().print(table)
    rejected_code(run_dir)
    return 0


@cli.command("diff")
@click.argument("run_a", metavar="RUN_A", type=click.Path(path_type=Path, file_okay=False))
@click.argument("run_b", metavar="RUN_B", type=click.Path(path_type=Path, file_okay=False))
@common
def diff_command(run_a: Path, run_b: Path) -> int:
    """How two runs differ: settings, scores, and how far their masks agree."""
    from segpipe.commands.diff import compare  # reads masks: only this command pays for it

    a, b = existing(run_a), existing(run_b)
    Console().print(compare(a, b, pipeline.resolve(a), pipeline.resolve(b)))
    return 0


@cli.command("backbones")
@common
def backbones_command() -> int:
    """The backbones: patch size, width, licence and whether the weights are at hand."""
    from segpipe.nn import backbones

    Console().print(tables.backbone_table(backbones.list_backbones()))
    return 0


@cli.command("doctor")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where runs will be written.")
@common
def doctor_command(folder: Path) -> int:
    """Whether this machine has what segpipe needs."""
    table, sound = checks.examine(folder)
    Console().print(table)
    return 0 if sound else MachineError.exit_code


@cli.command("demo")
@click.argument("run_path", metavar="[RUN]", type=click.Path(path_type=Path), default=Path("runs/demo"))
@sets_option
@common
def demo_command(run_path: Path, sets: Sequence[str]) -> int:
    """Make a small synthetic reef with exact labels and run every stage on it; no download."""
    from segpipe.commands.demo.synthetic import write_reef_corpus

    reef = run_path / "reef"
    if not (reef / "classes.txt").exists():
        write_reef_corpus(reef, images=24, seed=0)
    run_dir = pipeline.open_run(run_path)
    more = {
        "index.images": absolute(str(reef / "images")),
        "evaluate.labels": absolute(str(reef / "labels")),
        "evaluate.classes": absolute(str(reef / "classes.txt")),
    }
    settings = pipeline.resolve(run_dir, config="demo", sets=sets, more=more)
    work(run_dir, settings)
    show_scores(run_dir)
    click.echo(f"report   {run_path / 'report' / 'index.html'}")
    return rejected_code(run_dir)


@cli.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the script that completes segpipe commands.

    For bash put `eval "$(segpipe completion bash)"` into ~/.bashrc; zsh and fish alike.
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(cli, {}, "segpipe", "_SEGPIPE_COMPLETE").source())
    return 0
