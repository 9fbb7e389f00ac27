"""Do intervals of accuracy and mIoU hold the truth? Drawn scores of images, a thousand times over.

Usage: python tools/score_trial.py [REPEATS]   default 1000

Six classes, which images hold in other amounts each; how much of a class is found, and what the rest is taken for,
varies from image to image. Once all images hold all classes, once 40 and 20 of 100 hold two of them. For 5 to 40 images
it prints of 100 how often the interval of `evaluate` and `robustness` holds the scores of all images that there are,
and how often plain percentiles of the same resamples do.
"""

import sys

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.bootstrap import resample
from segpipe.ops.metrics.confusion import ClassCounts, bootstrap, pooled

Float64 = npt.NDArray[np.float64]

AMOUNTS = (3.0, 1.5, 1.0, 0.6, 0.5, 0.4)
EASE = np.array([2.0, 1.5, 1.0, 0.5, 0.3, 0.0])  # log odds that a pixel of a class is found
HOLDING = {"all hold all": (1.0, 1.0), "40, 20 of 100": (0.4, 0.2)}
"""Share of the images that hold the last two classes."""
COUNTS = (5, 10, 20, 40)
PIXELS, DRAWS, VARIES = 10_000.0, 400, 0.8


def judged(rng: np.random.Generator, count: int, holding: tuple[float, float]) -> ClassCounts:
    """Hits, labelled and predicted pixels of drawn images (count, 6)."""
    held = rng.gamma(np.array(AMOUNTS), 1.0, (count, len(AMOUNTS)))
    held[:, -2:] *= rng.random((count, 2)) < holding
    held *= PIXELS / held.sum(axis=1, keepdims=True)
    odds = EASE + rng.normal(0, VARIES, (count, 1)) + rng.normal(0, VARIES, held.shape)
    found = held / (1 + np.exp(-odds))
    taken_for = rng.dirichlet(np.full(len(AMOUNTS), 2.0), count)
    wrong = (held - found).sum(axis=1, keepdims=True) * taken_for
    return ClassCounts(found, held, found + wrong)


def scores(counts: ClassCounts) -> Float64:
    """Accuracy and mIoU (..., 2)."""
    return np.stack([counts.accuracy(), counts.miou()], axis=-1)


def percentiles(images: ClassCounts, seed: int) -> tuple[Float64, Float64]:
    """The middle 95% of resampled scores."""
    drawn = [
        scores(ClassCounts(times @ images.tp, times @ images.support, times @ images.predicted))
        for times in resample(len(images.tp), draws=DRAWS, seed=seed)
    ]
    low, high = np.nanpercentile(np.concatenate(drawn), (2.5, 97.5), axis=0)
    return np.asarray(low), np.asarray(high)


def main() -> None:
    """Repeat, and print the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{'classes':15}{'images':>7}{'accuracy':>16}{'mIoU':>16}   (percentiles, interval)")
    for name, holding in HOLDING.items():
        truth = scores(pooled(judged(np.random.default_rng(9), 400_000, holding)))
        for count in COUNTS:
            held = np.zeros((2, 2))
            for seed in range(repeats):
                images = judged(np.random.default_rng((seed, count)), count, holding)
                own = bootstrap(images, resamples=DRAWS, seed=seed)
                assert own is not None
                plain = percentiles(images, seed)
                held[0] += (plain[0] <= truth) & (truth <= plain[1])
                ends = np.array(own)
                held[1] += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
            shown = (f"{by_rank:9.1f} {by_error:6.1f}" for by_rank, by_error in 100 * held.T / repeats)
            print(f"{name:15}{count:7}", *shown, flush=True)


if __name__ == "__main__":
    main()
