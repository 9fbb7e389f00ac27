"""Images beside their labels, for programs that look for both in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from segpipe.base import files
from segpipe.base.errors import CorpusError
from segpipe.base.remote_path import RemotePath
from segpipe.images.corpus_reader import original_file
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.source import Source


def put_image(source: Source, image: Image, folder: Path) -> int:
    """Link or copy an image file to `folder/<id><ending>`, as `export.images` says; returns how many files were made.

    Frames of videos are ours and may go when the export is done: of them a link is a second name of the same file.
    An image on an object store is copied: nothing links to it.

    Raises:
        CorpusError: the file is gone.
    """
    if source.settings.images == "none":
        return 0
    original = source.corpus.path(image).absolute()
    if isinstance(original, RemotePath):
        return _fetch(source, image, folder)
    if not original.is_file():
        raise CorpusError(f"{original} does not exist any more; put it back, or set export.images=none")
    path = _place(image, folder)
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


def _place(image: Image, folder: Path) -> Path:
    path = files.inside(folder, f"{image.id}{PurePosixPath(image.path).suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _fetch(source: Source, image: Image, folder: Path) -> int:
    with original_file(source.corpus, image) as file:
        shutil.copyfile(file, _place(image, folder))
    return 1
