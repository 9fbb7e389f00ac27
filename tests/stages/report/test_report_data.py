"""What a report is made of."""

from segpipe.plots.thumbnails import Picture
from segpipe.stages.report.report_data import ReportPictures

ONE, TWO = Picture("data:1", 1, 1), Picture("data:2", 2, 2)


def test_pictures_of_parts_come_together_in_the_order_in_which_they_were_drawn() -> None:
    drawn = ReportPictures(overlays={3: (ONE, ONE)}, top_images={(3, 0): ONE})
    drawn.update(ReportPictures(overlays={1: (TWO, TWO)}, top_images={(3, 1): TWO}))
    assert list(drawn.overlays) == [3, 1]
    assert drawn.top_images == {(3, 0): ONE, (3, 1): TWO}
