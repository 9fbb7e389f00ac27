"""A backbone view whose answers are known, and images for it."""

import numpy as np

from segpipe.commands.attend.maps import RenderConfig, Scale
from segpipe.commands.attend.writers import Output
from segpipe.images.sources import SourceImage
from segpipe.inference.backbone_view import BackboneView
from segpipe.plots.heatmap import color_table

TABLE = color_table("gray")


def red_view(patch=8, seen=None):
    """Attends to red: one head sees the share of red in a patch, the other that of what is not."""

    def attention_maps(images):
        if seen is not None:
            seen.append(len(images))
        count, height, width, _ = images.shape
        cells = images[..., 0].reshape(count, height // patch, patch, width // patch, patch).mean(axis=(2, 4)) / 255
        found = []
        for cell in cells.astype(np.float32):
            found.append({"mean": np.full_like(cell, 0.5), "head00": cell, "head01": 1 - cell})
        return found

    names = ("mean", "head00", "head01")
    return BackboneView("red", "attention", "block 0", patch, names, attention_maps, lambda images: [])


def picture(name, height=32, width=48, red=128, valid=None):
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = red
    return SourceImage(name, rgb, valid)


class Source:
    unit = "images"
    fps = 10.0

    def __init__(self, entries):
        self.entries = entries

    def __len__(self):
        return len(self.entries)

    def __iter__(self):
        return iter(self.entries)

    def sample(self, count):
        return (entry for entry in self.entries if isinstance(entry, SourceImage))


def output(**more):
    drawing = RenderConfig(TABLE, more.pop("scale", Scale(1.0)), **more)
    return Output(drawing, "map", ("mean", "heads"))
