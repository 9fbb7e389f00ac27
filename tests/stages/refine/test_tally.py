from segpipe.stages.refine.tally import Tally


def test_lines_pass_through_and_are_counted() -> None:
    lines = [{"id": "a", "pixels": {"0": 3, "2": 1}, "nodata": 2}, {"id": "b", "pixels": {"2": 4}, "nodata": 0}]
    tally = Tally(4, crf=True)
    assert list(tally.count(lines)) == lines
    said = tally.summary()
    assert (said.images, said.classes, said.pixels, said.nodata, said.crf) == (2, 4, 8, 2, True)
    assert (said.shares, said.empty_classes) == ([0.375, 0.0, 0.625, 0.0], [1, 3])


def test_of_no_mask_nothing_is_said() -> None:
    said = Tally(2, crf=False).summary()
    assert (said.images, said.pixels, said.shares, said.empty_classes) == (0, 0, [0.0, 0.0], [0, 1])
