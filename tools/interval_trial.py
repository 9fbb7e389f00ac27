"""Do intervals of cover hold the truth? Drawn photographs of a place whose cover is known, a thousand times over.

Usage: python tools/interval_trial.py [REPEATS]   default 1000

Four classes: what is left, one that varies like a gamma distribution from photograph to photograph, one that 15 of 100
photographs hold, and one that varies like a lognormal distribution. For 5 to 40 photographs it prints of 100 how often
the interval of `cover` holds each, and how often plain percentiles of the same resamples do. They are of one site; 40
photographs of other sites say how much of them classes cover that no photograph of this one shows.
"""

import sys

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.bootstrap import resample
from segpipe.ops.metrics.cover_shares import shares_where_held
from segpipe.stages.cover.estimators import bootstrap_shares

Float64 = npt.NDArray[np.float64]

NAMES = ("even", "gamma", "in 15%", "lognormal")
COUNTS = (5, 10, 20, 40)
PIXELS, DRAWS, OTHERS = 5000.0, 400, 40


def photographs(rng: np.random.Generator, count: int) -> Float64:
    """Pixels (count, 4) by class."""
    parts = np.stack(
        [
            np.full(count, 0.7),
            rng.gamma(1.2, 0.2 / 1.2, count),
            (rng.random(count) < 0.15) * rng.gamma(1.0, 0.02 / 0.15, count),
            np.exp(rng.normal(-0.5, 1.0, count)) * 0.08,
        ],
        axis=1,
    )
    return np.asarray(PIXELS * parts / parts.sum(axis=1, keepdims=True))


def percentiles(amounts: Float64, seed: int) -> tuple[Float64, Float64]:
    """The middle 95% of resampled shares."""
    drawn = np.concatenate([times @ amounts for times in resample(len(amounts), draws=DRAWS, seed=seed)])
    low, high = np.percentile(drawn / drawn.sum(axis=1, keepdims=True), (2.5, 97.5), axis=0)
    return np.asarray(low), np.asarray(high)


def main() -> None:
    """Repeat, and print the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    truth = photographs(np.random.default_rng(99), 2_000_000).sum(axis=0)
    truth /= truth.sum()
    print(f"{'photographs':12}", *(f"{name:>20}" for name in NAMES), "  (percentiles, interval)")
    for count in COUNTS:
        held = np.zeros((2, len(NAMES)))
        for seed in range(repeats):
            amounts = photographs(np.random.default_rng((seed, count)), count)
            others = photographs(np.random.default_rng((seed, count, 1)), OTHERS)
            where_held = shares_where_held(np.concatenate([amounts, others]))
            own = bootstrap_shares(amounts, draws=DRAWS, seed=seed, where_held=where_held)
            assert own is not None
            for row, (low, high) in enumerate((percentiles(amounts, seed), own)):
                held[row] += (low <= truth) & (truth <= high)
        print(f"{count:12}", *(f"{plain:13.1f} {own:6.1f}" for plain, own in 100 * held.T / repeats), flush=True)


if __name__ == "__main__":
    main()
