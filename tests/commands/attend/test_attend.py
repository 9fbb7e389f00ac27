"""What `segpipe attend` says and returns."""

from segpipe.base.options import make
from segpipe.commands.attend import COMMAND
from segpipe.commands.attend.options import AttendOptions
from segpipe.commands.attend.run import AttendResult
from segpipe.records.corpus import Rejected


def test_a_folder_and_a_video_are_told() -> None:
    broken = Rejected("b.jpg", "empty file")
    folder = AttendResult(pictures=3, files=40, unit="images", film=False, rejected=[broken])
    report = COMMAND.report(folder, make(AttendOptions, {"images": "a", "out": "seen"}))
    assert report.lines == ["sheets   seen/sheets  (3 images, 40 files)"]
    assert (str(report.listed_in), list(report.skipped)) == ("seen/rejected.jsonl", [broken])
    film = AttendResult(pictures=9, files=1, unit="frames", film=True, rejected=[])
    report = COMMAND.report(film, make(AttendOptions, {"images": "a", "out": "seen.webm"}))
    assert (report.lines, report.listed_in) == (["video    seen.webm  (9 frames)"], None)
    assert COMMAND.value(folder) == {"pictures": 3, "files": 40, "rejected": {"b.jpg": "empty file"}}
