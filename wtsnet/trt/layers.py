"""Layers as TensorRT's own classes for them, seen without a change of anybody's handle; and the weights behind them.

`get_layer` gives the base class, or the very object that added the layer where somebody holds it. A `LayerView` reads
through the class of the layer's kind and leaves that object as it was.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

# LayerType -> its interface class, where the class is not the kind in camel case.
_INTERFACES = {
    "ELEMENTWISE": "IElementWiseLayer",
    "GRID_SAMPLE": "IGridSampleLayer",
    "LRN": "ILRNLayer",
    "NMS": "INMSLayer",
    "PARAMETRIC_RELU": "IParametricReLULayer",
    "RAGGED_SOFTMAX": "IRaggedSoftMaxLayer",
    "SOFTMAX": "ISoftMaxLayer",
    "TOPK": "ITopKLayer",
    "CONDITION": "IConditionLayer",
    "CONDITIONAL_INPUT": "IIfConditionalInputLayer",
    "CONDITIONAL_OUTPUT": "IIfConditionalOutputLayer",
    "PLUGIN": "ILayer",
    "PLUGIN_V2": "IPluginV2Layer",
    "PLUGIN_V3": "IPluginV3Layer",
    "KV_CACHE_UPDATE": "IKVCacheUpdateLayer",
    "MOE": "IMoELayer",
}


def interface(kind: str) -> str:
    """The name of the interface class of a LayerType: "MATRIX_MULTIPLY" -> "IMatrixMultiplyLayer"."""
    return _INTERFACES.get(kind) or f"I{kind.title().replace('_', '')}Layer"


def module_of(network: Any) -> ModuleType:
    """The compiled TensorRT module that `network` was made by: tensorrt's or tensorrt_rtx's."""
    return sys.modules[type(network).__module__]


class LayerView:
    """A layer as the class of its kind shows it, read-only.

    Attributes:
        layer_type: its LayerType's name, such as "CONVOLUTION".
        arrays: what wtsnet gave as its weights, in the order of the call that added it; empty for a layer of others.
    """

    __slots__ = ("_interface", "_layer", "arrays", "layer_type")

    def __init__(self, trt: ModuleType, layer: Any, arrays: tuple[NDArray[Any], ...] = ()) -> None:
        self._layer = layer
        self._interface = trt.ILayer
        self.layer_type = str(self.type.name)  # the base class's: that of an activation or a pooling is its own
        self._interface = getattr(trt, interface(self.layer_type), trt.ILayer)
        self.arrays = arrays

    def __getattr__(self, name: str) -> Any:
        layer = self._layer
        before = layer.__class__
        layer.__class__ = self._interface
        try:
            return getattr(layer, name)
        finally:
            layer.__class__ = before


@dataclass
class Kept:
    """What TensorRT reads from until the network is built.

    Attributes:
        arrays: for each layer by its index, the weights that it was given.
        owners: whatever else must live as long as the network.
    """

    arrays: dict[int, tuple[NDArray[Any], ...]] = field(default_factory=dict)
    owners: list[Any] = field(default_factory=list)


# By the definition itself, which whoever goes on with it alone holds: what it reads lives as long as it does.
_KEPT: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()


def kept(network: Any) -> Kept:
    """What is kept for an INetworkDefinition."""
    return _KEPT.setdefault(network, Kept())


def view(network: Any, index: int) -> LayerView:
    """The layer at `index` of an INetworkDefinition."""
    arrays = _KEPT[network].arrays.get(index, ()) if network in _KEPT else ()
    return LayerView(module_of(network), network.get_layer(index), arrays)
