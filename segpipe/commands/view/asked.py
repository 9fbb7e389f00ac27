"""What a request asks for, checked: whole numbers, places, JSON objects. All else is refused with one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from segpipe.base.shown import quoted

_LARGEST = 10**9
_NUMBER = re.compile(r"[0-9]{1,10}")


class BadRequest(ValueError):
    """A request that cannot be meant."""


def number(text: str | None, name: str, *, default: int | None = None, most: int = _LARGEST) -> int:
    """A whole number from 0.

    Raises:
        BadRequest: it is none.
    """
    if text is None:
        if default is None:
            raise BadRequest(f"{name} is missing")
        return default
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise BadRequest(f"{name} {quoted(text, 40)} is no whole number from 0 to {most}")
    return int(text)


def place(text: str | None, name: str) -> float:
    """A coordinate in pixels, from 0.

    Raises:
        BadRequest: it is none.
    """
    try:
        value = math.nan if text is None or len(text) > 40 else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LARGEST:
        raise BadRequest(f"{name} {quoted(text, 40)} is no number from 0")
    return value


def json_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a body holds.

    Raises:
        BadRequest: it holds none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is no JSON") from error
    if not isinstance(found, dict):
        raise BadRequest("the body is no JSON object")
    return found


def whole(given: Mapping[str, Any], name: str, *, least: int = 0, most: int = _LARGEST) -> int:
    """A whole number of a JSON object.

    Raises:
        BadRequest: it is missing or none.
    """
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(f"{name} must be a whole number from {least} to {most}, got {quoted(value, 40)}")
    return value


def coordinate(given: Mapping[str, Any], name: str) -> float:
    """A finite number from 0 of a JSON object.

    Raises:
        BadRequest: it is missing or none.
    """
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise BadRequest(f"{name} must be a number from 0, got {quoted(value, 40)}")
    return float(value)


def text(given: Mapping[str, Any], name: str, *, most: int = 200) -> str:
    """A text of a JSON object.

    Raises:
        BadRequest: it is missing, none or too long.
    """
    value = given.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"{name} must be a text of at most {most} characters, got {quoted(value, 40)}")
    return value


def flag(given: Mapping[str, Any], name: str) -> bool:
    """True or false of a JSON object.

    Raises:
        BadRequest: it is neither.
    """
    value = given.get(name)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false, got {quoted(value, 40)}")
    return value
