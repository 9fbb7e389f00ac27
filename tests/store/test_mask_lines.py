from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.store.mask_lines import (
    FOLDER,
    join_lines,
    lines_name,
    load_lines,
    save_lines,
)
from segpipe.store.unit_spans import gaps_between, spans_of


def lines(images: range) -> list[dict[str, int]]:
    return [{"id": image} for image in images]


def test_lines_of_parts_and_of_others_come_in_order(tmp_path: Path) -> None:
    for images in (range(6, 9), range(1, 3), range(2, 4), range(9, 12)):  # one overlaps, one is of more images
        save_lines(tmp_path, images, lines(images))
    known = spans_of(tmp_path / FOLDER, "jsonl", 10)
    assert known == [range(1, 3), range(6, 9)]
    left = [image for gap in gaps_between(known, 10) for image in gap]
    assert left == [0, 3, 4, 5, 9]
    made = [{"id": image} for image in left]
    assert list(join_lines(tmp_path, known, made, 10)) == lines(range(10))
    assert list(join_lines(tmp_path, [], lines(range(2)), 2)) == lines(range(2))


def test_what_was_not_written_is_nothing_and_what_is_damaged_is_said(tmp_path: Path) -> None:
    assert load_lines(tmp_path, range(2)) == []
    save_lines(tmp_path, range(2), lines(range(2)))
    assert load_lines(tmp_path, range(2)) == lines(range(2))
    for text in ('{"id": 0}\n', "{"):
        (tmp_path / lines_name(range(2))).write_text(text)
        with pytest.raises(MachineError, match="its bytes changed on disk"):
            load_lines(tmp_path, range(2))
