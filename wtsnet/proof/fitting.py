"""The inputs of a golden file as those of a model: by its names, in sizes that it is defined for, of its dtypes."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.definition import Image, define, find, weights_of
from wtsnet.errors import VerifyError
from wtsnet.proof.inputs import shape_text
from wtsnet.trt import numpy_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wtsnet.definition import Input
    from wtsnet.network import Network, Weights

    Arrays = Mapping[str, NDArray[Any]]

_OF_EVERY_MODEL = frozenset(signature(define).parameters)


def inputs_of(
    model: str, weights: str | os.PathLike[str] | Mapping[str, Any] | Weights, options: Mapping[str, Any]
) -> tuple[Weights, Image | Mapping[str, Input]]:
    """What a model takes with these options for `wtsnet.define`, and its weights, read.

    Raises:
        WtsnetError: as `define`, of the model, its options and the weights.
    """
    entry, store = find(model), weights_of(model, weights)
    own = {name: value for name, value in options.items() if name not in _OF_EVERY_MODEL}
    return store, entry.inputs_of(entry.configure(store.again(), own))  # `define` counts what it takes


def by_the_models_names(golden: Any, inputs: Arrays, model: str, takes: Image | Mapping[str, Input]) -> dict[str, Any]:
    """The golden inputs by the names of the model's: those of one name, then the others in their order. The one picture
    goes by any name.

    Raises:
        VerifyError: there are more or fewer than the model takes, or no picture for a model of pictures.
    """
    names = [takes.name] if isinstance(takes, Image) else list(takes)
    if len(inputs) != len(names):
        found = ", ".join(f"{name} {shape_text(array.shape)}" for name, array in inputs.items()) or "no inputs"
        raise VerifyError(f"{golden}: found {found}; expected {len(names)} of them: {model} takes {', '.join(names)}")
    others = iter([array for name, array in inputs.items() if name not in names])
    made = {name: inputs[name] if name in inputs else next(others) for name in names}
    if isinstance(takes, Image) and made[takes.name].ndim != 4:
        raise VerifyError(f"{golden}: found an input of shape {made[takes.name].shape}, expected (N, C, H, W)")
    return made


def sizes_of(inputs: Arrays, takes: Image | Mapping[str, Input]) -> dict[str, Any]:
    """The options of `define` by which a model takes inputs of these sizes."""
    shapes = {name: array.shape for name, array in inputs.items()}
    if not isinstance(takes, Image):
        return {"shapes": shapes}
    batch, _, *size = shapes[takes.name]
    return {"batch": batch, "imgsz": tuple(size)}


def of_its_dtypes(golden: Any, inputs: Arrays, net: Network) -> dict[str, NDArray[Any]]:
    """The inputs in the dtypes of the network's.

    Raises:
        VerifyError: a value would not be the same.
    """
    made = {}
    for name, dtype in ((spec["name"], spec["dtype"]) for spec in net.inputs()):
        array = inputs[name]
        with np.errstate(all="ignore"):  # what is lost shows in the comparison
            cast = array.astype(numpy_dtype(dtype))
            same = np.array_equal(cast.astype(array.dtype), array, equal_nan=array.dtype.kind == "f")
        if not same:
            raise VerifyError(f"{golden}: input {name}: found {array.dtype} values that {dtype} can't hold exactly")
        made[name] = cast
    return made
