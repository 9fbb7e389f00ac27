"""What a training step of STEGO costs where nothing is stored: what `bench_train.py` holds ours against."""

from __future__ import annotations

import io
from typing import Any

import numpy as np


class OriginalStep:
    """A training step as the original STEGO does it: files decoded, backbone on images and neighbors, two probes.

    Written anew from the paper and the published recipe: ViT-S with random weights, 224 pixels, 16 images and their
    neighbors, a head on all patches, 11 x 11 points, one neighbor and five negatives, a linear probe on codes
    scaled to label size and a cluster probe, three Adams.
    """

    CLASSES, SIDE, BATCH, DIM = 27, 224, 16, 70

    def __init__(self, patch: int) -> None:
        """Build network, head, probes and sixteen pairs of JPEG photographs with PNG labels."""
        import timm
        import torch
        from PIL import Image

        rng = np.random.default_rng(0)
        self.network = timm.create_model(f"vit_small_patch{patch}_224", num_classes=0).eval().requires_grad_(False)
        width = self.network.embed_dim
        self.linear = torch.nn.Conv2d(width, self.DIM, 1)
        self.deep = torch.nn.Sequential(
            torch.nn.Conv2d(width, width, 1), torch.nn.ReLU(), torch.nn.Conv2d(width, self.DIM, 1)
        )
        self.drop = torch.nn.Dropout2d(0.1)
        self.probe = torch.nn.Conv2d(self.DIM, self.CLASSES, 1)
        self.clusters = torch.nn.Parameter(torch.randn(self.CLASSES, self.DIM))
        rates = (
            ([*self.linear.parameters(), *self.deep.parameters()], 5e-4),
            ([*self.probe.parameters()], 5e-3),
            ([self.clusters], 5e-3),
        )
        self.optimizers = [torch.optim.Adam(parameters, lr) for parameters, lr in rates]
        self.grid, self.files = self.SIDE // patch, []
        for _ in range(2 * self.BATCH):
            image, label = io.BytesIO(), io.BytesIO()
            coarse = rng.integers(0, 255, (30, 40, 3)).repeat(16, 0).repeat(16, 1)
            noisy = np.clip(coarse + rng.integers(-10, 11, coarse.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(image, "JPEG", quality=90)
            classes = rng.integers(0, self.CLASSES, (30, 40), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
            Image.fromarray(classes).save(label, "PNG")
            self.files.append((image, label))

    def read(self, place: int) -> tuple[Any, Any]:
        """Decode an image and its label, short side to 224 pixels, middle cut out."""
        import torch
        from PIL import Image

        arrays = []
        for file in self.files[place]:
            with Image.open(file) as picture:
                width, height = (round(length * self.SIDE / min(picture.size)) for length in picture.size)
                small = picture.resize((width, height), Image.Resampling.NEAREST)
                left, top = (width - self.SIDE) // 2, (height - self.SIDE) // 2
                arrays.append(np.asarray(small.crop((left, top, left + self.SIDE, top + self.SIDE))))
        image = torch.from_numpy(arrays[0].copy()).permute(2, 0, 1).float().div(255).sub(0.45).div(0.225)
        return image, torch.from_numpy(arrays[1].astype(np.int64))

    def encode(self, images: Any) -> tuple[Any, Any]:
        """Features and codes of images, each (B, channels, rows, cols)."""
        import torch

        with torch.no_grad():
            tokens = self.network.forward_features(images)[:, self.network.num_prefix_tokens :]
            features = tokens.mT.reshape(len(images), -1, self.grid, self.grid)
        return self.drop(features), self.linear(self.drop(features)) + self.deep(self.drop(features))

    def __call__(self) -> None:
        """One step."""
        import torch
        from torch.nn import functional

        def at(field: Any, points: Any) -> Any:
            return functional.grid_sample(field, points, padding_mode="border", align_corners=True)

        def products(first: Any, second: Any) -> Any:
            first, second = (functional.normalize(field, dim=1, eps=1e-10) for field in (first, second))
            return torch.einsum("nchw,ncij->nhwij", first, second)

        def paired(here: tuple[Any, Any], there: tuple[Any, Any], shift: float) -> Any:
            with torch.no_grad():
                held = products(here[0], there[0])
                mean = held.mean()
                held = held - held.mean((3, 4), keepdim=True)
                held = held - held.mean() + mean
            return -products(here[1], there[1]).clamp(0) * (held - shift)

        images, labels = (torch.stack(part) for part in zip(*map(self.read, range(self.BATCH)), strict=True))
        near, _ = (torch.stack(part) for part in zip(*map(self.read, range(self.BATCH, 2 * self.BATCH)), strict=True))
        features, codes = self.encode(images)
        near_features, near_codes = self.encode(near)
        first, second = (torch.rand(self.BATCH, 11, 11, 2) * 2 - 1 for _ in range(2))
        own = at(features, first), at(codes, first)
        loss = 0.67 * paired(own, own, 0.08).mean()
        loss = loss + 0.25 * paired(own, (at(near_features, second), at(near_codes, second)), 0.02).mean()
        negatives = []
        for _ in range(5):
            order = torch.randperm(self.BATCH)
            other = at(features[order], second), at(codes[order], second)
            negatives.append(paired(own, other, 0.66))
        loss = loss + 0.63 * torch.cat(negatives).mean()
        fixed = codes.detach()
        logits = functional.interpolate(self.probe(fixed), labels.shape[-2:], mode="bilinear", align_corners=False)
        loss = loss + functional.cross_entropy(logits, labels)
        units = functional.normalize(fixed, dim=1), functional.normalize(self.clusters, dim=1)
        alike = torch.einsum("bchw,nc->bnhw", *units)
        loss = loss - (functional.one_hot(alike.argmax(1), self.CLASSES).permute(0, 3, 1, 2) * alike).sum(1).mean()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
