"""Handwritten digits pasted at random scale on real photographs, with their boxes.

The digits are scikit-learn's 1,797 (8x8 pixels), the photographs those inside the scikit-image and
scikit-learn packages: nothing is downloaded. A fifth of the digits and two photographs are held out of training.

    python -m tools.digits_data held_out.png --index 7
"""

from __future__ import annotations

import argparse
import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SIZE = 416  # height and width of a composite, pixels
DIGIT_SIDE = (16.0, 96.0)  # side of a digit's 8x8 cells on the composite, pixels
PHOTOGRAPH_SIDE = 640  # of a photograph's longer side, pixels, at most
MOST_DIGITS = 10  # in one composite
MOST_OVERLAP = 0.1  # of two boxes, as a part of the smaller
CONTRAST = 80.0  # least difference of ink and paper, in luma of 0..255
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SPLIT_SEED = 0
HELD_OUT_SEED = 2_026

HELD_OUT_PHOTOGRAPHS = ("skimage/data/chelsea.png", "skimage/data/coffee.png")
TRAINING_PHOTOGRAPHS = (
    *(
        f"skimage/data/{name}"
        for name in (
            "astronaut.png",
            "brick.png",
            "camera.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "moon.png",
            "motorcycle_left.png",
            "retina.jpg",
            "rocket.jpg",
        )
    ),
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)


class Digits(NamedTuple):
    """Handwritten digits: ink (n, 8, 8) in 0..1, and what they say (n,)."""

    ink: NDArray[np.float32]
    labels: NDArray[np.int64]


class Composite(NamedTuple):
    """A picture (H, W, 3) of uint8 RGB, boxes (n, 4) as x1 y1 x2 y2 in its pixels, labels (n,)."""

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


