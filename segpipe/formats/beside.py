"""Images beside their labels, for programs that look for both in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from segpipe.base import files
from segpipe.base.errors import CorpusError
from segpipe.formats.source import Source
from segpipe.records.corpus import Image


def put_image(source: Source, image: Image, folder: Path) -> int:
    """Link or copy an image file to `folder/<id><ending>`, as `export.images` says; returns how many files were made.

    Raises:
        CorpusError: the file is gone.
    """
    if source.settings.images == "none":
        return 0
    original = source.corpus.path(image).absolute()
    if not original.is_file():
        raise CorpusError(f"{original} does not exist any more; put it back, or set export.images=none")
    path = files.inside(folder, f"{image.id}{PurePosixPath(image.path).suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.settings.images == "copy":
        shutil.copyfile(original, path)
    else:
        path.symlink_to(original)
    return 1
