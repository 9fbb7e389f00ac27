"""The corpus on disk.

    corpus.jsonl     one image per line with the boxes of its crops
    header.json      format, root folder, how many images and crops, scaling of deep images, bands where chosen
    valid/<id>.tif   of every mosaic: one bit a pixel, 1 where it holds image
    frames/<id>.png  of every image that is a frame of a video: its pixels
    rejected.jsonl   one line per file skipped: path and reason

Names with bytes that are not UTF-8 survive (surrogateescape).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image, Rejected
from segpipe.records.geo import Geo

_FORMAT = 1


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
        header = json.loads(files.read_text(path / "header.json"))
        if header["format"] != _FORMAT:
            raise UsageError(f"{path} has format {header['format']}, not {_FORMAT}; run `segpipe index` again")
        rows = files.read_jsonl(path / "corpus.jsonl")
        corpus = Corpus(
            root=Path(header["root"]),
            images=tuple(image_of(row) for row in rows),
            crops=tuple(Crop(i, box) for i, row in enumerate(rows) for box in boxes_of(row)),
            scaling={depth: (low, high) for depth, (low, high) in header["scaling"].items()},
            bands=tuple(header.get("bands", ())),
            corpus_dir=path,
        )
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} holds no corpus ({error.filename} is missing); make it with `segpipe index`"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} holds a damaged corpus ({error}); run `segpipe index` again") from error
    if (len(corpus.images), len(corpus.crops)) != (header["images"], header["crops"]):
        raise UsageError(
            f"{path / 'corpus.jsonl'} holds {len(corpus.images)} images where its header says {header['images']}; "
            "run `segpipe index` again"
        )
    return corpus


def load_rejected(path: Path) -> list[Rejected]:
    """Read the skipped files.

    Raises:
        UsageError: `path` holds no list of them.
    """
    try:
        return [Rejected(row["path"], row["reason"]) for row in files.read_jsonl(path / "rejected.jsonl")]
    except FileNotFoundError as error:
        raise UsageError(f"{path} holds no rejected.jsonl; make it with `segpipe index`") from error


def image_row(corpus: Corpus, index: int) -> dict[str, Any]:
    """The line of `corpus.jsonl` of one image, as JSON values."""
    image = corpus.images[index]
    boxes = [corpus.crops[i].box for i in corpus.crops_of[index]]
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
    }


def image_of(row: Mapping[str, Any]) -> Image:
    """The image of such a line."""
    geo, gps, moment = row.get("geo"), row.get("gps"), row.get("moment")
    return Image(
        *(row["id"], row["path"], Size(*row["size"]), row["depth"], row["sha256"], row["bytes"]),
        geo=None if geo is None else Geo(geo[0], (geo[1], geo[2], geo[3], geo[4], geo[5], geo[6])),
        gps=None if gps is None else (gps[0], gps[1]),
        mosaic=row.get("mosaic", False),
        moment=None if moment is None else FrameInfo(**moment),
    )


def boxes_of(row: Mapping[str, Any]) -> list[Box]:
    """The boxes of the crops of such a line."""
    return [Box(*box) for box in row["crops"]]
