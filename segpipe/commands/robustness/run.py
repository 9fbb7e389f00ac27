"""How far the masks of a run stay the same when its images are disturbed: `segpipe probe RUN`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import CorpusError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.base.version import versions
from segpipe.commands.robustness import page as survival_page
from segpipe.commands.robustness.agreement import find_survival
from segpipe.commands.robustness.figures import survival_png
from segpipe.commands.robustness.measure import Survived, Trial, choose_images, survive
from segpipe.commands.robustness.text import sentences
from segpipe.inference.encoder import single_threaded
from segpipe.inference.segment_array import Rgb, open_segmenter
from segpipe.ops.corruptions.registry import choose_disturbances
from segpipe.ops.crf.dense_crf import prepare
from segpipe.records.corpus import Corpus, Rejected
from segpipe.records.finding import Finding
from segpipe.store.class_names import open_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.findings import save_findings
from segpipe.store.run_dir import RunDir

IMAGES, SIDE = 24, 960
"""Images that are probed, and the longest side to which they are scaled, where nothing else is said."""
_RESAMPLES = 1000
_SHOWN = 2  # images on the page


@dataclass(frozen=True)
class RunProbed:
    """What was found, and what was written."""

    findings: tuple[Finding, ...]
    said: tuple[str, ...]
    """What a person should take home."""
    page: Path
    table: Path
    rejected: tuple[Rejected, ...]


def probe_run(
    run_dir: RunDir,
    out: Path | None,
    runtime: Runtime,
    *,
    images: int | None = None,
    disturb: Sequence[str] = (),
    crf: bool = False,
    side: int = SIDE,
    seed: int = 0,
) -> RunProbed:
    """Write how far the masks of a finished run survive disturbances: a CSV, a JSON file, a figure and a page.

    Args:
        run_dir: the run.
        out: folder; by default `probe/` in the run.
        runtime: device, images worked on side by side, progress; the numbers do not depend on it.
        images: how many of the run, spread over it; 24 for None, 0 is all.
        disturb: names of disturbances, or none for all.
        crf: sharpen masks with the run's dense CRF, which takes half as long again.
        side: longest side of the disturbed pictures in pixels; larger photographs are scaled down.
        seed: of the choice of images, of the disturbances and of the intervals.

    Raises:
        UsageError: the run is not up to date up to `refine`, a disturbance is unknown, or as `open_segmenter`.
        CorpusError: not one image can be used.
        MachineError: the weights are not at hand.
    """
    chosen = choose_disturbances(disturb)
    pipeline.require_finished(run_dir, "refine")
    corpus, segmenter = load_corpus(run_dir.path("corpus")), open_segmenter(run_dir, runtime, crf=crf)
    trial = Trial(segmenter, open_legend(run_dir, segmenter.clusters.clusters), chosen, side, seed)
    taken = choose_images(len(corpus.images), IMAGES if images is None else images, seed=seed)
    steps = [(disturbance, level) for disturbance in chosen for level in disturbance.levels]
    pipeline.log.info("%d images, each segmented %d times", len(taken), 1 + len(steps))
    if crf:
        for classes in segmenter.clusters.softmax_sizes:
            prepare(classes)
    survived, rejected = _survive_all(trial, corpus, taken, runtime)
    counts = np.stack([each.counts for each in survived])  # (images, steps, 3, classes)
    findings = [
        finding
        for i, (disturbance, level) in enumerate(steps)
        for finding in find_survival(disturbance, level, counts[:, i], resamples=_RESAMPLES, seed=seed)
    ]
    facts = {
        "run": run_dir.root.name,
        "backbone": segmenter.header.backbone,
        "classes": trial.legend.classes,
        "images": [each.name for each in survived],
        "crf": crf,
        "side": side,
        "seed": seed,
        "resamples": _RESAMPLES,
        "versions": versions(),
    }
    return _write(out or run_dir.root / "probe", facts, findings, survived, rejected)


def _survive_all(
    trial: Trial, corpus: Corpus, taken: Sequence[int], runtime: Runtime
) -> tuple[list[Survived], list[Rejected]]:
    def one(item: tuple[int, int]) -> Survived | Rejected:
        place, index = item
        try:
            return survive(trial, corpus, index, show=place < _SHOWN)
        except CorpusError as error:
            return Rejected(corpus.images[index].path, str(error))

    with single_threaded(trial.segmenter.encoder):
        found = thread_map(one, enumerate(taken), workers=runtime.workers, ahead=runtime.workers)
        entries = list(runtime.track(found, total=len(taken), unit="images"))
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    survived = [entry for entry in entries if isinstance(entry, Survived)]
    if not survived:
        raise CorpusError(f"not one image can be used: {rejected[0].reason}")
    return survived, rejected


def _write(
    out: Path,
    facts: dict[str, Any],
    findings: Sequence[Finding],
    survived: Sequence[Survived],
    rejected: Sequence[Rejected],
) -> RunProbed:
    said = sentences(findings)
    steps = [("", 0.0), *dict.fromkeys((finding.disturbance, finding.level) for finding in findings)]
    pictures: dict[str, dict[tuple[str, float], Rgb]] = {
        each.name: dict(zip(steps, each.shown, strict=True)) for each in survived if each.shown
    }
    names = facts["images"]
    with_crf = "with" if facts["crf"] else "without"
    page = survival_page.SurvivalPage(
        title=f"What the masks of {facts['run']} survive",
        lead=f"{len(names)} images, {facts['classes']} classes, backbone {facts['backbone']}, {with_crf} CRF.",
        said=said,
        families=survival_page.families(findings, pictures),
        facts=[
            ("images", ", ".join(names)),
            ("longest side", f"{facts['side']} pixels at most"),
            ("seed", str(facts["seed"])),
            ("resamples of the intervals", str(facts["resamples"])),
            *facts["versions"].items(),
        ],
        rejected=[(each.path, each.reason) for each in rejected],
    )
    out.mkdir(parents=True, exist_ok=True)
    save_findings(out / "probe.csv", findings)
    lines = [asdict(finding) for finding in findings]
    aside = [asdict(each) for each in rejected]
    files.write_json(out / "probe.json", {**facts, "said": said, "rejected": aside, "findings": lines})
    files.write_bytes(out / "probe.png", survival_png(findings))
    files.write_text(out / "index.html", survival_page.render(page))
    return RunProbed(tuple(findings), tuple(said), out / "index.html", out / "probe.csv", tuple(rejected))
