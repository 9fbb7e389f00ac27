"""Where things lie outside of the package."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Of the checkout."""
SHARED = ROOT.parent / "shared"
"""Labelled image sets and weights; tests that need them are skipped where they are absent."""
PACKS = SHARED / "data"
