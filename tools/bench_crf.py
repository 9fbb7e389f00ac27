"""The dense CRF against pydensecrf: how much faster, and how far apart the results are.

Usage: python tools/bench_crf.py [IMAGES ...] [--classes 27] [--side 320] [--repeats 5]

IMAGES are folders; of each some images are taken, resized to a square. Without any, only drawn pictures are timed: a
smooth one, and noise, of which every pixel is a color of its own. Needs the extra `crf`. Runs alternate in one process:
pydensecrf (one thread), ours with one thread, ours with two; ratios are those of runs beside each other, and of each
the median is printed. Seconds of the processor are told beside those of the clock, for machines with other work to do.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from pydensecrf.densecrf import DenseCRF2D

from segpipe.ops.crf.dense_crf import TOLERANCE, Crf, refine_probabilities

Float32 = npt.NDArray[np.float32]
Rgb = npt.NDArray[np.uint8]


class Case(NamedTuple):
    """A picture and soft classes over it."""

    name: str
    rgb: Rgb
    probabilities: Float32


class Found(NamedTuple):
    """What comparing on one case found; times in seconds."""

    reference: float
    one: float
    two: float
    faster_one: float
    """Ratio of clocks, one thread."""
    faster_two: float
    """Ratio of clocks, two threads against one of the reference."""
    faster_cpu: float
    """Ratio of processor times, one thread."""
    difference: float
    """Mean absolute difference of marginals."""
    largest: float
    same: float
    """Share of pixels with the same label."""
    moved: float
    """Share of pixels whose label the CRF changed."""


def reference(probabilities: Float32, rgb: Rgb, crf: Crf) -> Float32:
    """The same inference by pydensecrf."""
    classes, height, width = probabilities.shape
    field = DenseCRF2D(width, height, classes)
    unary = -np.log(np.clip(probabilities, 1e-5, 1), dtype=np.float32)
    field.setUnaryEnergy(np.ascontiguousarray(unary.reshape(classes, -1)))
    field.addPairwiseGaussian(sxy=crf.gaussian_sxy, compat=crf.gaussian_compat)
    sxy, srgb, compat = crf.bilateral_sxy, crf.bilateral_srgb, crf.bilateral_compat
    field.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=np.require(rgb, np.uint8, ["C", "W"]), compat=compat)
    return np.asarray(field.inference(crf.iterations), np.float32).reshape(classes, height, width)


def soft_classes(rgb: Rgb, classes: int, rng: np.random.Generator) -> Float32:
    """Class probabilities as a run has them: softmax of twice the cosines, of codes on a grid of 20 x 20.

    Codes mix color, place and noise. A quarter of the classes has its center among them; the others are elsewhere.
    """
    height, width = rgb.shape[:2]
    color = cv2.resize(rgb, (20, 20), interpolation=cv2.INTER_AREA).reshape(-1, 3) / 40
    place = np.mgrid[:20, :20].reshape(2, -1).T / 12
    codes = np.concatenate([color, place, rng.normal(scale=0.3, size=(400, 3))], axis=1)
    codes = (codes - codes.mean(axis=0)) @ rng.normal(size=(8, 24))
    near = codes[rng.choice(400, -(-classes // 4))]
    far = rng.normal(size=(classes - len(near), 24)) * codes.std()
    centers = np.concatenate([near, far])
    field = cv2.resize(codes.reshape(20, 20, 24), (width, height), interpolation=cv2.INTER_LINEAR)
    field /= np.linalg.norm(field, axis=-1, keepdims=True)
    odds = np.exp(2 * field @ (centers / np.linalg.norm(centers, axis=1, keepdims=True)).T)
    return np.ascontiguousarray((odds / odds.sum(axis=-1, keepdims=True)).transpose(2, 0, 1), dtype=np.float32)


def drawn_cases(side: int, classes: int) -> Iterator[Case]:
    """A smooth picture and noise."""
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.random((5, 5, 3)) * 255, (side, side), interpolation=cv2.INTER_CUBIC)
    for name, picture in (("smooth", smooth), ("noise", rng.integers(0, 256, (side, side, 3)))):
        rgb = picture.clip(0, 255).astype(np.uint8)
        yield Case(name, rgb, soft_classes(rgb, classes, rng))


def real_cases(folder: Path, side: int, classes: int, count: int = 3) -> Iterator[Case]:
    """`count` images spread over a folder."""
    rng = np.random.default_rng(0)
    paths = sorted(path for path in folder.rglob("*") if cv2.haveImageReader(str(path)))
    for path in paths[len(paths) // (2 * count) :: max(1, len(paths) // count)][:count]:
        image = cv2.imread(str(path))
        assert image is not None
        rgb = cv2.resize(image[..., ::-1], (side, side), interpolation=cv2.INTER_AREA)
        yield Case(path.name, rgb, soft_classes(rgb, classes, rng))


def _timed(function: Callable[[], Float32]) -> tuple[Float32, float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    found = function()
    return found, time.perf_counter() - clock, time.process_time() - processor


def compare(case: Case, *, repeats: int, crf: Crf | None = None, tolerance: float = TOLERANCE) -> Found:
    """Time both on a case, in turn."""
    crf = crf or Crf()
    rgb, probabilities = case.rgb, case.probabilities

    def ours(threads: int) -> Float32:
        return refine_probabilities(probabilities, rgb, crf, threads=threads, tolerance=tolerance)

    ours(1)  # what is compiled and kept is not timed
    rows = []
    for _ in range(repeats):
        wanted, clock, processor = _timed(lambda: reference(probabilities, rgb, crf))
        found, clock_one, processor_one = _timed(lambda: ours(1))
        _, clock_two, _ = _timed(lambda: ours(2))
        faster = (clock / clock_one, clock / clock_two, processor / processor_one)
        rows.append((clock, clock_one, clock_two, *faster))
    apart, labels = np.abs(found - wanted), wanted.argmax(axis=0)
    same, moved = (found.argmax(axis=0) == labels).mean(), (probabilities.argmax(axis=0) != labels).mean()
    times = np.median(rows, axis=0).tolist()
    return Found._make([*times, float(apart.mean()), float(apart.max()), float(same), float(moved)])


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="IMAGES")
    parser.add_argument("--classes", type=int, default=27)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{options.side} x {options.side} pixels, {options.classes} classes, medians of {options.repeats}")
    print(
        "| picture | s, pydensecrf | 1 thread | 2 | faster, 1 | 2 | cpu, 1 | apart, mean | max | same labels | moved |"
    )
    print("|---|" + "---|" * 10)
    cases = [*drawn_cases(options.side, options.classes)]
    cases += [case for folder in options.folders for case in real_cases(folder, options.side, options.classes)]
    for case in cases:
        found = compare(case, repeats=options.repeats, tolerance=options.tolerance)
        times = f"{found.reference:.3f} | {found.one:.3f} | {found.two:.3f}"
        faster = f"{found.faster_one:.2f} | {found.faster_two:.2f} | {found.faster_cpu:.2f}"
        apart = f"{found.difference:.1e} | {found.largest:.1e} | {found.same:.5f} | {found.moved:.2f}"
        print(f"| {case.name} | {times} | {faster} | {apart} |", flush=True)


if __name__ == "__main__":
    main()
