"""How far the masks of a run stay the same when its images are corrupted: `segpipe probe RUN`."""

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
from segpipe.commands.robustness.agreement import agreement_findings
from segpipe.commands.robustness.figures import robustness_png
from segpipe.commands.robustness.measure import CorruptionResult, CorruptionSetup, choose_images, corrupt_and_segment
from segpipe.commands.robustness.options import RobustnessOptions
from segpipe.commands.robustness.page import RobustnessPage, families, render
from segpipe.commands.robustness.text import sentences
from segpipe.inference.encoder import single_threaded
from segpipe.inference.segment_array import Rgb, open_segmenter
from segpipe.ops.corruptions.registry import choose_corruptions
from segpipe.ops.crf.dense_crf import prepare
from segpipe.plots.html import SkippedFiles
from segpipe.records.corpus import Corpus, Rejected
from segpipe.records.finding import Finding
from segpipe.store.class_names import open_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.findings import save_findings
from segpipe.store.ownership import CORRUPTED, check_free, claim
from segpipe.store.run_dir import RunDir

_FACTS = "robustness.json"
_RESAMPLES = 1000
_SHOWN = 2  # images on the page


@dataclass(frozen=True)
class RobustnessResult:
    """What was found, and what was written."""

    findings: tuple[Finding, ...]
    summary: tuple[str, ...]
    """The main results, in sentences."""
    page: Path
    table: Path
    rejected: tuple[Rejected, ...]


def probe_run(run_dir: RunDir, options: RobustnessOptions, runtime: Runtime) -> RobustnessResult:
    """Write how robust the masks of a finished run are to corruptions: a CSV, a JSON file, a figure and a page.

    Args:
        run_dir: the run.
        options: images, corruptions, CRF; the folder is by default `probe/` in the run.
        runtime: device, images worked on side by side, progress; the numbers do not depend on it.

    Raises:
        UsageError: the run is not up to date up to `refine`, a corruption is unknown, or as `open_segmenter`.
        CorpusError: not one image can be used.
        MachineError: the weights are not at hand.
    """
    chosen, seed, crf = choose_corruptions(options.corruptions), options.seed, options.crf
    pipeline.require_finished(run_dir, "refine")
    out = options.out or run_dir.root / "robustness"
    check_free(out, CORRUPTED, earlier=(out / _FACTS).is_file)
    corpus, segmenter = load_corpus(run_dir.path("corpus")), open_segmenter(run_dir, runtime, crf=crf)
    setup = CorruptionSetup(
        segmenter, open_legend(run_dir, segmenter.clusters.clusters), chosen, options.max_side, seed
    )
    taken = choose_images(len(corpus.images), options.max_images, seed=seed)
    steps = [(corruption, level) for corruption in chosen for level in corruption.levels]
    pipeline.log.info("%d images, each segmented %d times", len(taken), 1 + len(steps))
    if crf:
        for classes in segmenter.clusters.softmax_sizes:
            prepare(classes)
    results, rejected = _measure_all(setup, corpus, taken, runtime)
    counts = np.stack([each.counts for each in results])  # (images, steps, 3, classes)
    findings = [
        finding
        for i, (corruption, level) in enumerate(steps)
        for finding in agreement_findings(corruption, level, counts[:, i], resamples=_RESAMPLES, seed=seed)
    ]
    metadata = {
        "run": run_dir.place.name,
        "backbone": segmenter.header.backbone,
        "classes": setup.legend.classes,
        "images": [each.name for each in results],
        "crf": crf,
        "side": options.max_side,
        "seed": seed,
        "resamples": _RESAMPLES,
        "versions": versions(),
    }
    return _write(out, metadata, findings, results, rejected)


def _measure_all(
    setup: CorruptionSetup, corpus: Corpus, taken: Sequence[int], runtime: Runtime
) -> tuple[list[CorruptionResult], list[Rejected]]:
    def one(item: tuple[int, int]) -> CorruptionResult | Rejected:
        place, index = item
        try:
            return corrupt_and_segment(setup, corpus, index, show=place < _SHOWN)
        except CorpusError as error:
            return Rejected(corpus.images[index].path, str(error))

    with single_threaded(setup.segmenter.encoder):
        found = thread_map(one, enumerate(taken), workers=runtime.workers, ahead=runtime.workers)
        entries = list(runtime.track(found, total=len(taken), unit="images"))
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    results = [entry for entry in entries if isinstance(entry, CorruptionResult)]
    if not results:
        raise CorpusError(f"not one image can be used: {rejected[0].reason}")
    return results, rejected


def _write(
    out: Path,
    metadata: dict[str, Any],
    findings: Sequence[Finding],
    results: Sequence[CorruptionResult],
    rejected: Sequence[Rejected],
) -> RobustnessResult:
    summary = sentences(findings)
    steps = [("", 0.0), *dict.fromkeys((finding.disturbance, finding.level) for finding in findings)]
    pictures: dict[str, dict[tuple[str, float], Rgb]] = {
        each.name: dict(zip(steps, each.shown, strict=True)) for each in results if each.shown
    }
    names = metadata["images"]
    with_crf = "with" if metadata["crf"] else "without"
    page = RobustnessPage(
        title=f"How robust the masks of {metadata['run']} are",
        intro=f"{len(names)} images, {metadata['classes']} classes, backbone {metadata['backbone']}, {with_crf} CRF.",
        skipped=SkippedFiles.of(rejected),
        summary=summary,
        families=families(findings, pictures),
        metadata=[
            ("images", ", ".join(names)),
            ("longest side", f"{metadata['side']} pixels at most"),
            ("seed", str(metadata["seed"])),
            ("resamples of the intervals", str(metadata["resamples"])),
            *metadata["versions"].items(),
        ],
    )
    claim(out, CORRUPTED, earlier=(out / _FACTS).is_file)
    save_findings(out / "robustness.csv", findings)
    lines = [asdict(finding) for finding in findings]
    skipped = [asdict(each) for each in rejected]
    files.write_json(out / _FACTS, {**metadata, "said": summary, "rejected": skipped, "findings": lines})
    files.write_bytes(out / "robustness.png", robustness_png(findings))
    files.write_text(out / "index.html", render(page))
    return RobustnessResult(
        tuple(findings), tuple(summary), out / "index.html", out / "robustness.csv", tuple(rejected)
    )
