"""What commands do with a run: work on it, tell of it, list what was put aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from segpipe import pipeline
from segpipe.base.config import Section
from segpipe.base.errors import PUT_ASIDE, UsageError
from segpipe.cli import tables, terminal
from segpipe.records.corpus import Rejected
from segpipe.records.manifest import StageRecord
from segpipe.store.corpus import load_rejected
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores


def work(
    run_dir: RunDir,
    settings: Mapping[str, Section],
    *,
    start: str | None = None,
    stop: str | None = None,
    force: Sequence[str] = (),
) -> None:
    """Run stages under the run's lock, telling each on the terminal."""
    screen, quiet = click.get_current_context().obj
    with run_dir.lock():
        runtime = pipeline.make_runtime(settings, terminal.tracker(screen, quiet=quiet))
        pipeline.save_settings(run_dir, settings)

        def tell(step: pipeline.Step) -> None:
            pipeline.log.info("%-8s %s", step.stage.NAME, step.reason)

        for step, record in pipeline.run(settings, run_dir, runtime, start=start, stop=stop, force=force, told=tell):
            if record is None:
                pipeline.log.info("%-8s skipped: %s", step.stage.NAME, step.reason)
            else:
                pipeline.log.info("%-8s done in %.1f s: %s", step.stage.NAME, record.seconds, facts_of(record))


def facts_of(record: StageRecord) -> str:
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
    from segpipe.cli.dry_run import expect  # measures this machine for a moment

    Console().print(expect(steps, settings, run_dir))


def show_scores(run_dir: RunDir) -> None:
    """Print the main scores, classes beside the k-means baseline."""
    Console().print(tables.score_table(load_scores(run_dir.path("scores"))))


def rejected_code(run_dir: RunDir) -> int:
    """List the files that were put aside; the exit code that says so."""
    if not run_dir.has("corpus"):
        return 0
    return tell_rejected(load_rejected(run_dir.path("corpus")), run_dir.root / "corpus" / "rejected.jsonl")


def tell_rejected(rejected: Sequence[Rejected], listed_in: Path | None) -> int:
    """Print what was put aside and where all of it is listed; the exit code that says so."""
    if rejected:
        place = "" if listed_in is None else f" ({listed_in})"
        click.echo(f"{len(rejected)} files put aside{place}:", err=True)
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