@cache
def digits(held_out: bool) -> Digits:
    """scikit-learn's digits: the fifth of each class that is held out, or the rest."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(SPLIT_SEED)
    chosen = []
    for label in range(10):
        members = rng.permutation(np.flatnonzero(labels == label))
        fifth = round(len(members) / 5)
        chosen.append(members[:fifth] if held_out else members[fifth:])
    index = np.sort(np.concatenate(chosen))
    ink = (images[index] / 16).reshape(-1, 8, 8).astype(np.float32)
    return Digits(ink, labels[index].astype(np.int64))


@cache
def photographs(held_out: bool) -> tuple[Image.Image, ...]:
    """The photographs, in RGB: the two held out, or the rest."""
    return tuple(_read(_packaged(name)) for name in (HELD_OUT_PHOTOGRAPHS if held_out else TRAINING_PHOTOGRAPHS))


def composite(
    rng: np.random.Generator, photographs: Sequence[Image.Image], digits: Digits, size: int = SIZE
) -> Composite:
    """One to ten digits on a crop of a photograph; the same `rng` state gives the same picture.

    Boxes are the extent of the ink, where it covers at least half. Two boxes overlap by a tenth of the
    smaller at most, so a digit that finds no room is left out.
    """
    image = _background(rng, photographs[int(rng.integers(len(photographs)))], size)
    boxes: list[NDArray[np.float32]] = []
    labels = []
    for _ in range(rng.integers(1, MOST_DIGITS + 1)):
        chosen = rng.integers(len(digits.labels))
        alpha = _ink(rng, digits.ink[chosen])
        corner = _room(rng, alpha.shape, boxes, size)
        if corner is None:
            continue
        x, y = corner
        h, w = alpha.shape
        _paint(rng, image[y : y + h, x : x + w], alpha)
        boxes.append(np.array([x, y, x + w, y + h], np.float32))
        labels.append(digits.labels[chosen])
    return Composite(image, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def training(seed: int, index: int, size: int = SIZE) -> Composite:
    """Composite number `index` of an endless training set."""
    return composite(np.random.default_rng([seed, index]), photographs(False), digits(False), size)


def held_out(count: int = 500, seed: int = HELD_OUT_SEED, size: int = SIZE) -> Iterator[Composite]:
    """The composites of held-out digits on held-out photographs, always the same ones for a seed."""
    for index in range(count):
        yield composite(np.random.default_rng([seed, index]), photographs(True), digits(True), size)


def _packaged(name: str) -> Path:
    """A file inside an installed package, without importing the package."""
    package, rest = name.split("/", 1)
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package}: not installed; the composites need {name}", name=package)
    return Path(spec.origin).parent / rest


def _read(path: Path) -> Image.Image:
    image = Image.open(path).convert("RGB")
    image.thumbnail((PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE), Image.Resampling.LANCZOS)
    return image


def _background(rng: np.random.Generator, photograph: Image.Image, size: int) -> NDArray[np.uint8]:
    """A square crop of a photograph, flipped, turned and graded at random, as (size, size, 3)."""
    side = min(photograph.size) * rng.uniform(0.4, 1.0)
    x = rng.uniform(0, photograph.width - side)
    y = rng.uniform(0, photograph.height - side)
    crop = photograph.resize((size, size), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.25:
        crop = crop.rotate(90 * int(rng.integers(1, 4)))
    gamma = math.exp(rng.uniform(-0.4, 0.4))
    gains = rng.uniform(0.6, 1.2) * rng.uniform(0.85, 1.15, 3)
    offset = rng.uniform(-20, 40)
    tones = 255 * (np.arange(256) / 255) ** gamma
    curves = np.clip(np.outer(gains, tones) + offset, 0, 255).astype(int)
    return np.array(crop.point(curves.ravel().tolist()), np.uint8)


def _ink(rng: np.random.Generator, digit: NDArray[np.float32]) -> NDArray[np.float32]:
    """A digit scaled, turned and sheared at random: opacity (h, w) in 0..1, cropped to its ink."""
    low, high = DIGIT_SIDE
    scale = math.exp(rng.uniform(math.log(low), math.log(high))) / 8
    aspect = math.exp(rng.uniform(-0.15, 0.15))
    angle = rng.uniform(-0.2, 0.2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    forward = scale * turn @ np.array([[aspect, rng.uniform(-0.2, 0.2)], [0.0, 1 / aspect]])
    inverse = np.linalg.inv(forward)
    padded = np.pad(digit, 2)
    side = math.ceil(scale * 14)
    shift = 6 - inverse @ np.array([side / 2, side / 2])
    coefficients = (*inverse[0], shift[0], *inverse[1], shift[1])
    canvas = Image.fromarray(padded).transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    edge = rng.uniform(0.3, 0.42)  # the level of the smooth enlargement that becomes the outline of the stroke
    softness = rng.uniform(0.1, 0.4)
    alpha = np.clip((np.asarray(canvas) - edge) / softness + 0.5, 0, 1).astype(np.float32)
    rows = np.flatnonzero((alpha >= 0.5).any(1))
    columns = np.flatnonzero((alpha >= 0.5).any(0))
    return alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _room(
    rng: np.random.Generator, shape: tuple[int, ...], boxes: Sequence[NDArray[np.float32]], size: int
) -> tuple[int, int] | None:
    """The top left corner (x, y) of a free place for (h, w), or None after 20 tries."""
    h, w = shape
    if max(h, w) > size:
        return None
    others = np.array(boxes, np.float32).reshape(-1, 4)
    areas = (others[:, 2:] - others[:, :2]).prod(1)
    for _ in range(20):
        x, y = int(rng.integers(size - w + 1)), int(rng.integers(size - h + 1))
        sides = np.minimum(others[:, 2:], [x + w, y + h]) - np.maximum(others[:, :2], [x, y])
        shared = sides.clip(0).prod(1)
        if (shared <= MOST_OVERLAP * np.minimum(areas, h * w)).all():
            return x, y
    return None


def _paint(rng: np.random.Generator, paper: NDArray[np.uint8], alpha: NDArray[np.float32]) -> None:
    """Blend ink of a random colour into `paper` (h, w, 3), in place: by CONTRAST darker or lighter."""
    luma = float((paper.reshape(-1, 3).mean(0) * LUMA).sum())
    darker, lighter = (0.0, luma - CONTRAST), (luma + CONTRAST, 255.0)
    low, high = rng.choice([interval for interval in (darker, lighter) if interval[0] <= interval[1]])
    target = rng.uniform(low, high)
    tint = rng.uniform(-255, 255, 3)
    tint -= tint @ LUMA  # of luma 0: as much of it as fits into 0..255 keeps the ink's luma
    room = np.where(tint > 0, 255 - target, target) / np.abs(tint)
    colour = target + tint * min(1.0, room.min())
    opacity = (alpha * rng.uniform(0.8, 1.0))[..., None]
    paper[...] = np.rint(paper + opacity * (colour - paper)).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one held-out composite as a picture."""
    parser = argparse.ArgumentParser(description="Write one held-out composite of digits on a photograph.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--index", type=int, default=0, help="which of the held-out composites")
    options: Any = parser.parse_args(arguments)
    *_, last = held_out(options.index + 1)
    Image.fromarray(last.image).save(options.out)


if __name__ == "__main__":
    main()
