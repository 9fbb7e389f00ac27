"""Known features: what an earlier extraction of a run made, used again instead of being computed."""

from __future__ import annotations

from pathlib import Path

from segpipe.base import files
from segpipe.inference.encoder import WHITENING, has_whitening
from segpipe.store.kept import kept_file
from segpipe.store.run_dir import RunDir


def take_fit(run_dir: RunDir, out: Path) -> None:
    """Whiten `classical` features as those were that the run's kept classes were found on.

    Args:
        run_dir: the run.
        out: where its features are being made.
    """
    fitted = kept_file(run_dir.root, WHITENING)
    if fitted is not None and not has_whitening(out):
        files.write_bytes(out / WHITENING, fitted.read_bytes())
