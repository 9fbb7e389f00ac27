"""The regions of images as polygons with their areas, where they lie on the earth: what maps are written from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from segpipe.base.printable import readable
from segpipe.ops.geodesy import Coordinates, coordinates_of, measure
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.sanitize import unique
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.vector.polygonize import Rings, sweep
from segpipe.stages.export.vector.polygons import IMAGE_TRANSFORM, Polygons, place, polygons_of, simplify

_BATCH = 20_000  # polygons a write
_CORNERS = 1_000_000  # of polygons made at a time


@dataclass(frozen=True, slots=True)
class VectorLayer:
    """A layer of a map: polygons that share a coordinate system and columns."""

    name: str
    crs: str
    """As WKT; empty where nothing is known."""
    coordinates: Coordinates
    metric: bool
    """Whether areas are in square meters; else in pixels."""

    @property
    def area(self) -> str:
        """The column of areas."""
        return "area_m2" if self.metric else "area_px"

    @property
    def perimeter(self) -> str:
        """The column of the lengths of outlines, holes included."""
        return "perimeter_m" if self.metric else "perimeter_px"


@dataclass(frozen=True, slots=True)
class Shapes:
    """Polygons of one layer, a row each."""

    polygons: Polygons
    classes: npt.NDArray[np.int32]
    names: npt.NDArray[Any]
    areas: npt.NDArray[np.float64]
    perimeters: npt.NDArray[np.float64]
    images: npt.NDArray[Any]
    """Ids."""


def layers_of(source: Source) -> list[VectorLayer]:
    """The layer of every image, in the corpus's order; the same object for images that share one."""
    keys: dict[str, VectorLayer] = {}
    wanted = [_wanted(source, image) for image in source.corpus.images]
    titles = dict(wanted)
    reserved = ("layer_styles", "sqlite_sequence", "gpkg_contents")
    made = dict(zip(titles, unique(titles.values(), reserved), strict=True))
    for (key, _), image in zip(wanted, source.corpus.images, strict=True):
        if key not in keys:
            crs = image.geo.crs if image.geo else ""
            coordinates = coordinates_of(crs)
            metric = coordinates.unit is not None or source.settings.gsd is not None
            keys[key] = VectorLayer(made[key], crs if coordinates.projjson else "", coordinates, metric)
    return [keys[key] for key, _ in wanted]


def _wanted(source: Source, image: Image) -> tuple[str, str]:
    """What images of one layer have in common, and what it should be called."""
    if source.settings.layers == "image":
        return image.id, readable(image.id)
    if image.geo is None:
        return "", "pixels"
    known = coordinates_of(image.geo.crs)
    name = re.sub(r"\W+", "_", known.code or known.name).strip("_").lower() or "unnamed"
    return known.code or f"wkt {image.geo.crs}", name


def read_shapes(source: Source, image: Image, layer: VectorLayer) -> Iterable[Shapes]:
    """The polygons of an image, many at a time.

    Lengths and areas are those of the written polygons: on the ellipsoid where coordinates are degrees or web Mercator,
    in the plane of any other projected system by its unit, by `export.gsd` where no length is known, else in pixels.

    Memory: 6 bytes a pixel of a strip of the map (a photograph, or a row of a mosaic's tiles) and 33 bytes a corner of
    the image's polygons; some 150 bytes a corner of the polygons at a time, which are all of the image where corners
    are dropped (`export.simplify`).
    """
    found, empty = source.connected(image), source.legend.nodata
    outlines = sweep(found.labels(source.strips(image), empty))
    spans = outlines.parts(_CORNERS) if source.settings.simplify <= 0 else [(0, len(outlines.regions))]
    made = (_shapes(source, image, layer, outlines.rings(*span), found.classes) for span in spans)
    return made if len(spans) > 1 else list(made)  # one span is computed by the thread that asks


def _shapes(source: Source, image: Image, layer: VectorLayer, rings: Rings, classes: npt.NDArray[np.int64]) -> Shapes:
    flat = simplify(polygons_of(rings), source.settings.simplify)
    polygons = place(flat, image.geo.transform if image.geo else IMAGE_TRANSFORM)
    if layer.coordinates.unit is not None:
        areas, perimeters = measure(polygons, layer.coordinates)
    else:
        scale = source.settings.gsd or 1.0
        areas, perimeters = shapely.area(flat) * scale**2, shapely.length(flat) * scale
    names = np.array([readable(name) for name in source.legend.names], object)
    own = classes[np.unique(rings.regions)]
    return Shapes(
        polygons=polygons,
        classes=own.astype(np.int32),
        names=names[own],
        areas=areas,
        perimeters=perimeters,
        images=np.full(len(polygons), readable(image.id), object),
    )


def batches(source: Source, unit: str) -> Iterator[tuple[VectorLayer, Shapes]]:
    """The polygons of all images, many at a time, by layer; every layer comes once at least, if need be empty."""
    layers = dict(zip((image.id for image in source.corpus.images), layers_of(source), strict=True))
    waiting: dict[str, list[Shapes]] = {layer.name: [] for layer in layers.values()}
    told: set[str] = set()
    last = {layer.name: layer for layer in layers.values()}
    for image, made in source.map(lambda image: read_shapes(source, image, layers[image.id]), unit):
        layer = layers[image.id]
        held = waiting[layer.name]
        for shapes in made:
            held.append(shapes)
            if sum(len(part.polygons) for part in held) >= _BATCH:
                yield layer, _join(held)
                told.add(layer.name)
                held.clear()
        if source.settings.layers == "image" and (held or layer.name not in told):
            yield layer, _join(held)
            told.add(layer.name)
            held.clear()
    for layer in last.values():
        if waiting[layer.name] or layer.name not in told:
            yield layer, _join(waiting[layer.name])


def _join(parts: list[Shapes]) -> Shapes:
    return Shapes(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("polygons", "classes", "names", "areas", "perimeters", "images")
        )
    )
