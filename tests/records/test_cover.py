import pytest
from pydantic import ValidationError

from segpipe.records.cover import Cover, Part, Share

SHARE = Share(number=0, name="sand", share=0.5, pixels=7)
WHOLE = Part(name="all", images=2, shares=[SHARE])
COVER = Cover(
    legend="abc", classes=["sand"], colors=["#aa0000"], weight="pixels", unit="image", by="", draws=9, whole=WHOLE,
    sites=[], images=[],
)  # fmt: skip


def test_it_comes_back_from_json_with_what_is_not_known_as_none() -> None:
    text = COVER.model_dump_json()
    assert '"low":null' in text
    assert Cover.model_validate_json(text) == COVER
    assert (SHARE.low, SHARE.high, SHARE.area, COVER.correction) == (None, None, None, None)


def test_names_that_are_no_utf8_become_text() -> None:
    cover = COVER.model_copy(update={"images": [Part(name="a\udcff.jpg", site="\udcfe", images=1, shares=[])]})
    (image,) = Cover.model_validate_json(cover.model_dump_json()).images
    assert (image.name, image.site) == ("a?.jpg", "?")


def test_unknown_and_missing_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Share(number=0, name="sand", share=0.5, pixels=7, percent=50)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="whole"):
        Cover.model_validate(COVER.model_dump(exclude={"whole"}))
