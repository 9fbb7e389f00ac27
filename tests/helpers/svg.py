"""SVG figures as tests read them."""

from __future__ import annotations

import re
from xml.etree import ElementTree


def is_svg(content: bytes) -> bool:
    return ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def texts(content: bytes) -> list[str]:
    """Matplotlib writes every text it draws as a comment beside its outlines."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", content.decode())]
