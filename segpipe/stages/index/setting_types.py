"""What the settings of `index` may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from segpipe.base.files import absolute
from segpipe.images.band_math import parse_formula
from segpipe.images.stack_plan import rule_of


def _numbers_or_names(bands: tuple[int | str, ...]) -> tuple[int | str, ...]:
    found = tuple(int(band) if str(band).strip().isdecimal() else str(band).strip() for band in bands)
    if any(band in (0, "") for band in found):
        raise ValueError("must be bands counted from 1 or by their names, such as 4,3,2 or B04,B03,B02,B08, or all")
    return found


def _formulas(texts: tuple[str, ...]) -> tuple[str, ...]:
    found = [parse_formula(text) for text in texts]
    if len({formula.name.casefold() for formula in found}) < len(found):
        raise ValueError("two formulas have the same name")
    return tuple(formula.text for formula in found)


def _endings(endings: tuple[str, ...]) -> tuple[str, ...]:
    for ending in endings:
        if not ending.strip("_-. ") or "/" in ending:
            raise ValueError(f"{ending!r} must be an ending of names without .tif or .jpg, such as _nir")
    return endings


def _rule(text: str) -> str:
    if text:
        rule_of(text)
    return text


def _from_to(frames: tuple[int, ...]) -> tuple[int, ...]:
    if frames and not (len(frames) == 2 and 0 <= frames[0] < frames[1]):
        raise ValueError("must be FROM,TO with FROM < TO, frames counted from 0, such as 300,900")
    return frames


AbsoluteName = Annotated[str, AfterValidator(lambda name: name and absolute(name))]
Frames = Annotated[tuple[int, ...], AfterValidator(_from_to)]
Bands = Annotated[tuple[int | str, ...], AfterValidator(_numbers_or_names)]
Formulas = Annotated[tuple[str, ...], AfterValidator(_formulas)]
Endings = Annotated[tuple[str, ...], AfterValidator(_endings)]
Rule = Annotated[str, AfterValidator(_rule)]
