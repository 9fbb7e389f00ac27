from pathlib import Path

from segpipe.commands.view.viewer import Viewer
from tests.helpers.view_run import K


def test_a_viewer_warms_describes_and_closes(finished: Path, tmp_path: Path) -> None:
    viewer = Viewer(finished, tmp_path / "cache", beside=True, writable=False)
    viewer.warm()
    found = viewer.describe()
    assert found["beside"] is True
    assert viewer.describe() is found
    state = viewer.state()
    assert len(state["classes"]) == K
    assert {"undo", "redo", "job", "drawing", "busy", "error", "version", "artefacts"} <= state.keys()
    made = [path for path in (tmp_path / "cache" / "tiles").rglob("*") if path.is_file()]
    assert len(made) >= 2
    viewer.close()
