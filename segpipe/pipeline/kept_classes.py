"""Kept classes: head and clusters stay what they are although images were added, removed, or are others altogether.

What is kept is written into the run. From then on `train` and `cluster` count as up to date whatever images there are,
as long as they, and `extract`, have the settings that the classes were found with. `--force cluster` finds them anew.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segpipe.base import checksums
from segpipe.base.config import today
from segpipe.base.errors import SegpipeError, UsageError, named
from segpipe.inference.encoder import WHITENING
from segpipe.pipeline.run_settings import Settings
from segpipe.records.kept import KeptClasses
from segpipe.records.manifest import Manifest, StageRecord
from segpipe.stages import Stage, cluster, extract, stamps_of, train
from segpipe.store.class_names import CLASSES
from segpipe.store.clusters import SPLITS
from segpipe.store.corpus import load_scaling
from segpipe.store.features import stored_header
from segpipe.store.kept import forget_kept, kept_file, load_kept, save_kept, settled_scaling, told_of_kept
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)

KEPT = (train.NAME, cluster.NAME)
"""Stages whose artefacts are kept."""
FOUND = "found"
"""In the manifest's record of `cluster`, beside what went into its key: what the classes were found on."""
_FREE = ("codec", "flip")
"""Settings of `extract` that features of one space may differ in: how they are packed, and what is stored besides."""


def keep_classes(run_dir: RunDir, settings: Settings, source: RunDir) -> KeptClasses:
    """Have a run keep the classes of `source`, whatever images it has; takes the run's lock.

    Of another run its head, clusters, splits and names are copied, together or not at all, so that both runs have the
    same clustering; what was written of other clusters in `classes.yaml` is replaced.

    Args:
        run_dir: the run, which need not exist yet.
        settings: those that it is going to have.
        source: the run itself, or another one that is finished up to `cluster`.

    Raises:
        UsageError: there are no classes to keep, or the settings ask for others.
        LockedError: another process works on the run.
    """
    source.settle()
    manifest, own = source.manifest(), source.root.resolve() == run_dir.root.resolve()
    records = {name: manifest.stages[name] for name in KEPT if name in manifest.stages}
    if len(records) < len(KEPT) or not all(source.has(stage.ARTEFACT) for stage in (train, cluster)):
        raise UsageError(
            f"{source.root} has no classes to keep yet; finish `segpipe run IMAGES {source.root} --to cluster` first"
        )
    found = _found(source, manifest)
    _refuse_other_settings(settings, found["space"], records)
    kept = KeptClasses(
        head=records[train.NAME].artefact,
        clusters=records[cluster.NAME].artefact,
        images=found["images"],
        space=found["space"],
        source=found.get("source", "") if own else str(source.root.absolute()),
    )
    with run_dir.lock(), run_dir.draft(() if own else (CLASSES, SPLITS)) as draft:
        save_kept(kept, draft.root, _fitted(source))
        settled = settled_scaling(draft.root)
        if any(settled.get(name, limits) != limits for name, limits in load_scaling(run_dir.root / "corpus").items()):
            draft.record("index", None)  # its deep images have another scale
        if not own:
            _copy(source, draft, records)
            if _whitening(run_dir) not in ("", kept.space["whitening"]):
                draft.record(extract.NAME, None)  # features of another fit
    return kept


def _copy(source: RunDir, draft: RunDir, records: Mapping[str, StageRecord]) -> None:
    """Head and clusters with their records in the manifest, splits and names."""
    for stage in (train, cluster):
        shutil.copytree(source.path(stage.ARTEFACT), draft.root / stage.ARTEFACT, ignore=shutil.ignore_patterns("tb"))
        draft.record(stage.NAME, records[stage.NAME])
    for name in (SPLITS, CLASSES):
        if (source.root / name).exists():
            shutil.copyfile(source.root / name, draft.root / name)
        else:
            (draft.root / name).unlink(missing_ok=True)


def told_kept(stage: Stage, settings: Settings, run_dir: RunDir, manifest: Manifest) -> str:
    """Why a stage whose inputs have changed counts as up to date all the same; empty where it does not."""
    if stage.NAME not in KEPT:
        return ""
    return "" if active(run_dir, settings, manifest) is None else told_of_kept(run_dir.root, manifest)


def active(run_dir: RunDir, settings: Settings, manifest: Manifest) -> KeptClasses | None:
    """The classes that a run keeps with these settings; None where it keeps none, or others are asked for."""
    kept = load_kept(run_dir.root)
    if kept is None or not told_of_kept(run_dir.root, manifest):
        return None
    return None if _differing(settings, kept.space, {name: manifest.stages[name] for name in KEPT}) else kept


