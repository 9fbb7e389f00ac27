"""The commands. Stage commands, their settings and their help are made from the list of stages."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.table import Table

import segpipe
from segpipe import pipeline
from segpipe.base.config import Section
from segpipe.base.errors import PUT_ASIDE, MachineError, SegpipeError, Stopped, UsageError
from segpipe.cli import doctor as checks
from segpipe.cli import tables, terminal
from segpipe.records.manifest import StageRecord
from segpipe.stages import STAGES, Stage
from segpipe.store.corpus import load_rejected
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores

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

IMAGES_HELP = "IMAGES is a folder (walked recursively), one file, a glob in quotes, or a text file of paths."


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
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value))
        if not isinstance(value, tuple)
        else str(list(value))
    )


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
run_argument = click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path, file_okay=False))
stage_choice = click.Choice([stage.NAME for stage in STAGES])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, epilog=EXIT_CODES)
@click.version_option(segpipe.__version__, prog_name="segpipe")
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
    start: str | None,
    stop: str | None,
    force: Sequence[str],
    dry_run: bool,
) -> int:
    """Do every stage, from images to class maps and a report; skip what is up to date.

    An existing RUN keeps its settings; --config replaces them and --set changes single ones.
    """
    run_dir = pipeline.open_run(run_path)
    settings = pipeline.resolve(run_dir, config=config, sets=sets, more={"index.images": absolute(images)})
    if dry_run:
        show_plan(pipeline.plan(settings, run_dir, start=start, stop=stop, force=force), settings, run_dir)
        return 0
    work(run_dir, settings, start=start, stop=stop, force=force)
    for artefact, what in (("masks", "masks"), ("export", "exports"), ("report/index.html", "report")):
        if (run_path / artefact).exists():
            click.echo(f"{what:8} {run_path / artefact}")
    return rejected_code(run_dir)


run_command.help = f"{run_command.help}\n\n{IMAGES_HELP}"


def stage_command(stage: Stage) -> click.Command:
    """The command of one stage: `segpipe STAGE RUN`, with the arguments that stand for its main settings."""
    needs_images, needs_labels = stage.NAME == "index", stage.NAME == "evaluate"
    title = (sys.modules[stage.__name__].__doc__ or "").split("\n\n")  # type: ignore[attr-defined]

    @common
    def command(
        run_path: Path, sets: Sequence[str], config: str | None = None, force: bool = False, **extra: Any
    ) -> int:
        run_dir = pipeline.open_run(run_path)
        if not needs_images and not (run_path / "config.yaml").exists():
            raise UsageError(f"{run_path} is not a run yet; begin with `segpipe index IMAGES {run_path}`")
        more = {f"{stage.NAME}.{key}": absolute(value) for key, value in extra.items() if value is not None}
        settings = pipeline.resolve(run_dir, config=config, sets=sets, more=more)
        record = work(run_dir, settings, start=stage.NAME, stop=stage.NAME, force=[stage.NAME] if force else [])
        if needs_labels:
            show_scores(run_dir)
        return rejected_code(run_dir) if needs_images and record else 0

    options: list[click.Parameter] = []
    if needs_images:
        options.append(click.Argument(["images"], metavar="IMAGES"))
    options.append(click.Argument(["run_path"], metavar="RUN", type=click.Path(path_type=Path, file_okay=False)))
    if needs_labels:
        options += [
            click.Option(["--labels"], metavar="DIR|CSV", help="A folder of index PNGs or a CSV of points."),
            click.Option(["--classes"], metavar="FILE", help="Class names, one a line in index order."),
        ]
    if needs_images:
        options.append(click.Option(["--config", "-c"], metavar="NAME|FILE", help="Settings to start from."))
    options.append(
        click.Option(["sets", "--set", "-S"], multiple=True, metavar="KEY=VALUE", help="Change a setting; repeatable.")
    )
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
        facts = "" if record is None else _facts(record)
        table.add_row(
            step.stage.NAME,
            state,
            f"{record.seconds:.1f}" if record else "",
            record.finished[:16].replace("T", " ") if record else "",
            facts,
        )
    Console().print(table)
    return rejected_code(run_dir, tell=True) * 0


@cli.command("diff")
@click.argument("run_a", metavar="RUN_A", type=click.Path(path_type=Path, file_okay=False))
@click.argument("run_b", metavar="RUN_B", type=click.Path(path_type=Path, file_okay=False))
@common
def diff_command(run_a: Path, run_b: Path) -> int:
    """How two runs differ: settings, scores, and how far their masks agree."""
    from segpipe.cli.compare import compare  # reads masks: only this command pays for it

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
    from segpipe.data.synthetic import write_reef_corpus

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


# --- pieces the commands share --------------------------------------------------------------------------------------


def work(
    run_dir: RunDir,
    settings: Mapping[str, Section],
    *,
    start: str | None = None,
    stop: str | None = None,
    force: Sequence[str] = (),
) -> StageRecord | None:
    """Run stages under the run's lock, telling each on the terminal; returns the last record made."""
    screen, quiet = click.get_current_context().obj
    last = None
    with run_dir.lock():
        runtime = pipeline.make_runtime(settings, terminal.tracker(screen, quiet=quiet))
        pipeline.save_settings(run_dir, settings)

        def tell(step: pipeline.Step, record: StageRecord | None) -> None:
            pipeline.log.info("%-8s %s", step.stage.NAME, step.reason)

        for step, record in pipeline.run(settings, run_dir, runtime, start=start, stop=stop, force=force, told=tell):
            if record is None:
                pipeline.log.info("%-8s skipped: %s", step.stage.NAME, step.reason)
            else:
                pipeline.log.info("%-8s done in %.1f s: %s", step.stage.NAME, record.seconds, _facts(record))
                last = record
    return last


