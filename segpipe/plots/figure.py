"""The common look of all plots, and figures as SVG bytes. No pyplot: nothing global stays behind."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INK, FAINT, RULE = "#1d2530", "#5b6673", "#d5dae0"
PALETTE = ("#1f5fa8", "#d1702b", "#2f8f6b", INK, "#8a5aa8", "#a8842c")
"""Line colors that stay apart for color-blind readers and in gray."""

_ROOMS = ("axes.", "font.", "xtick.", "ytick.", "lines.", "legend.", "grid.", "savefig.", "svg.", "image.")
_LOOK = {
    "font.size": 8.5,
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
    "text.parse_math": False,  # a dollar in a class name is a dollar
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "segpipe",  # the same bytes for the same data
    "savefig.transparent": False,
}

_MORE_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Hiragino Sans",
)
"""For letters that DejaVu, which comes with matplotlib, does not have."""


@contextmanager
def drawing(width: float, height: float) -> Iterator[Any]:
    """Yield an empty figure of this size in inches, in the common look whatever the user's matplotlibrc says."""
    import matplotlib as mpl  # slow to import: only a page being drawn pays for it
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    plain = {key: value for key, value in mpl.rcParamsDefault.items() if key.startswith(_ROOMS)}
    known = set(font_manager.get_font_names())
    fonts = {"font.family": ["DejaVu Sans", *(name for name in _MORE_FONTS if name in known)]}
    with mpl.rc_context({**plain, **_LOOK, **fonts}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # no font here has it: a box is drawn
        yield Figure(figsize=(width, height), layout="constrained")


def svg(figure: Any) -> bytes:
    """The figure as an SVG document; call it inside the `drawing` block."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def png(figure: Any, *, dpi: int = 200) -> bytes:
    """The figure as a PNG file; call it inside the `drawing` block."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()
