"""What classifiers of ImageNet take."""

from __future__ import annotations

from wtsnet.definition import Image

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def imagenet(
    size: int = 224,
    resize: int = 256,
    *,
    interpolation: str = "bilinear",
    mean: tuple[float, float, float] = MEAN,
    std: tuple[float, float, float] = STD,
    multiple: int = 1,
) -> Image:
    """The usual input: RGB, the shorter side scaled to `resize`, a square of `size` cut out, normalized by channel."""
    preprocess = {
        "kind": "crop",
        "resize": resize,
        "size": size,
        "interpolation": interpolation,
        "mean": list(mean),
        "std": list(std),
    }
    return Image(size=size, name="input", multiple=multiple, preprocess=preprocess)
