"""A small reef, written down the way Cityscapes is, and how a run of it is judged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe import pipeline
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.records.scores import Scores
from segpipe.stages import evaluate
from segpipe.store.scores import load_scores

NAMES = ("road", "building", "sky", "car", "person")
IDS = (7, 11, 23, 26, 24)
"""Label ids of these."""
SETTINGS = (
    *("extract.backbone=classical", "extract.input_size=96", "train.steps=3", "train.dim=8", "cluster.k=6"),
    *("refine.crf_iterations=1", "runtime.workers=1", "cluster.n_init=1"),
    *("index.layout=cityscapes27", "index.split=train", "evaluate.layout=cityscapes27", "evaluate.n_resamples=50"),
)
"""Of a quick run of its split `train`."""


def write_set(root: Path) -> None:
    """Train and val of three images each; ids beside the 27 where the reef's labels have nothing."""
    write_reef_corpus(root / "reef", images=6, seed=5)
    labels = sorted((root / "reef" / "labels").rglob("*.png"))
    for i, path in enumerate(labels):
        stored = np.asarray(Pillow.open(path))
        ids = np.full(stored.shape, 3, np.uint8)
        for value, code in enumerate(IDS):
            ids[stored == value] = code
        (picture,) = (root / "reef" / "images").rglob(f"{path.stem}.*")
        with Pillow.open(picture) as image:
            rgb = image.convert("RGB").resize((stored.shape[1], stored.shape[0]))
        split, city = ("train", "ulm") if i < 3 else ("val", "bonn")
        for top, ending, array in (("leftImg8bit", "leftImg8bit", rgb), ("gtFine", "gtFine_labelIds", ids)):
            place = root / "set" / top / split / city / f"{city}_{i:06}_000019_{ending}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            (array if isinstance(array, Pillow.Image) else Pillow.fromarray(array)).save(place)


def judge(root: Path, *sets: str, workers: int = 1) -> tuple[evaluate.Summary, Scores]:
    """Evaluate the run beside the set against it."""
    run = pipeline.open_run(root / "run")
    settings = pipeline.resolve(run, sets=sets, more={"evaluate.labels": str(root / "set")})
    runtime = replace(pipeline.make_runtime(settings), workers=workers)
    config = settings["evaluate"]
    assert isinstance(config, evaluate.Config)
    return evaluate.run(config, run, runtime), load_scores(run.path("scores"))
