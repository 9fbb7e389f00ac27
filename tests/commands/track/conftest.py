"""What tests of `track` share."""

from pathlib import Path

import pytest

from tests.helpers.tiny_vit import save_tiny_vit


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_vit(tmp_path_factory.mktemp("tiny_vit"))
