"""The corpus on disk.

    corpus.jsonl     one image per line with the boxes of its crops
    header.json      format, root folder, how many images and crops, scaling of deep images, bands where chosen
    valid/<id>.tif   of every mosaic: one bit a pixel, 1 where it holds image
    frames/<id>.png  of every image that is a frame of a video: its pixels
    rejected.jsonl   one line per file skipped: path and reason

Names with bytes that are not UTF-8 survive (surrogateescape).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.remote_path import place
from segpipe.base.shown import quoted, shorten
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image, Rejected
from segpipe.records.geo import Geo
from segpipe.records.view import PLAIN, view_of, view_row

_FORMAT = 1
_MOST = 2**53
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""What JSON of other types than ours raises."""


def save_corpus(corpus: Corpus, rejected: Sequence[Rejected], path: Path) -> None:
    """Write a corpus and the skipped files into the directory `path`; the header is written last."""
    files.write_jsonl(path / "rejected.jsonl", ({"path": r.path, "reason": r.reason} for r in rejected))
    files.write_jsonl(path / "corpus.jsonl", (image_row(corpus, i) for i in range(len(corpus.images))))
    header = {
        "format": _FORMAT,
        "root": str(corpus.root),
        "images": len(corpus.images),
        "crops": len(corpus.crops),
        "scaling": {depth: list(limits) for depth, limits in corpus.scaling.items()},
        **({"bands": list(corpus.bands)} if corpus.bands else {}),
    }
    files.write_json(path / "header.json", header)


def load_corpus(path: Path) -> Corpus:
    """Read what `save_corpus` wrote.

    Raises:
        UsageError: `path` holds no corpus, one of another format, or a damaged one.
    """
    try:
        header = files.read_json(path / "header.json")
        if header["format"] != _FORMAT:
            raise UsageError(f"{path} has format {quoted(header['format'])}, not {_FORMAT}; run `segpipe index` again")
        wanted = header["images"], header["crops"]
        rows = files.read_jsonl(path / "corpus.jsonl")
        corpus = Corpus(
            root=place(header["root"]),
            images=tuple(image_of(row) for row in rows),
            crops=tuple(Crop(i, box) for i, row in enumerate(rows) for box in boxes_of(row)),
            scaling={depth: (low, high) for depth, (low, high) in header["scaling"].items() if _numbers([low, high])},
            bands=tuple(_whole(header.get("bands", ()))),
            corpus_dir=path,
        )
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} holds no corpus ({error.filename} is missing); make it with `segpipe index`"
        ) from error
    except _DAMAGE as error:
        raise UsageError(
            f"{path} holds a damaged corpus ({shorten(str(error), 120)}); run `segpipe index` again"
        ) from error
    if (len(corpus.images), len(corpus.crops)) != wanted:
        raise UsageError(
            f"{path / 'corpus.jsonl'} holds {len(corpus.images)} images where its header says {quoted(wanted[0])}; "
            "run `segpipe index` again"
        )
    return corpus


def count_corpus(path: Path) -> tuple[int, int]:
    """How many images and crops a corpus has, of which nothing else is read.

    Raises:
        UsageError: `path` holds no corpus, or a damaged one.
    """
    try:
        header = files.read_json(path / "header.json")
        images, crops = _whole([header["images"], header["crops"]])
    except FileNotFoundError as error:
        raise UsageError(f"{path} holds no corpus; make it with `segpipe index`") from error
    except _DAMAGE as error:
        raise UsageError(f"{path / 'header.json'} is damaged ({error}); run `segpipe index` again") from error
    return images, crops


def load_scaling(path: Path) -> dict[str, tuple[float, float]]:
    """How the deep images of a corpus are scaled; nothing else is read. Empty where that is missing or damaged."""
    try:
        scaling = files.read_json(path / "header.json")["scaling"]
        return {name: (low, high) for name, (low, high) in scaling.items() if _numbers([low, high])}
    except (FileNotFoundError, *_DAMAGE):
        return {}


