"""Pictures of the docs, made from real output: runs the tutorials' commands in WORK and draws what they wrote.

Usage: python tools/pictures.py WORK [NAME ...]       NAME: demo, photos, mosaic, video, new, notebook; default all
Needs chromium for the screenshot of the report. Some minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import nbformat
import numpy as np
import numpy.typing as npt
import pyogrio
import rasterio
import shapely
from nbclient import NotebookClient

import segpipe
from segpipe.base import files
from segpipe.cli.entry import run_cli

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "pictures"
HEIGHT, GAP = 150, 6

Rgb = npt.NDArray[np.uint8]


def main() -> None:
    """Make the pictures that are asked for."""
    work, *names = sys.argv[1:]
    Path(work).mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    for name in names or MAKE:
        MAKE[name]()


def call(line: str) -> None:
    """Run a command; one that is done already costs nothing."""
    if run_cli(line.split()) != 0:
        sys.exit(f"segpipe {line} failed")


def sample(kind: str, out: str, more: str = "") -> None:
    """Make sample images, once."""
    if not Path(out).exists():
        call(f"sample {kind} {out} {more}")


def save(name: str, rgb: Rgb, *, quality: int = 85) -> None:
    """Write a picture of the docs."""
    ending = Path(name).suffix
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if ending == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    _, encoded = cv2.imencode(ending, rgb[..., ::-1], options)
    files.write_bytes(PICTURES / name, encoded.tobytes())
    print(f"wrote {PICTURES / name}")


def read(path: Path) -> Rgb:
    """An image file as RGB, turned as its EXIF says."""
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None, path
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def at_height(rgb: Rgb, height: int) -> Rgb:
    """Scaled to a height."""
    width = max(1, round(rgb.shape[1] * height / rgb.shape[0]))
    way = cv2.INTER_AREA if height < rgb.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=way), np.uint8)


def in_rows(rows: Sequence[Sequence[Rgb]], height: int = HEIGHT) -> Rgb:
    """Pictures side by side in rows, with white between; all rows must be as wide."""
    lines = [_joined([at_height(each, height) for each in row], axis=1) for row in rows]
    return _joined(lines, axis=0)


def _joined(parts: Sequence[Rgb], *, axis: int) -> Rgb:
    spaced: list[Rgb] = []
    for part in parts:
        shape = list(part.shape)
        shape[axis] = GAP
        spaced += [part, np.full(shape, 255, np.uint8)]
    return np.concatenate(spaced[:-1], axis=axis)


def of_run(run: str, names: Sequence[str], *, out: str = "export") -> Rgb:
    """Images, their classes in colors, and the colors over the images: three rows, a column per image."""
    paths = {row["id"]: Path(row["path"]) for row in segpipe.open(run).images.to_dict("records")}
    home = Path(run) / out
    columns = [(read(paths[n]), read(home / f"color/{n}.png"), read(home / f"overlay/{n}.jpg")) for n in names]
    return in_rows(list(zip(*columns, strict=True)))


def demo() -> None:
    """The first picture of the README."""
    call("demo runs/demo")
    save("demo.jpg", of_run("runs/demo", ["bay/reef_02", "bay/reef_08", "reef_03", "reef_05", "reef_11", "reef_17"]))


def photos() -> None:
    """Those of the tutorial on photographs."""
    sample("photos", "sample")
    call("run sample/images runs/sample --backbone classical --cluster.k 10")
    columns = [
        [read(Path(f"sample/images/{name}.jpg"))] for name in ("bay/reef_02", "reef_05", "bay/reef_08", "reef_11")
    ]
    save("photos-images.jpg", in_rows([[each for column in columns for each in column]]))
    call("name runs/sample --points sample/points.csv --classes sample/classes.txt")
    save("photos-gallery.png", read(sorted(Path("runs/sample/gallery").glob("*.png"))[2]))
    call("run sample/images runs/sample")
    screenshot("runs/sample/report/index.html", "photos-report.jpg", 1100, 1000)
    save("photos-overlay.jpg", of_run("runs/sample", ["bay/reef_02", "reef_05", "bay/reef_08"]))
    call(
        "cover runs/sample --sites sample/sites.csv --by transect --points sample/points.csv "
        "--classes sample/classes.txt"
    )
    shutil.copy("runs/sample/cover/cover.png", PICTURES / "photos-cover.png")


def mosaic() -> None:
    """Those of the tutorial on mosaics."""
    sample("mosaic", "seabed")
    call("run seabed/mosaic.tif runs/seabed --backbone classical --cluster.k 5 --format cog,gpkg,classes")
    call("name runs/seabed --labels seabed/labels --classes seabed/classes.txt --min-images 1")
    call("run seabed/mosaic.tif runs/seabed")
    save("mosaic-image.jpg", at_height(read(Path("seabed/mosaic.tif")), 560))
    save("mosaic-map.jpg", in_rows([[read(Path("seabed/mosaic.tif")), _map_of("runs/seabed")]], height=420))
    call("export runs/seabed --export.min_area 200 --export.simplify 2")
    save("mosaic-polygons.jpg", _polygons("seabed/mosaic.tif", "runs/seabed/export/gpkg/map.gpkg"))


def _map_of(run: str) -> Rgb:
    """The Cloud-Optimized GeoTIFF in the colors of its own table."""
    with rasterio.open(next(Path(run).glob("export/cog/*.tif"))) as file:
        table = np.full((256, 3), 255, np.uint8)
        for value, color in file.colormap(1).items():
            table[value] = color[:3] if color[3] else 255
        return np.asarray(table[file.read(1)], np.uint8)


def _polygons(image: str, layers: str) -> Rgb:
    """A part of the mosaic with the outlines of its polygons, drawn as a program for maps would."""
    with rasterio.open(image) as file:
        picture, inverse = np.moveaxis(file.read(), 0, -1)[560:960, 500:1220], ~file.transform
    picture = np.ascontiguousarray(np.kron(picture, np.ones((2, 2, 1), np.uint8)))
    frame = pyogrio.raw.read(layers, layer=pyogrio.list_layers(layers)[0][0])
    for shape in shapely.from_wkb(frame[2]):
        for part in shapely.get_parts(shape):
            for ring in (part.exterior, *part.interiors):
                x, y = inverse * np.asarray(ring.coords)[:, :2].T
                line = np.round(2 * (np.stack([x, y], axis=1) - (500, 560)) * 8).astype(np.int32)
                cv2.polylines(picture, [line], True, (255, 255, 255), 2, cv2.LINE_AA, 3)
    return picture


def video() -> None:
    """That of the tutorial on videos."""
    sample("video", "swim")
    call("run swim/dive.webm runs/swim --backbone classical --cluster.k 6 --index.frame_step 5")
    call("name runs/swim --labels swim/labels --classes swim/classes.txt")
    call("run swim/dive.webm runs/swim --format color,overlay,video,classes")
    frames = [row["id"] for row in segpipe.open("runs/swim").images.to_dict("records")]
    chosen = [frames[len(frames) * (2 * i + 1) // 8] for i in range(4)]
    save("video-frames.jpg", of_run("runs/swim", chosen))


def new() -> None:
    """That of the tutorial on new images."""
    photos()
    call("bundle runs/sample reef.segpipe")
    sample("photos", "new", "--count 6 --seed 1")
    call("apply reef.segpipe new/images maps --format overlay,classes")
    names = ["bay/reef_02", "reef_03", "reef_05"]
    rows = [[read(next(Path("new/images").glob(f"{name}.*"))) for name in names]]
    rows.append([read(Path(f"maps/overlay/{name}.jpg")) for name in names])
    save("new-images.jpg", in_rows(rows))


def notebook() -> None:
    """Execute the notebook and keep its output."""
    call("demo runs/demo")
    path = DOCS / "tutorials" / "notebook.ipynb"
    made = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(made, timeout=300, resources={"metadata": {"path": str(Path.cwd())}}).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # times
    files.write_text(path, f"{nbformat.writes(made).rstrip()}\n")  # type: ignore[no-untyped-call]
    print(f"wrote {path}")


def screenshot(page: str, name: str, width: int, height: int) -> None:
    """A page as chromium shows it."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        sys.exit("a screenshot needs chromium; install it (apt-get install chromium)")
    shot = Path("shot.png").resolve()
    flags = [
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        f"--screenshot={shot}",
        f"--window-size={width},{height}",
    ]
    subprocess.run([program, *flags, Path(page).resolve().as_uri()], check=True, capture_output=True)
    save(name, read(shot))


MAKE: dict[str, Callable[[], None]] = {
    "demo": demo,
    "photos": photos,
    "mosaic": mosaic,
    "video": video,
    "new": new,
    "notebook": notebook,
}

if __name__ == "__main__":
    main()
