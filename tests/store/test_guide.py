from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.store.guide import GUIDE, open_guide, save_guide
from segpipe.store.run_dir import RunDir
from tests.records.test_guide import GUIDE as RECORD


def test_it_comes_back_and_damage_is_one_line(tmp_path: Path):
    run_dir, folder = RunDir(tmp_path, {}), tmp_path / "clusters"
    assert open_guide(run_dir) is None
    folder.mkdir()
    save_guide(RECORD, folder / GUIDE)
    assert open_guide(run_dir) == RECORD
    (folder / GUIDE).write_text((folder / GUIDE).read_text()[:-9])
    with pytest.raises(UsageError, match=r"guide\.json is damaged.*segpipe cluster"):
        open_guide(run_dir)