def release(run_dir: RunDir, settings: Settings, force: Sequence[str]) -> None:
    """Keep the classes no longer where they, or others, are to be found anew; the caller holds the run's lock.

    Args:
        run_dir: the run.
        settings: those that it is going to have.
        force: stages that are done anew.
    """
    kept = load_kept(run_dir.root)
    if kept is not None and ({*force} & {*KEPT} or active(run_dir, settings, run_dir.manifest()) is None):
        log.info("classes  are not kept any more: they are found anew on the images that there are")
        forget_kept(run_dir.root)


def found_on(stage: Stage, run_dir: RunDir) -> dict[str, Any]:
    """What to write of a stage into the manifest beside its key; nothing but for `cluster`."""
    stages = run_dir.manifest().stages
    if stage.NAME != cluster.NAME or not {"index", "extract"} <= stages.keys():
        return {}
    return {FOUND: _now(run_dir, run_dir.manifest())}


def _found(source: RunDir, manifest: Manifest) -> dict[str, Any]:
    """What the classes of a run were found on: `images` and the `space` of their features."""
    record = manifest.stages[cluster.NAME]
    kept = load_kept(source.root)
    if kept is not None and told_of_kept(source.root, manifest):
        return {"images": kept.images, "space": dict(kept.space), "source": kept.source}
    if FOUND in record.parts:
        return dict(record.parts[FOUND])
    inputs = record.parts.get("inputs", {})
    if all(name in manifest.stages and inputs.get(name) == manifest.stages[name].artefact for name in cluster.NEEDS):
        return _now(source, manifest)
    raise UsageError(
        f"{source.root}: its classes were found by an earlier version on features that have been made again since; "
        "they cannot be kept, leave --keep-classes out"
    )


def _now(run_dir: RunDir, manifest: Manifest) -> dict[str, Any]:
    record = manifest.stages[extract.NAME]
    settings = {key: value for key, value in record.parts.get("settings", {}).items() if key not in _FREE}
    said = {key: record.summary.get(key, "") for key in ("weights", "precision")}
    header = stored_header(run_dir.path(extract.ARTEFACT)).to_dict()
    bands: dict[str, Any] = {key: json.loads(json.dumps(header[key])) for key in ("channels", "views") if key in header}
    scaling = {name: list(limits) for name, limits in load_scaling(run_dir.path("corpus")).items()}
    more = {"scaling": scaling} if scaling else {}
    space = {"settings": settings, **said, **bands, **more, "whitening": _whitening(run_dir)}
    return {"images": int(manifest.stages["index"].summary.get("images", 0)), "space": space}


def _whitening(run_dir: RunDir) -> str:
    """SHA-256 of what was fitted to the images of a run before their features were made; empty where nothing was."""
    return checksums.read_sums(run_dir.root / extract.ARTEFACT).get(WHITENING, "")


def _fitted(source: RunDir) -> Path | None:
    kept = kept_file(source.root, WHITENING)
    if kept is not None:
        return kept
    return source.file(extract.ARTEFACT, WHITENING)


def _differing(settings: Settings, space: Mapping[str, Any], records: Mapping[str, StageRecord]) -> list[str]:
    """The settings that would make other classes, with what they were and what they are."""
    asked = {name: settings[name].identity() for name in (extract.NAME, *KEPT)}
    asked[extract.NAME] = {key: value for key, value in asked[extract.NAME].items() if key not in _FREE}
    had = {extract.NAME: space["settings"], **{name: records[name].parts.get("settings", {}) for name in KEPT}}
    changed = [
        f"{name}.{today(type(settings[name]), key)} {had[name].get(key)!r} -> {values.get(key)!r}"
        for name, values in asked.items()
        for key in sorted({*had[name], *values})
        if had[name].get(key) != values.get(key)
    ]
    for stage in (train, cluster):
        parts = records[stage.NAME].parts
        if parts.get("format") != stage.FORMAT:
            changed.append(f"{stage.NAME} was made by format {parts.get('format')}, now {stage.FORMAT}")
        try:
            same = parts.get("files", "") == stamps_of(stage, settings[stage.NAME])
        except (SegpipeError, OSError):  # the stage itself says what is wrong with them
            same = False
        if not same:
            changed.append(f"{stage.NAME} reads other files")
    return changed


def _refuse_other_settings(settings: Settings, space: Mapping[str, Any], records: Mapping[str, StageRecord]) -> None:
    changed = _differing(settings, space, records)
    if changed:
        raise UsageError(
            f"{named('keep_classes')}: other classes are asked for ({'; '.join(changed)}); leave these settings as "
            "they were, or the option out"
        )
