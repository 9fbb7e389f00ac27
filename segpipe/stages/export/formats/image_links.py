"""Images beside their labels, for programs that look for both in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from segpipe.base import files
from segpipe.base.errors import CorpusError
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.source import Source


def put_image(source: Source, image: Image, folder: Path) -> int:
    """Link or copy an image file to `folder/<id><ending>`, as `export.images` says; returns how many files were made.

    Frames of videos are ours and may go when the export is done: of them a link is a second name of the same file.

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
    elif image.moment is not None:
        try:
            path.hardlink_to(original)
        except OSError:  # a file system without them
            shutil.copyfile(original, path)
    else:
        path.symlink_to(original)
    return 1
