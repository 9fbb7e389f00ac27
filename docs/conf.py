"""The site of the docs: Sphinx with MyST Markdown and the Furo theme; nothing is loaded from other servers."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

from segpipe.base.version import __version__

project = "segpipe"
author = "the segpipe contributors"
version = release = __version__

extensions = ["myst_nb"]  # Markdown and notebooks
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebook holds its output; a test runs it
nb_ipywidgets_js: dict[str, Any] = {}  # it has no widgets, whose code would come from another server

html_theme = "furo"
html_title = "segpipe"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c70", "color-brand-content": "#0b5c70"},
    "dark_css_variables": {"color-brand-primary": "#6cc6dc", "color-brand-content": "#6cc6dc"},
}
html_static_path = ["style"]
html_css_files = ["docs.css"]
html_math_renderer = "mathml"  # browsers draw it themselves: no MathJax, which would be fetched or shipped


def _math(translator: Any, node: nodes.math | nodes.math_block) -> None:
    block = isinstance(node, nodes.math_block)
    translator.body.append(convert(node.astext(), display="block" if block else "inline"))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register the renderer of formulas."""
    app.add_html_math_renderer("mathml", (_math, None), (_math, None))
