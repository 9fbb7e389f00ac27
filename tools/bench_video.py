"""J, F and J&F of propagated masks on folders of frames, beside simple baselines; and rates beside the bare network.

    python tools/bench_video.py scores DATA --backbone NAME --weights FILE [--sequences dog blackswan] [--short 480]
    python tools/bench_video.py rate DATA/images/dog DATA/labels/dog/00000.png --backbone NAME --weights FILE
        [--command track]

DATA holds images/<sequence>/ and labels/<sequence>/ (index PNGs, 0 = background), as DAVIS does after unpacking. The
first and the last frame of a sequence do not count. `scores` prints a line for every sequence and method:

    propagate    the first frame's mask carried as `segpipe propagate` does by default
    still        the first frame's mask, kept where it was
    nearest      every patch has the label of the most alike patch of the first frame, wherever that lies
    saliency     of every frame alone: the strongest pixels of the attention of CLS that hold 60% of its mass
    track        the track of `segpipe track` that overlaps the object most over the film: the truth chooses it
    first track  the one that holds most of the object in its first frame

`rate` prints frames a second of the network alone, of the whole command from its start to its last file, and of each
frame after the first third: what a long film comes to. A ratio is to the network alone, in the same turn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import segpipe
from segpipe.base.geometry import Grid, Size
from segpipe.base.runtime import make_runtime
from segpipe.images.numbered_frames import NumberedFrame, open_frames
from segpipe.inference.backbone_view import BackboneView, PatchView, open_backbone_view
from segpipe.inference.frame_features import open_frame_features
from segpipe.ops.maps import upsample_maps
from segpipe.ops.metrics.video_objects import ObjectScore, compare_masks, mean_score
from segpipe.ops.propagation.frame_grid import input_size, to_input_size
from segpipe.ops.propagation.label_affinity import AffinityRule, carry_labels, unit_features
from segpipe.ops.propagation.label_context import LabelContext
from segpipe.ops.propagation.soft_maps import Deciding, decide, one_hot
from segpipe.store.masks import read_mask

Mask = npt.NDArray[np.bool_]
KEPT = 0.6
METHODS = ("propagate", "still", "nearest", "saliency")


def seen(folder: Path, view: BackboneView, short: int) -> Iterator[tuple[Size, PatchView]]:
    """Size, features and attention of every frame."""
    frames = open_frames(str(folder), workers=1)
    size = input_size(frames.size, short=short, patch=view.patch, protocol="dino")
    for frame in frames.read(0):
        if isinstance(frame, NumberedFrame):
            yield frame.size, view.patch_views([to_input_size(frame.rgb, size, protocol="dino")])[0]


def salient(found: PatchView, size: Size, patch: int) -> Mask:
    """The strongest pixels of an attention map."""
    rows, cols = found.map.shape
    grid = Grid(rows, cols, patch, content=Size(rows * patch, cols * patch), source=size)
    pixels = upsample_maps.to_pixels(found.map, grid, size, nearest=False)
    return upsample_maps.keep_mass(pixels, KEPT, None)


def found_masks(
    folder: Path, first: npt.NDArray[np.uint8], view: BackboneView, short: int
) -> Iterator[dict[str, npt.NDArray[np.integer]]]:
    """What every method says of every frame but the first."""
    classes, deciding = int(first.max()) + 1, Deciding(view.patch)
    nearest, context = AffinityRule(radius=0, top=1), None
    for size, found in seen(folder, view, short):
        features = unit_features(torch.from_numpy(found.patches))
        if context is None:
            labels = one_hot(first, *features.shape[:2], classes=classes, empty=255)
            context = LabelContext(features, labels, AffinityRule(), recent=7)
            continue
        source, known = context.given
        yield {
            "propagate": decide(context.step(features), size, deciding, empty=255),
            "still": first,
            "nearest": decide(carry_labels(features, [source], [known], nearest), size, deciding, empty=255),
            "saliency": salient(found, size, view.patch).astype(np.uint8),
        }


def scores(data: Path, name: str, view: BackboneView, short: int) -> dict[str, ObjectScore]:
    """Mean over the objects of a sequence, of every method; saliency knows one object, all of them together."""
    files = sorted((data / "labels" / name).glob("*.png"))
    first = np.asarray(read_mask(files[0]), np.uint8)
    objects = [int(k) for k in np.unique(first) if k not in (0, 255)]
    pairs: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
    for path, masks in zip(files[1:-1], found_masks(data / "images" / name, first, view, short), strict=False):
        truth = read_mask(path)
        for method, mask in masks.items():
            for k in objects:
                wanted = (truth > 0) & (truth != 255) if method == "saliency" else truth == k
                own = mask > 0 if method == "saliency" else mask == k
                pairs[method].append(compare_masks(wanted, own))
    return {method: mean_score(each) for method, each in pairs.items()}


def track_scores(
    data: Path, name: str, backbone: str, weights: Path | None, *, short: int, device: str
) -> dict[str, ObjectScore]:
    """What `segpipe track` reaches, mean over the objects of a sequence."""
    with tempfile.TemporaryDirectory() as folder:
        done = segpipe.track(
            str(data / "images" / name), Path(folder) / "out", backbone=backbone, weights=weights, input_size=short,
            device=device, labels=data / "labels" / name, no_overlay=True,
        )  # fmt: skip
    frames = len(list((data / "labels" / name).glob("*.png"))) - 2
    found = {}
    for method, kind in (("track", "best"), ("first track", "first")):
        pairs = [(each[kind]["j"], each[kind]["f"]) for each in done["objects"].values()]
        j, f = np.mean(pairs, axis=0).tolist()
        found[method] = ObjectScore(j=j, f=f, frames=frames)
    return found


def show(name: str, method: str, score: ObjectScore) -> None:
    """Print a line."""
    print(
        f"{name:20} {method:11} J {100 * score.j:5.1f}  F {100 * score.f:5.1f}  J&F {100 * score.jf:5.1f}", flush=True
    )


def print_scores(given: argparse.Namespace) -> None:
    """Print scores of all sequences, and their means."""
    view = open_backbone_view(given.backbone, given.weights, make_runtime(given.device), block=-1)
    names = given.sequences or sorted(path.name for path in (given.data / "images").iterdir())
    found = {}
    for name in names:
        found[name] = scores(given.data, name, view, given.short)
        found[name] |= track_scores(
            given.data, name, given.backbone, given.weights, short=given.short, device=given.device
        )
        for method, score in found[name].items():
            show(name, method, score)
    for method in found[names[0]]:
        each = [found[name][method] for name in names]
        mean = ObjectScore(float(np.mean([s.j for s in each])), float(np.mean([s.f for s in each])), len(each))
        show(f"mean of {len(each)}", method, mean)


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_rate(given: argparse.Namespace) -> None:
    """Network alone and the whole command in turns, on the same frames at one run."""
    runtime = make_runtime(given.device)
    frames = open_frames(str(given.images), workers=1, stop=given.count)
    features = open_frame_features(given.backbone, given.weights, runtime, block=-1, samples=lambda: [])
    size = input_size(frames.size, short=given.short, patch=features.patch, protocol="dino")
    inputs = [
        to_input_size(each.rgb, size, protocol="dino") for each in frames.read(0) if isinstance(each, NumberedFrame)
    ]
    features.describe(inputs[0])
    shared = {
        "backbone": given.backbone, "weights": given.weights, "device": given.device, "input_size": given.short,
        "no_overlay": given.no_overlay,
    }  # fmt: skip

    def whole(count: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            out, film = Path(folder) / "out", str(given.images)
            if given.command == "track":
                segpipe.track(film, out, frames=(0, count), **shared)
            else:
                segpipe.propagate(film, out, masks=given.mask, frames=(0, count), **shared)

    count, third = len(inputs), len(inputs) // 3
    for _ in range(given.times):
        bare = timed(lambda: [features.describe(each) for each in inputs]) / count
        short, long = timed(partial(whole, third)), timed(partial(whole, count))
        further = (long - short) / (count - third)
        print(
            f"network {1 / bare:.2f} frames/s; {given.command} {count / long:.2f}, ratio {bare * count / long:.2f}; "
            f"each further frame {1 / further:.2f}, ratio {bare / further:.2f}",
            flush=True,
        )


def main() -> None:
    """Read what was typed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    kinds = parser.add_subparsers(required=True)
    for kind, work in (("scores", print_scores), ("rate", print_rate)):
        sub = kinds.add_parser(kind)
        sub.set_defaults(work=work)
        if kind == "scores":
            sub.add_argument("data", type=Path)
            sub.add_argument("--sequences", nargs="*")
        else:
            sub.add_argument("images", type=Path)
            sub.add_argument("mask", type=Path)
            sub.add_argument("--command", choices=("propagate", "track"), default="propagate")
            sub.add_argument("--count", type=int, default=60)
            sub.add_argument("--times", type=int, default=3)
            sub.add_argument("--no-overlay", action="store_true")
        sub.add_argument("--backbone", required=True)
        sub.add_argument("--weights", type=Path)
        sub.add_argument("--short", type=int, default=480)
        sub.add_argument("--device", default="auto")
    given = parser.parse_args()
    given.work(given)


if __name__ == "__main__":
    main()
