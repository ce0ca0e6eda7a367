"""From a model's name and its weights to a network: the registry of models and blocks, inputs, and ONNX files through
TensorRT's parser.

It knows nothing of engines, and of no model: those of the zoo register themselves.
"""

from wtsnet.definition.defining import define, weights_of
from wtsnet.definition.onnxfile import OnnxFile, is_onnx
from wtsnet.definition.onnxparser import parse
from wtsnet.definition.registry import Block, Image, Model, block, find, find_block, model, models, option, split
from wtsnet.definition.zoo import zoo

__all__ = [
    "Block",
    "Image",
    "Model",
    "OnnxFile",
    "block",
    "define",
    "find",
    "find_block",
    "is_onnx",
    "model",
    "models",
    "option",
    "parse",
    "split",
    "weights_of",
    "zoo",
]
