"""A model by name, with its weights and options, as a network."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from wtsnet.errors import ModelError
from wtsnet.network import Network, Tensor
from wtsnet.registry import find
from wtsnet.weights import Weights

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from wtsnet.registry import Image

    Range = int | tuple[int, int, int]


def define(
    model: str,
    weights: str | os.PathLike[str] | Mapping[str, Any] | Weights,
    *,
    batch: Range = 1,
    imgsz: int | tuple[Range, Range] | tuple[int, int, int] | None = None,
    precision: str = "fp32",
    fold_bn: bool = True,
    **options: Any,
) -> Network:
    """Define a model's network.

    Args:
        model: a name such as "resnet50" (see `wtsnet models`), or "FILE.py:NAME".
        weights: a .wts path, or a mapping of names to arrays.
        batch: a number, or (min, opt, max).
        imgsz: a number, or (height, width), each a number or (min, opt, max); three numbers are (min, opt, max) of
            both. The model's own size where it is None.
        precision: "fp32", "fp16" or "bf16". Inputs and outputs stay float32.
        fold_bn: whether batch norms are multiplied into the convolutions before them.
        options: the model's own, such as `head="decoded"`.

    Raises:
        ModelError: an unknown model or option, or a size that the model can't take.
        WeightError: a weight is missing, of the wrong shape, or left over.
        NetworkError: TensorRT refuses a layer.
    """
    entry = find(model)
    net = Network(weights, precision=precision, fold_bn=fold_bn)
    config = entry.configure(net.weights, options)
    image = entry.image_of(config)
    height, width = _sizes(model, image, imgsz)
    x = net.input(image.name, (_range("batch", batch), image.channels, height, width))
    for name, output in entry.add_to(net.root, net.root.compute(x), config).items():
        if isinstance(output, Tensor) and output.dtype in ("float16", "bfloat16"):
            output = net.root.cast(output, "float32")
        net.output(name, output)
    net.weights.check_used()
    net.facts |= {
        "task": entry.task,
        "preprocess": _preprocess(image, net.profile[image.name][1][2:]),
        "names": [str(name) for name in net.weights.facts.get("names", ())],
    }
    return net


def _sizes(model: str, image: Image, imgsz: Any) -> tuple[Range, Range]:
    """The ranges of height and width."""
    wanted = image.size if imgsz is None else imgsz
    pair = wanted if isinstance(wanted, tuple | list) and len(wanted) == 2 else (wanted, wanted)
    height, width = (_range("imgsz", size) for size in pair)
    for size in (height, width):
        for pixels in (size,) if isinstance(size, int) else size:
            if pixels % image.multiple:
                raise ModelError(f"imgsz: found {pixels}, expected a multiple of {image.multiple} for {model}")
    return height, width


def _range(name: str, value: Any) -> Range:
    """A number, or (min, opt, max) with 1 ≤ min ≤ opt ≤ max."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value, value, value)
    try:
        low, opt, high = map(index, sizes)
    except (TypeError, ValueError):
        low, opt, high = 0, 0, 0
    if not 1 <= low <= opt <= high:
        raise ModelError(f"{name}: found {value!r}, expected a number or (min, opt, max) with 1 <= min <= opt <= max")
    return low if low == high else (low, opt, high)


def _preprocess(image: Image, size: Sequence[int]) -> dict[str, Any]:
    """What is done to a picture for an input of `size`; the side before a crop keeps its proportion to it."""
    if not image.preprocess:
        return {}
    made = {**image.preprocess, "size": list(size)}
    if "resize" in made:
        usual = image.size if isinstance(image.size, int) else max(image.size)
        made["resize"] = round(made["resize"] * max(size) / usual)
    return made
