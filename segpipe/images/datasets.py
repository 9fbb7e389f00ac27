"""The folder layouts in which labelled image sets are published: which images a split holds, where each label lies.

Only names are looked at here; what labels mean, `segpipe.labels.encodings` says, which evaluation alone uses.

    cocostuff27   images/train2017/ID.jpg, annotations/train2017/ID.png (stuffthingmaps), and the curated lists of IIC,
                  curated/train2017/Coco164kFull_Stuff_Coarse.txt and curated/val2017/Coco164kFull_Stuff_Coarse_7.txt,
                  the ones STEGO trains on and is evaluated on
    cityscapes27  leftImg8bit/train/CITY/NAME_leftImg8bit.png, gtFine/train/CITY/NAME_gtFine_labelIds.png
    potsdam3      imgs/ID.mat, gt/ID.mat and the lists of IIC: labelled_train.txt, unlabelled_train.txt,
                  labelled_test.txt
    suim          train_val/images/NAME.jpg, train_val/masks/NAME.bmp, and the same below TEST/
    camvid        the SegNet tutorial's: train/NAME.png, trainannot/NAME.png, and so on
    msrc21        MSRC v2: Images/NAME.bmp, GroundTruth/NAME_GT.bmp
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segpipe.base.errors import UsageError, named
from segpipe.base.outside import read_outside
from segpipe.base.shown import quoted
from segpipe.images.listing import Listing
from segpipe.records.corpus import Rejected

_LONGEST = 255  # characters of a name that file systems take
_LARGEST = 1 << 26  # bytes of a list; that of COCO has 2 million

FOLDER = "folder"
"""No layout: any folder of images, and labels named like them."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image of a split and its label; both paths relative to the set's folder, POSIX separators."""

    image: str
    label: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a set's folder is laid out."""

    splits: Mapping[str, tuple[str, ...]]
    """For each split where its images are found: names of folders or lists, as `find` takes them."""
    find: Callable[[Path, str], list[LabelledImage]]
    """The samples of one of these; raises `_Missing`."""


class _Missing(Exception):
    """Something that the layout expects is not there."""


def _names(root: Path, folder: str, ending: str) -> list[str]:
    """Names, without the ending, of the files of a folder; endings in any case."""
    if not (root / folder).is_dir():
        raise _Missing(f"{folder}/")
    names = [path.name for path in (root / folder).iterdir() if path.name.lower().endswith(ending.lower())]
    names = [name for name in names if not name.startswith(".")]
    if not names:
        raise _Missing(f"{folder}/*{ending}")
    return sorted(names)


def _lines(root: Path, name: str) -> list[str]:
    if not (root / name).is_file():
        raise _Missing(f"the list {name}")
    lines = read_outside(
        root / name, most=_LARGEST, what="list of images", way_out="restore the set's own file"
    ).split()
    if not lines:
        raise _Missing(f"names in the list {name}, which is empty,")
    for number, line in enumerate(lines, 1):
        if max(map(len, line.split("/"))) > _LONGEST:
            raise UsageError(
                f"{root / name}: name {number} cannot be that of a file ({len(line)} characters: {quoted(line)}); "
                "restore the set's own file"
            )
    return lines


def _folders(root: Path, *folders: str) -> None:
    for folder in folders:
        if not (root / folder).is_dir():
            raise _Missing(f"{folder}/")


def _cocostuff(root: Path, where: str) -> list[LabelledImage]:
    split, name = where.split("/")
    _folders(root, f"images/{split}")
    lines = _lines(root, f"curated/{split}/{name}")
    return [LabelledImage(f"images/{split}/{line}.jpg", f"annotations/{split}/{line}.png") for line in lines]


def _cityscapes(root: Path, split: str) -> list[LabelledImage]:
    top, ending = f"leftImg8bit/{split}", "_leftImg8bit.png"
    _folders(root, top)
    cities = sorted(path.name for path in (root / top).iterdir() if path.is_dir())
    if not cities:
        raise _Missing(f"{top}/CITY/")
    return [
        LabelledImage(f"{top}/{city}/{name}", f"gtFine/{split}/{city}/{name.removesuffix(ending)}_gtFine_labelIds.png")
        for city in cities
        for name in _names(root, f"{top}/{city}", ending)
    ]


def _potsdam(root: Path, name: str) -> list[LabelledImage]:
    _folders(root, "imgs")
    return [LabelledImage(f"imgs/{line}.mat", f"gt/{line}.mat") for line in _lines(root, name)]


