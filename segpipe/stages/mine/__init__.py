"""Mine: for every crop, the k other crops whose pooled features look most alike.

Reads  corpus/    which crops belong to one image
       features/  one pooled vector per crop
Writes pairs/     neighbors (n, k) and cosine scores (n, k); no crop is its own neighbor
"""

from __future__ import annotations

from segpipe.base.runtime import Runtime
from segpipe.stages.mine.mine_settings import Config as Config
from segpipe.stages.mine.pair_work import Pairing, Summary, is_laid_out
from segpipe.store import unit_files
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Sharing

NAME = "mine"
ARTEFACT = "pairs"
NEEDS = ("index", "extract")
PROGRESS = unit_files.FOLDER
FORMAT = 1
FILES = {
    "pairs.npz": "`neighbors` (crops, k) int64, nearest first, and `scores` (crops, k) float32, their cosines",
}

SHARING = Sharing(Pairing, is_laid_out)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Find the neighbors of every crop, but for those that parts have found."""
    with run_dir.resuming(ARTEFACT) as out:
        work = Pairing(config, run_dir, out, runtime)
        if not is_laid_out(out):
            work.lay_out()
        work.write(range(work.units))
        return work.finish()
