"""Find in a run what is like an image or a point of it: `segpipe similar`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.guarded import Guards
from segpipe.base.runtime import Runtime
from segpipe.base.temporary import temporary_folder
from segpipe.commands.similar.options import SimilarOptions
from segpipe.commands.similar.retrieval import similar_images
from segpipe.images.crop_plan import corpus_of_one
from segpipe.images.id_lookup import ImageNames
from segpipe.images.validate import Item
from segpipe.images.video import is_video
from segpipe.inference.encoder import reopen_encoder
from segpipe.inference.on_demand import LiveFeatures
from segpipe.inference.patch_likeness import ImageFeatures, Match, heat, similar_patches, vector_at
from segpipe.plots.contact_sheet import Panel, sheet
from segpipe.plots.heatmap import color_table, draw, tint
from segpipe.records.corpus import Corpus, Rejected
from segpipe.stages.index import plan_of
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from segpipe.store.valid_patches import Valid, mean_feature

_SIDE = 640  # pixels of a picture on the sheet before it is scaled
_COLUMNS = 4

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Found:
    """What was found, and what was written."""

    query: str
    alike: tuple[Match, ...]
    names: tuple[str, ...]
    """Ids of the images found."""
    sheet: Path
    table: Path


def find_similar(run_dir: RunDir, options: SimilarOptions, runtime: Runtime) -> Found:
    """Write a contact sheet and a CSV of what is most similar to an image, or to a point of it.

    Args:
        run_dir: a run with features.
        options: the query, and what is compared.
        runtime: device for an image outside the run, and progress.

    Raises:
        UsageError: the image, the point or the run's features are not there.
        CorpusError: the query's file cannot be used.
        LockedError: another command is changing the run, in which the result would lie.
    """
    with temporary_folder() as home:
        return _find(run_dir, options, runtime, home)


def _find(run_dir: RunDir, options: SimilarOptions, runtime: Runtime, home: Path) -> Found:
    k, point, other = options.k, options.point, options.in_image
    corpus, store = load_corpus(run_dir.path("corpus")), FeatureStore(run_dir.path("features"))
    view = open_view(run_dir, options.query, corpus, store, runtime, home)
    skip = view.index if view.corpus is corpus else None
    out = options.out or run_dir.root / "similar" / view.image.id.replace("/", "__")
    lines = [f"{store.header.backbone}, cosines after the corpus's mean was taken away"]
    views: Sequence[ImageFeatures]
    if point is None:
        vectors = store.vectors()
        own = vectors[list(view.rows)] if skip is not None else np.stack([view.features.vector(r) for r in view.rows])
        alike = similar_images(own, vectors, corpus, k=k, skip=skip)
        views = [ImageFeatures(corpus, found.index, store) for found in alike]
        pictures = [_marked(each.rgb(each.image.size.fit(_SIDE)), each, None) for each in (view, *views)]
    else:
        mean = mean_feature(store, Valid(store), seed=0)
        vector = vector_at(view, mean, *point)
        if other is None:
            rows = [row for row in range(len(corpus.crops)) if corpus.crops[row].image != skip]
            tracked = runtime.track(rows, total=len(rows), unit="crops")
            alike = similar_patches(vector, mean, store, corpus, tracked)[:k]
            views = [ImageFeatures(corpus, found.index, store) for found in alike]
        else:
            second = open_view(run_dir, other, corpus, store, runtime, home)
            views, alike = [second], similar_patches(vector, mean, second.features, second.corpus, second.rows)
        lines.append(f"point: row {point[0]:g}, column {point[1]:g}; colors say how much every place is like it")
        table = color_table("inferno")
        places = [point, *(found.at for found in alike)]
        pictures = [
            _marked(_heated(each, vector, mean, table), each, at)
            for each, at in zip((view, *views), places, strict=True)
        ]
    names = [each.image.id for each in views]
    captions = [view.image.id, *(f"{name}\n{found.score:.3f}" for name, found in zip(names, alike, strict=True))]
    panels = [Panel(caption, picture) for caption, picture in zip(captions, pictures, strict=True)]
    page = sheet(f"like {view.image.id}", lines, panels, columns=min(_COLUMNS, len(panels)))
    _, png = cv2.imencode(".png", page[..., ::-1])
    within = out.resolve().is_relative_to(run_dir.root.resolve())
    with run_dir.lock() if within else nullcontext():  # other commands sweep what is being written in the run
        out.mkdir(parents=True, exist_ok=True)
        files.write_bytes(out / "similar.png", png.tobytes())
        files.write_text(out / "similar.csv", _table(names, alike))
    return Found(view.image.id, tuple(alike), tuple(names), out / "similar.png", out / "similar.csv")


def open_view(
    run_dir: RunDir, query: str, corpus: Corpus, store: FeatureStore, runtime: Runtime, home: Path
) -> ImageFeatures:
    """The image that a user means: one of the run by id, path or name, or any image file.

    What is noted of a mosaic outside the run lies in the folder `home`.

    Raises:
        UsageError: there is none, or there are several.
        CorpusError: the file cannot be used.
    """
    path = Path(query).expanduser()
    if path.is_file() and is_video(path):
        raise UsageError(
            f"{path} is a video; name a picture, or a frame of a video of the run, such as dive.mp4/000030"
        )
    if path.is_file():
        resolved = path.resolve()
        for i, image in enumerate(corpus.images):
            if corpus.path(image).resolve() == resolved:
                return ImageFeatures(corpus, i, store)
        settings: Any = pipeline.resolve(run_dir)["index"]
        plan, item = plan_of(settings), Item(resolved.name, path.stem)
        with Guards(plan.limits.memory) as guards:
            alone = corpus_of_one(plan, corpus.scaling, resolved.parent, item, home, guards)
        if isinstance(alone, Rejected):
            raise CorpusError(f"{path}: {alone.reason}; repair it or choose another image")
        encoder = reopen_encoder(store.header, run_dir.path("features"), runtime)
        return ImageFeatures(alone, 0, LiveFeatures(alone, store.header, encoder))
    found = ImageNames(corpus.images).find(query)
    if len(found) == 1:
        return ImageFeatures(corpus, found[0], store)
    if found:
        some = ", ".join(corpus.images[i].id for i in found[:5])
        raise UsageError(f"{query} may mean {len(found)} images of the run ({some}); give more of its path")
    near = difflib.get_close_matches(query, [image.id for image in corpus.images], 1)
    hint = f"; did you mean {near[0]}?" if near else "; corpus/corpus.jsonl lists them"
    raise UsageError(f"{query} is neither a file nor an image of the run{hint}")


def _heated(view: ImageFeatures, vector: Any, mean: Any, table: Rgb) -> Rgb:
    size = view.image.size.fit(_SIDE)
    small, cosines = view.rgb(size), heat(view, vector, mean, size)
    strength = np.clip(cosines, 0, 1)
    return draw(small, strength, tint(strength, table), style="overlay")


def _marked(picture: Rgb, view: ImageFeatures, at: tuple[float, float] | None) -> Rgb:
    """The picture with a ring around a place of the image, in pixels of the image."""
    if at is None:
        return picture
    scale = picture.shape[0] / view.image.size.height
    middle = (round(at[1] * scale), round(at[0] * scale))
    ringed, radius = picture.copy(), max(6, round(max(picture.shape[:2]) / 45))
    for color, width in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        cv2.circle(ringed, middle, radius, color, width, cv2.LINE_AA)
    return ringed


def _table(names: Sequence[str], alike: Sequence[Match]) -> str:
    rows = []
    for rank, (name, found) in enumerate(zip(names, alike, strict=True), 1):
        at = ("", "") if found.at is None else (f"{found.at[0]:.1f}", f"{found.at[1]:.1f}")
        rows.append([rank, name, f"{found.score:.6f}", *at])
    return csv_text(["rank", "image", "cosine", "row", "column"], rows)
