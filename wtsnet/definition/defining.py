"""A model by name, with its weights and options, as a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.definition.axes import image_ranges, size_range
from wtsnet.definition.onnxfile import OnnxFile, is_onnx
from wtsnet.definition.onnxparser import define_onnx
from wtsnet.definition.pixels import add_picture, told
from wtsnet.definition.registry import find
from wtsnet.errors import ModelError
from wtsnet.network import Network, Tensor, Weights

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from wtsnet.definition.axes import Range, Shape
    from wtsnet.definition.registry import Image


def define(
    model: str,
    weights: str | os.PathLike[str] | Mapping[str, Any] | Weights | None = None,
    *,
    batch: Range | None = None,
    imgsz: int | tuple[Range, Range] | tuple[int, int, int] | None = None,
    precision: str | None = None,
    fold_bn: bool | None = None,
    input: str | None = None,
    shapes: Mapping[str, Shape] | None = None,
    **options: Any,
) -> Network:
    """Define a model's network.

    Args:
        model: a name such as "resnet50" (see `wtsnet models`), "FILE.py:NAME", or an .onnx file, which is read by
            TensorRT's own parser.
        weights: a .wts path, or a mapping of names to arrays; none for an .onnx file, which carries its own.
        batch: a number, or (min, opt, max); 1 where it is None. Of an .onnx file the first axis of all inputs that
            have it dynamic.
        imgsz: a number, or (height, width), each a number or (min, opt, max); three numbers are (min, opt, max) of
            both. The model's own size where it is None. Of an .onnx file height and width of the inputs (N, C, H, W)
            that have them dynamic.
        precision: "fp32" (where it is None), "fp16" or "bf16". Inputs and outputs stay float32. Of an .onnx file what
            it has.
        fold_bn: whether batch norms are multiplied into the convolutions before them, as they are where it is None.
        input: "float32" (where it is None): what `Preprocess` makes of pictures, (N, C, H, W). "uint8", "uint8-bgr":
            pixels, (N, H, W, C), which the network itself scales and normalizes; a quarter of the bytes. Of an .onnx
            file what it has.
        shapes: for an .onnx file alone, by an input's name its shape, or its (min, opt, max) shapes.
        options: the model's own, such as `head="decoded"`.

    Raises:
        ModelError: an unknown model or option, or a size that the model can't take; no ONNX file.
        WeightError: a weight is missing, of the wrong shape, or left over.
        NetworkError: TensorRT refuses a layer or a node.
    """
    if file := _onnx(model, weights):
        return define_onnx(
            file, batch=batch, imgsz=imgsz, shapes=shapes, precision=precision, fold_bn=fold_bn, input=input, **options
        )
    entry = find(model)
    if shapes is not None:
        raise ModelError(f"shapes: found {shapes!r}, but {model} takes batch and imgsz; shapes are for .onnx files")
    net = Network(
        weights_of(model, weights),
        precision="fp32" if precision is None else precision,
        fold_bn=fold_bn is None or fold_bn,
    )
    config = entry.configure(net.weights, options)
    image = entry.image_of(config)
    height, width = _sizes(model, image, imgsz)
    kind = "float32" if input is None else input
    x = add_picture(net, image, size_range("batch", 1 if batch is None else batch), height, width, kind)
    for name, output in entry.add_to(net.root, net.compute(x), config).items():
        if isinstance(output, Tensor) and output.dtype in ("float16", "bfloat16"):
            output = output.float()
        net.output(name, output)
    net.weights.check_used()
    net.facts |= {
        "task": net.facts.get("decode", {}).get("task", entry.task),  # of `yolo` the head says it
        "preprocess": told(_preprocess(image, net.picture_sizes()[1]), kind),
        "names": [str(name) for name in net.weights.facts.get("names", ())],
    }
    return net


def weights_of(model: str, weights: str | os.PathLike[str] | Mapping[str, Any] | Weights | None) -> Weights:
    """Where a model's network takes its weights from: the given ones, or the model's .onnx file itself.

    Raises:
        ModelError: none are given, or some for an .onnx file; it is no ONNX file.
        WtsError, ManifestError: the .wts or its manifest can't be read.
    """
    if file := _onnx(model, weights):
        return file
    if weights is None:
        raise ModelError(f"{model}: found no weights, expected a .wts file (--weights) or a mapping of names to arrays")
    return weights if isinstance(weights, Weights) else Weights(weights)


def _onnx(model: str, weights: Any) -> OnnxFile | None:
    """The ONNX file that a model is; None for any other."""
    if isinstance(weights, OnnxFile):
        return weights
    if not is_onnx(model):
        return None
    if weights is not None:
        raise ModelError(f"{model}: found weights as well, expected none: an .onnx file carries its own")
    return OnnxFile(model)


def _sizes(model: str, image: Image, imgsz: Any) -> tuple[Range, Range]:
    """The ranges of height and width."""
    height, width = image_ranges(image.size if imgsz is None else imgsz)
    for size in (height, width):
        for pixels in (size,) if isinstance(size, int) else size:
            if pixels % image.multiple:
                raise ModelError(f"imgsz: found {pixels}, expected a multiple of {image.multiple} for {model}")
    return height, width


def _preprocess(image: Image, size: Sequence[int]) -> dict[str, Any]:
    """What is done to a picture for an input of `size`; the side before a crop keeps its proportion to it."""
    if not image.preprocess:
        return {}
    made = {**image.preprocess, "size": list(size)}
    if "resize" in made:
        usual = image.size if isinstance(image.size, int) else max(image.size)
        made["resize"] = round(made["resize"] * max(size) / usual)
    return made
