"""What is said of kept classes."""

from segpipe.records.kept import KeptClasses


def test_what_is_told() -> None:
    assert KeptClasses("h", "c", 597).told(10600) == "kept: found on 597 images; there are 10,600 now"
    assert "of /runs/a;" in KeptClasses("h", "c", 597, source="/runs/a").told(3)
