"""A model by name, with its weights and options, as a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.definition.inputs import Image, add_inputs
from wtsnet.definition.onnxfile import OnnxFile, is_onnx
from wtsnet.definition.onnxparser import define_onnx
from wtsnet.definition.preprocessing import finished, merged
from wtsnet.definition.registry import find
from wtsnet.errors import ModelError
from wtsnet.network import Network, Weights

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from wtsnet.definition.axes import Range, Shape


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
    preprocess: str | Mapping[str, Any] | None = None,
    task: str | None = None,
    class_names: Sequence[str] | None = None,
    **options: Any,
) -> Network:
    """Define a model's network.

    Args:
        model: a name such as "resnet50" (see `wtsnet models`), "FILE.py:NAME" or "FILE.py" for one of yours, or an
            .onnx file, which is read by TensorRT's own parser.
        weights: a .wts path, or a mapping of names to arrays; none for an .onnx file, which carries its own.
        batch: a number, or (min, opt, max); 1 where it is None. Of a model's inputs the axes called N; of an .onnx file
            the first axis of all inputs that have it dynamic.
        imgsz: a number, or (height, width), each a number or (min, opt, max); three numbers are (min, opt, max) of
            both. The model's own size where it is None. Of other inputs and of an .onnx file height and width of those
            (N, C, H, W) that have them dynamic.
        precision: "fp32" (where it is None), "fp16" or "bf16". Inputs and outputs stay float32. Of an .onnx file what
            it has.
        fold_bn: whether batch norms are multiplied into the convolutions before them, as they are where it is None.
        input: "float32" (where it is None): what `Preprocess` makes of pictures, (N, C, H, W). "uint8", "uint8-bgr":
            pixels, (N, H, W, C), which the network itself scales and normalizes; a quarter of the bytes. Of an .onnx
            file what it has.
        shapes: by an input's name its shape, or its (min, opt, max) shapes.
        preprocess: how a picture becomes the input: a kind, or keys of `wtsnet.pictures.Preprocess`, in place of the
            model's own.
        task: what the outputs are for, in place of what the model says.
        class_names: in the order of their index, in place of what the weights' manifest says.
        options: the model's own, such as `head="decoded"`.

    Raises:
        ModelError: an unknown model or option, or a size that the model can't take; no ONNX file.
        WeightError: a weight is missing, of the wrong shape, or left over.
        NetworkError: TensorRT refuses a layer or a node.
    """
    if file := _onnx(model, weights):
        return define_onnx(
            file,
            batch=batch,
            imgsz=imgsz,
            shapes=shapes,
            precision=precision,
            fold_bn=fold_bn,
            input=input,
            preprocess=preprocess,
            task=task,
            class_names=class_names,
            **options,
        )
    entry = find(model)
    net = Network(
        weights_of(model, weights),
        precision="fp32" if precision is None else precision,
        fold_bn=fold_bn is None or fold_bn,
    )
    config = entry.configure(net.weights, options)
    takes = entry.inputs_of(config)
    image = takes if isinstance(takes, Image) else None
    made = merged(image.preprocess if image else {}, preprocess, model)
    given = add_inputs(net, model, takes, input, made, batch=batch, imgsz=imgsz, shapes=shapes)
    for name, output in entry.add_to(net.root, given, config).items():
        net.output(name, output.float() if output.dtype in ("float16", "bfloat16") else output)
    net.weights.check_used()
    net.facts |= {
        "task": task or net.facts.get("decode", {}).get("task") or entry.task or _usual_task(net, image),
        "preprocess": finished(net.inputs(), model, made, "float32" if input is None else input, image),
        "names": [str(name) for name in (net.weights.facts.get("names", ()) if class_names is None else class_names)],
    }
    return net


def _usual_task(net: Network, image: Image | None) -> str:
    """What a model is there for that does not say so."""
    outputs = net.outputs()
    return "classify" if image and len(outputs) == 1 and len(outputs[0]["shape"]) == 2 else "none"


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