def _facts(record: StageRecord) -> str:
    """The scalar facts of a summary in one line."""
    shown = []
    for key, value in record.summary.items():
        if key == "fingerprint" or value is None or isinstance(value, list | dict | bool):
            continue
        shown.append(
            f"{key.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
        )
    return ", ".join(shown)


def show_plan(steps: Sequence[pipeline.Step], settings: Mapping[str, Section], run_dir: RunDir) -> None:
    """Print a plan with the disk and time expected of each stage that will run."""
    from segpipe.cli.expect import expect  # measures this machine for a moment

    Console().print(expect(steps, settings, run_dir))


def show_scores(run_dir: RunDir) -> None:
    """Print the main scores, classes beside the k-means baseline."""
    Console().print(tables.score_table(load_scores(run_dir.path("scores"))))


def rejected_code(run_dir: RunDir, *, tell: bool = True) -> int:
    """List the files that were put aside; the exit code that says so."""
    if not run_dir.has("corpus"):
        return 0
    rejected = load_rejected(run_dir.path("corpus"))
    if rejected and tell:
        click.echo(f"{len(rejected)} files put aside ({run_dir.root / 'corpus' / 'rejected.jsonl'}):", err=True)
        for entry in rejected[:20]:
            click.echo(f"  {printable(entry.path)}: {entry.reason}", err=True)
        if len(rejected) > 20:
            click.echo(f"  and {len(rejected) - 20} more", err=True)
    return PUT_ASIDE if rejected else 0


def printable(text: str) -> str:
    """A name that any terminal can show: bytes that are no UTF-8 and control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def existing(run_path: Path) -> RunDir:
    """A run that was begun.

    Raises:
        UsageError: there is none.
    """
    if not (run_path / "config.yaml").exists():
        raise UsageError(f"{run_path} is not a run (no config.yaml); begin with `segpipe run IMAGES {run_path}`")
    return pipeline.open_run(run_path)


def absolute(path: str) -> str:
    """A path or glob that keeps its meaning in another working directory."""
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - resolves `..` by name, keeps links and globs


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    # threads of torch and FAISS that wait for each other spin for a moment only, then sleep: beside other work on the
    # same processors endless spinning made training eight times slower (read when the first of them is loaded)
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(run_cli(sys.argv[1:] if arguments is None else arguments))


def run_cli(arguments: Sequence[str]) -> int:
    """Run a command; every error becomes an exit code and, without --debug, one line per cause."""
    try:
        code = cli.main(args=list(arguments), prog_name="segpipe", standalone_mode=False)
        return int(code or 0)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Stopped as stopped:
        click.echo("stopped; the same command goes on from here", err=True)
        return stopped.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        if isinstance(error, SegpipeError):
            click.echo(f"error: {error}", err=True)
            return error.exit_code
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            click.echo(
                f"error: {error.filename or 'the disk'}: no space left; free some, then run the same command",
                err=True,
            )
            return MachineError.exit_code
        click.echo(
            f"internal error: {type(error).__name__}: {error}; --debug shows where, please report it",
            err=True,
        )
        return 1
