"""Corruptions of where things lie: turned, nearer, farther, seen from aside.

Nothing is made up: what comes from outside of the image is black, and `back` says where its pixels went. The canvas
keeps its size, so what is moved beyond it is lost. OpenCV warps.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from segpipe.records.corruption import Bools, CorruptedImage, Homography, Rgb


def rotate(rgb: Rgb, degrees: float, rng: np.random.Generator) -> CorruptedImage:
    """Turned about the center, to either side."""
    angle = math.radians(degrees) * rng.choice((-1, 1))
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    return warp(rgb, _about_center(rgb, turn))


def zoom_out(rgb: Rgb, times: float, rng: np.random.Generator) -> CorruptedImage:
    """Everything `times` smaller, about the center; what a pixel shows is the mean of what it now covers."""
    # a Gaussian of this width and a pixel of the image have together the variance of `times` pixels' box
    sigma = math.sqrt((times**2 - 1) / 12)
    return warp(cv2.GaussianBlur(rgb, (0, 0), sigma), _about_center(rgb, np.diag([1 / times, 1 / times, 1])))


def zoom_in(rgb: Rgb, times: float, rng: np.random.Generator) -> CorruptedImage:
    """Everything `times` larger, about the center."""
    return warp(rgb, _about_center(rgb, np.diag([times, times, 1])))


def tilt(rgb: Rgb, degrees: float, rng: np.random.Generator) -> CorruptedImage:
    """The image as a flat board, turned away about an axis through its center, seen at a distance of its long side.

    A point (x, y) of the board comes to (x', y', z'), turned in space, and is seen at f (x', y') / (f + z')
    (Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 2.3).
    """
    height, width = rgb.shape[:2]
    focal, angle, towards = max(height, width), math.radians(degrees), rng.uniform(0, 2 * math.pi)
    axis = np.array([math.cos(towards), math.sin(towards), 0.0])
    turn, _ = cv2.Rodrigues(angle * axis)
    seen = np.array(
        [[turn[0, 0], turn[0, 1], 0], [turn[1, 0], turn[1, 1], 0], [turn[2, 0] / focal, turn[2, 1] / focal, 1]]
    )
    return warp(rgb, _about_center(rgb, seen))


def warp(rgb: Rgb, back: Homography) -> CorruptedImage:
    """Draw an image (H, W, 3) moved by a homography, on a canvas of the same size."""
    height, width = rgb.shape[:2]
    # repeating the border keeps its pixels as bright as they are; what lies outside is painted over after
    moved = cv2.warpPerspective(rgb, back, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = positions(inverse(back), height, width)
    moved[~inside(x, y, height, width)] = 0
    return CorruptedImage(moved, back=back)


def positions(homography: Homography, height: int, width: int) -> tuple[Homography, Homography]:
    """Where a homography brings the pixel centers of an image: columns and rows, each (height, width).

    What would come to lie behind the viewer is NaN.
    """
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)[:, None]
    across, down, depth = (row[0] * x + row[1] * y + row[2] for row in homography)
    depth = np.where(depth > 1e-9, depth, np.nan)
    return across / depth, down / depth


def inverse(homography: Homography) -> Homography:
    """The homography that leads back."""
    return np.asarray(np.linalg.inv(homography), np.float64)


def inside(x: Homography, y: Homography, height: int, width: int) -> Bools:
    """Which positions round to a pixel of an image of this size; NaN lies outside."""
    with np.errstate(invalid="ignore"):
        found = (np.rint(x) >= 0) & (np.rint(x) < width) & (np.rint(y) >= 0) & (np.rint(y) < height)
    return np.asarray(found)


def _about_center(rgb: Rgb, inner: Homography) -> Homography:
    """A homography of coordinates whose origin is the image's center as one of pixel centers."""
    height, width = rgb.shape[:2]
    away = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    there = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    found = away @ inner @ there
    return np.asarray(found / found[2, 2], np.float64)
