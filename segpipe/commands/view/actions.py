"""Actions of the page: each is written to the run under its lock, and to the journal; undo and redo of all of them.

Files that are written: classes.yaml, points.csv, the setting `cluster.k` in config.yaml, the journal. A split is done
by `segpipe name` itself, in a process of its own.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from segpipe import pipeline
from segpipe.base.errors import LockedError, SegpipeError
from segpipe.commands.view.asked import BadRequest, coordinate, text, whole
from segpipe.commands.view.command_job import CommandJob
from segpipe.commands.view.journal import ActionJournal, Done
from segpipe.commands.view.live_state import naming_of
from segpipe.commands.view.naming_actions import (
    NamingAction,
    changed,
    command,
    difference,
    naming_action,
    options_between,
    restored,
    row_of,
)
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.point_file import PointFile
from segpipe.inference.carry_over import begin_naming, load_seen, picture_names, save_seen
from segpipe.inference.kept_names import seen_now
from segpipe.records.class_names import Naming
from segpipe.store.class_names import CLASSES, clustering, load_naming, naming_text, save_naming
from segpipe.store.guide import open_guide
from segpipe.store.yaml_comments import Comments

Answer = dict[str, Any]
_MOST_PARTS = 20


class Actions:
    """What the page may change of a run."""

    def __init__(self, run: OpenedRun, points: PointFile) -> None:
        self._run, self._points = run, points
        self._journal = ActionJournal(run.root)
        self._lock = threading.RLock()
        self._job: CommandJob | None = None
        self._remembering: threading.Thread | None = None

    # --- what the page sees -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What can be undone and redone, and the job at work."""
        history, now = self._journal.history(), self._clustering()
        undo, redo = history.to_undo(now), history.to_redo(now)
        job = self._job
        return {
            "undo": undo.said if undo else None,
            "redo": redo.said if redo else None,
            "job": job.state() if job is not None and (job.running or job.failed) else None,
        }

    def do(self, given: Mapping[str, Any]) -> Answer:
        """Do what a request asks for.

        Returns:
            `command`, and what else is to be told.

        Raises:
            BadRequest: it cannot be meant, or is not undone because somebody has changed it since.
            SegpipeError: the run is in use, or a file of it is damaged.
        """
        kinds: dict[Any, Callable[[Mapping[str, Any]], Answer]] = {
            "point": self._point,
            "unpoint": self._unpoint,
            "keep_k": self._keep_k,
            "split": self._split,
            "undo": self._undo,
            "redo": self._redo,
        }
        kind = given.get("action")
        action = naming_action(given)
        if action is None and (not isinstance(kind, str) or kind not in kinds):
            raise BadRequest("action must be one of name, color, merge, unmerge, ignore, " + ", ".join(kinds))
        with self._lock:
            if self._job is not None and not self._job.running:
                self._job = None
            if self._job is not None:
                raise LockedError(f"{self._job.what} is at work; wait for it to end")
            return self._name(action) if action is not None else kinds[kind](given)

    def close(self) -> None:
        """End the job, if there is one."""
        if self._job is not None:
            self._job.stop()
        if self._remembering is not None:
            self._remembering.join(5)

    def wait(self) -> None:
        """Until the job has ended."""
        if self._job is not None:
            self._job.wait()

    # --- names ------------------------------------------------------------------------------------------------------

    def _clustering(self) -> str:
        try:
            return clustering(self._run.run_dir)
        except (SegpipeError, OSError):
            return ""

    def _name(self, action: NamingAction) -> Answer:
        said = command(self._run.root, action.options)
        with self._run.run_dir.lock():
            old = naming_of(self._run)
            new = changed(action, old, self._run.mask_clusters)
            made = not (self._run.root / CLASSES).exists()
            before, after = difference(old, new)
            if after:
                self._write(new)
                entry = self._entry("naming", action.said, said, {"entries": before, "made": made}, {"entries": after})
                self._journal.add(entry)
        self._remember()
        return {"command": said}

    def _entry(self, kind: str, said: str, shown: str, before: Any, after: Any) -> Done:
        number = self._journal.history().last + 1
        speaks = self._clustering() if kind in ("naming", "split") else ""
        return Done(number, kind, said, shown, speaks, before, after)

    def _write(self, naming: Naming) -> None:
        """Write classes.yaml; what a person wrote behind # stays."""
        path, clusters = self._run.root / CLASSES, self._run.mask_clusters
        comments = load_naming(path).comments if path.exists() else None
        pixels = self._run.pixels
        shares = {k: float(pixels[k] / max(1, pixels.sum())) for k in range(clusters)}
        save_naming(path, naming_text(naming, shares, picture_names(clusters), comments))

    def _remember(self) -> None:
        """Keep beside the names which places the clusters hold: by that names follow when clusters change."""
        if self._remembering is not None and self._remembering.is_alive():
            return
        seen = load_seen(self._run.root)
        if seen is None or seen.clustering != self._clustering():
            self._remembering = threading.Thread(target=self._look, daemon=True)
            self._remembering.start()

    def _look(self) -> None:
        try:
            seen = seen_now(self._run.run_dir)
            with self._lock, self._run.run_dir.lock():
                if seen.clustering == self._clustering() and (self._run.root / CLASSES).exists():
                    save_seen(seen, self._run.root)
        except (SegpipeError, OSError):  # the next action tries again
            return

    # --- points -----------------------------------------------------------------------------------------------------

    def _point(self, given: Mapping[str, Any]) -> Answer:
        label = " ".join(text(given, "label").split())
        if not label or not label.isprintable():
            raise BadRequest("label must be a name that can be seen")
        image, row, col = whole(given, "image"), coordinate(given, "row"), coordinate(given, "col")
        cells = self._points.new_row(image, row, col, label)
        said = f"point {label} in {self._run.corpus.images[image].id}"
        with self._run.run_dir.lock():
            change = self._points.added(cells)
            entry = self._entry("points", said, change.command, {"made": change.made}, {"added": list(cells)})
            self._journal.add(entry)
        return {"command": change.command}

    def _unpoint(self, given: Mapping[str, Any]) -> Answer:
        wanted = text(given, "id")
        with self._run.run_dir.lock():
            change = self._points.taken(wanted)
            said = f"take point {change.label} away"
            row = {"taken": list(change.cells), "place": change.place}
            self._journal.add(self._entry("points", said, change.command, row, {}))
        return {"command": change.command}

    # --- settings and splits ----------------------------------------------------------------------------------------

    def _keep_k(self, given: Mapping[str, Any]) -> Answer:
        k = whole(given, "k", least=1, most=65535)
        with self._run.run_dir.lock():
            settings: Any = self._run.settings
            before = {"k": settings["cluster"].k, "whiten": settings["train"].whiten}
            after = {"k": k, "whiten": settings["train"].components_whitened}  # else other components than those shown
            shown = self._keep(after)
            if before != after:
                self._journal.add(self._entry("setting", f"keep {k} classes", shown, before, after))
        return {"command": shown, "will_run": self._plan()}

    def _keep(self, given: Mapping[str, Any]) -> str:
        run_dir, said = self._run.run_dir, {"cluster.k": given["k"]}
        if "whiten" in given:
            said["train.whiten"] = given["whiten"]
        settings = pipeline.resolve(run_dir, more=said)
        pipeline.check_settings(settings, run_dir, [pipeline.BY_NAME["cluster"]])
        pipeline.save_settings(run_dir, settings)
        images = getattr(settings["index"], "images", None) or "IMAGES"
        sets = [
            part for key, value in said.items() for part in ("--set", f"{key}={'null' if value is None else value}")
        ]
        return shlex.join(["segpipe", "run", str(images), str(run_dir.root), *sets])

    def _plan(self) -> list[str]:
        steps = pipeline.plan(self._run.settings, self._run.run_dir)
        return [f"{step.stage.NAME}: {step.reason}" for step in steps if step.action == "run"]

    def _split(self, given: Mapping[str, Any]) -> Answer:
        k, into = whole(given, "cluster", most=65535), whole({"into": 2, **given}, "into", least=2, most=_MOST_PARTS)
        old = naming_of(self._run)
        if k not in old.entries:
            raise BadRequest(f"there is no cluster {k}; clusters go from 0 to {max(old.entries)}")
        shown = command(self._run.root, ["--split", str(k), "--into", str(into)])
        made = not (self._run.root / CLASSES).exists()
        before = {"entries": _rows(old), "cluster": k, "into": into, "made": made}
        entry = self._entry("split", f"split {k} into {into}", shown, before, {})

        def finished() -> None:
            new = naming_of(self._run)
            after = Done(entry.number, "split", entry.said, shown, entry.clustering, before, {"entries": _rows(new)},
                         self._clustering())  # fmt: skip
            with self._run.run_dir.lock():
                self._journal.add(after)

        return self._begin(k, into, finished)

    def _begin(self, cluster: int, into: int, finished: Callable[[], None]) -> Answer:
        options = ["--split", str(cluster), "--into", str(into)]
        shown = command(self._run.root, options)
        self._job = CommandJob(shown, ["name", str(self._run.root), *options], finished)
        return {"command": shown}

    # --- undo and redo ----------------------------------------------------------------------------------------------

    def _undo(self, given: Mapping[str, Any]) -> Answer:
        entry = self._journal.history().to_undo(self._clustering())
        if entry is None:
            raise BadRequest("there is nothing to undo")
        if entry.kind == "split":
            return self._join(entry)
        with self._recorded(self._journal.add_undo, entry):
            return {"command": self._back(entry)}

    def _redo(self, given: Mapping[str, Any]) -> Answer:
        entry = self._journal.history().to_redo(self._clustering())
        if entry is None:
            raise BadRequest("there is nothing to redo")
        if entry.kind == "split":
            return self._cut_again(entry)
        with self._recorded(self._journal.add_redo, entry):
            return {"command": self._forth(entry)}

    @contextmanager
    def _recorded(self, add: Callable[[Done], None], entry: Done) -> Iterator[None]:
        """The run's lock, and a line of the journal where the block ends well; a damaged entry is refused."""
        with self._run.run_dir.lock():
            try:
                yield
            except (LookupError, ValueError, TypeError) as error:
                if isinstance(error, BadRequest):
                    raise
                raise BadRequest(f"the journal holds no way back for `{entry.said}`") from error
            add(entry)

    def _back(self, entry: Done) -> str:
        """Take an action back; the command that does the same."""
        if entry.kind == "naming":
            return self._replace(entry.after["entries"], entry.before["entries"], remove=bool(entry.before.get("made")))
        if entry.kind == "setting":
            return self._reset(entry.after["k"], entry.before)
        if "taken" in entry.before:
            return self._points.added(tuple(entry.before["taken"]), int(entry.before["place"])).command
        return self._points.taken_row(entry.after["added"], remove=bool(entry.before.get("made"))).command

    def _forth(self, entry: Done) -> str:
        """Do an action again."""
        if entry.kind == "naming":
            return self._replace(entry.before["entries"], entry.after["entries"], remove=False)
        if entry.kind == "setting":
            return self._reset(entry.before["k"], entry.after)
        if "taken" in entry.before:
            return self._points.taken_row(entry.before["taken"], remove=False).command
        return self._points.added(tuple(entry.after["added"])).command

    def _replace(self, now: Mapping[str, Any], then: Mapping[str, Any], *, remove: bool) -> str:
        """Put entries back; the file too, where it was made by the action and says nothing else."""
        new = restored(naming_of(self._run), now, then)
        changed(NamingAction("", (), lambda _: new), new, self._run.mask_clusters)
        path = self._run.root / CLASSES
        if remove and self._says_nothing(new):
            path.unlink()
        else:
            self._write(new)
        return command(self._run.root, options_between(now, then))

    def _says_nothing(self, naming: Naming) -> bool:
        """Whether names are those that a run begins with, and nobody wrote anything behind #."""
        guide = open_guide(self._run.run_dir)
        plain = begin_naming(self._run.mask_clusters, naming.clustering, guide)
        return naming == plain and load_naming(self._run.root / CLASSES).comments == Comments()

    def _reset(self, now: Any, then: Mapping[str, Any]) -> str:
        old: Any = self._run.settings["cluster"]
        if old.k != now:
            raise BadRequest(f"cluster.k is {old.k} now, not {now}: it was changed since, and stays")
        return self._keep(then)

    def _join(self, entry: Done) -> Answer:
        def finished() -> None:
            with self._run.run_dir.lock():
                self._put_entries(entry.before["entries"], remove=bool(entry.before.get("made")))
                self._journal.add_undo(entry)

        return self._begin(int(entry.before["cluster"]), 1, finished)

    def _cut_again(self, entry: Done) -> Answer:
        def finished() -> None:
            with self._run.run_dir.lock():
                self._put_entries(entry.after["entries"], remove=False)
                self._journal.add_redo(entry)

        return self._begin(int(entry.before["cluster"]), int(entry.before["into"]), finished)

    def _put_entries(self, rows: Mapping[str, Any], *, remove: bool) -> None:
        """Names exactly as they were with these clusters; what `--split` made of them is close, but not the same."""
        now = naming_of(self._run)
        if {int(key) for key in rows} != set(now.entries):
            return
        if remove:
            (self._run.root / CLASSES).unlink(missing_ok=True)
        else:
            self._write(restored(now, {}, rows))


def _rows(naming: Naming) -> dict[str, Any]:
    return {str(k): row_of(entry) for k, entry in naming.entries.items()}