def _suim(root: Path, part: str) -> list[LabelledImage]:
    names = _names(root, f"{part}/images", ".jpg")
    return [LabelledImage(f"{part}/images/{name}", f"{part}/masks/{Path(name).stem}.bmp") for name in names]


def _camvid(root: Path, part: str) -> list[LabelledImage]:
    return [LabelledImage(f"{part}/{name}", f"{part}annot/{name}") for name in _names(root, part, ".png")]


def _msrc(root: Path, part: str) -> list[LabelledImage]:
    names = _names(root, part, ".bmp")
    return [LabelledImage(f"{part}/{name}", f"GroundTruth/{Path(name).stem}_GT.bmp") for name in names]


_POTSDAM = {"train": "labelled_train.txt", "val": "labelled_test.txt", "unlabelled_train": "unlabelled_train.txt"}

LAYOUTS: Mapping[str, Layout] = {
    "cocostuff27": Layout(
        {
            "train": ("train2017/Coco164kFull_Stuff_Coarse.txt",),
            "val": ("val2017/Coco164kFull_Stuff_Coarse_7.txt",),
        },
        _cocostuff,
    ),
    "cityscapes27": Layout({name: (name,) for name in ("train", "val", "test")}, _cityscapes),
    "potsdam3": Layout(
        {**{split: (name,) for split, name in _POTSDAM.items()}, "all": tuple(_POTSDAM.values())}, _potsdam
    ),
    "suim": Layout({"train": ("train_val",), "test": ("TEST",)}, _suim),
    "camvid": Layout({name: (name,) for name in ("train", "val", "test")}, _camvid),
    "msrc21": Layout({"all": ("Images",)}, _msrc),
}
"""Add a set: a function that finds its samples, an entry here, and one in `CODINGS` of `segpipe.labels.encodings`."""


def known_layout(name: str) -> str:
    """Pass on the name of a layout, or `folder`.

    Raises:
        ValueError: there is no such layout; the message lists all.
    """
    if name != FOLDER and name not in LAYOUTS:
        raise ValueError(f"is no layout; choose {FOLDER}, {', '.join(LAYOUTS)}")
    return name


def find_samples(root: Path, *, layout: str, split: str, section: str) -> list[LabelledImage]:
    """The images of a split with their labels, sorted by image. Listed files need not exist.

    Args:
        root: the set's folder.
        layout: a name of `LAYOUTS`.
        split: one of its splits.
        section: the stage whose settings these are, for messages.

    Raises:
        UsageError: the split is unknown, or a folder or list is missing; the message says which, and where.
    """
    splits = LAYOUTS[layout].splits
    if split not in splits:
        state = f"={split} is no split of {layout}" if split else f" is not set for {layout}"
        raise UsageError(f"{section}.split{state}; choose {' or '.join(splits)}")
    if not root.is_dir():
        raise UsageError(f"{root}: there is no such folder; name the folder of the {layout} set")
    try:
        found = {sample for where in splits[split] for sample in LAYOUTS[layout].find(root, where)}
    except _Missing as error:
        raise UsageError(
            f"{root}: the layout {layout}, split {split}, expects {error} in there and it is missing; name the folder "
            f"that holds it, or set {section}.layout={FOLDER} for a plain folder"
        ) from error
    return sorted(found, key=lambda sample: sample.image)


def list_layout(images: str, *, layout: str, split: str) -> Listing:
    """The images of a split, as `listing.list_images` gives those of a folder; listed but missing ones are skipped.

    Raises:
        UsageError: no folder is given, or as `find_samples`.
    """
    if not images:
        raise UsageError(
            f"{named('index.images')} is not set; name the folder of the {layout} set: `segpipe index FOLDER RUN`"
        )
    root = Path(images)
    paths = [sample.image for sample in find_samples(root, layout=layout, split=split, section="index")]
    there = {path for path in paths if (root / path).exists()}
    missing = [Rejected(path, f"the layout {layout} lists it and there is no such file") for path in paths]
    return Listing(
        root,
        tuple(path for path in paths if path in there),
        tuple(item for item in missing if item.path not in there),
    )


def existing(root: Path, samples: Sequence[LabelledImage], *, layout: str) -> list[LabelledImage]:
    """Pass on the samples, all of whose labels exist.

    Raises:
        UsageError: a label is missing; the message names the first and how many.
    """
    missing = [sample.label for sample in samples if not (root / sample.label).is_file()]
    if missing:
        raise UsageError(
            f"{root / missing[0]}: the layout {layout} expects this label file and it is missing "
            f"({len(missing)} of {len(samples)} labels are); add it, or choose another evaluate.split"
        )
    return list(samples)
