"""The small pipeline of these tests."""

from pathlib import Path

import pytest

from tests.helpers.small_pipeline import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path / "run")