def load_rejected(path: Path) -> list[Rejected]:
    """Read the skipped files.

    Raises:
        UsageError: `path` holds no list of them, or a damaged one.
    """
    try:
        return [Rejected(*_texts([row["path"], row["reason"]])) for row in files.read_jsonl(path / "rejected.jsonl")]
    except FileNotFoundError as error:
        raise UsageError(f"{path} holds no rejected.jsonl; make it with `segpipe index`") from error
    except _DAMAGE as error:
        raise UsageError(
            f"{path / 'rejected.jsonl'} is damaged ({shorten(str(error), 120)}); run `segpipe index` again"
        ) from error


def image_row(corpus: Corpus, index: int) -> dict[str, Any]:
    """The line of `corpus.jsonl` of one image, as JSON values."""
    return row_of(corpus.images[index], [corpus.crops[i].box for i in corpus.crops_of[index]])


def row_of(image: Image, boxes: Sequence[Box]) -> dict[str, Any]:
    """The line of an image with these crops."""
    return {
        "id": image.id,
        "path": image.path,
        "size": [image.size.height, image.size.width],
        "depth": image.depth,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "crops": [[box.top, box.left, box.height, box.width] for box in boxes],
        **({} if image.geo is None else {"geo": [image.geo.crs, *image.geo.transform]}),
        **({} if image.gps is None else {"gps": list(image.gps)}),
        **({"mosaic": True} if image.mosaic else {}),
        **({} if image.moment is None else {"moment": asdict(image.moment)}),
        **({"view": view_row(image.view)} if image.view != PLAIN else {}),
        **({} if image.levels is None else {"levels": list(image.levels)}),
        **({"notes": list(image.notes)} if image.notes else {}),
    }


def image_of(row: Mapping[str, Any]) -> Image:
    """The image of such a line.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it is none.
    """
    geo, gps, moment, levels = row.get("geo"), row.get("gps"), row.get("moment"), row.get("levels")
    name, path, depth, sha256 = _texts([row["id"], row["path"], row["depth"], row["sha256"]])
    height, width, size = _whole([*row["size"], row["bytes"]])
    return Image(
        *(name, path, Size(height, width), depth, sha256, size),
        geo=None if geo is None else _geo(geo),
        gps=None if gps is None else (_numbers(gps)[0], _numbers(gps)[1]),
        mosaic=bool(row.get("mosaic", False)),
        moment=None if moment is None else _moment(**moment),
        view=view_of(row.get("view", {})),
        levels=None if levels is None else (_numbers(levels)[0], _numbers(levels)[1]),
        notes=tuple(_texts(row.get("notes", ()))),
    )


def boxes_of(row: Mapping[str, Any]) -> list[Box]:
    """The boxes of the crops of such a line; raises as `image_of`."""
    _whole([value for box in row["crops"] for value in box])
    return [Box(*box) for box in row["crops"]]


def _geo(values: Sequence[Any]) -> Geo:
    (crs,), (a, b, c, d, e, f) = _texts(values[:1]), _numbers(values[1:])
    return Geo(crs, (a, b, c, d, e, f))


def _moment(video: str, index: int, seconds: float, lasts: float) -> FrameInfo:
    _texts([video])
    _whole([index])
    _numbers([seconds, lasts])
    return FrameInfo(video, index, seconds, lasts)


def _numbers(values: Sequence[Any]) -> Sequence[float]:
    for value in values:
        if type(value) not in (int, float):
            raise ValueError(f"{quoted(value)} is no number")
    return values


def _whole(values: Sequence[Any]) -> Sequence[int]:
    for value in values:
        if type(value) is not int or not -_MOST < value < _MOST:
            raise ValueError(f"{quoted(value)} is no whole number of 53 bits")
    return values


def _texts(values: Sequence[Any]) -> Sequence[str]:
    for value in values:
        if type(value) is not str or "\0" in value:
            raise ValueError(f"{quoted(value)} is no text, or none that names a file")
    return values
