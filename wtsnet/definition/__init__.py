"""From a model's name and its weights to a network: the registry of models and blocks, inputs, and ONNX files through
TensorRT's parser.

It knows nothing of engines, and of no model: those of the zoo register themselves.
"""

from wtsnet.definition.defining import define, weights_of
from wtsnet.definition.inputs import Image, Input
from wtsnet.definition.onnxfile import OnnxFile, is_onnx
from wtsnet.definition.onnxparser import parse
from wtsnet.definition.preprocessing import axes_of, check_fit, finished, merged, parsed
from wtsnet.definition.registry import (
    Block,
    Model,
    block,
    decoders_of,
    find,
    find_block,
    model,
    models,
    option,
    split,
)
from wtsnet.definition.zoo import zoo

__all__ = [
    "Block",
    "Image",
    "Input",
    "Model",
    "OnnxFile",
    "axes_of",
    "block",
    "check_fit",
    "decoders_of",
    "define",
    "find",
    "find_block",
    "finished",
    "is_onnx",
    "merged",
    "model",
    "models",
    "option",
    "parse",
    "parsed",
    "split",
    "weights_of",
    "zoo",
]
