"""The common look of all plots, and figures as SVG bytes. No pyplot: nothing global stays behind."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INK, FAINT, RULE = "#1d2530", "#5b6673", "#d5dae0"
PALETTE = ("#1f5fa8", "#d1702b", "#2f8f6b", INK, "#8a5aa8", "#a8842c")
"""Line colours that stay apart for colour-blind readers and in grey."""

_ROOMS = ("axes.", "font.", "xtick.", "ytick.", "lines.", "legend.", "grid.", "savefig.", "svg.", "image.")
_LOOK = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "segpipe",  # the same bytes for the same data
    "savefig.transparent": False,
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[Any]:
    """Yield an empty figure of this size in inches, in the common look whatever the user's matplotlibrc says."""
    import matplotlib as mpl  # slow to import: only a page being drawn pays for it
    from matplotlib.figure import Figure

    plain = {key: value for key, value in mpl.rcParamsDefault.items() if key.startswith(_ROOMS)}
    with mpl.rc_context({**plain, **_LOOK}):
        yield Figure(figsize=(width, height), layout="constrained")


def svg(figure: Any) -> bytes:
    """The figure as an SVG document; call it inside the `drawing` block."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    return out.getvalue()
