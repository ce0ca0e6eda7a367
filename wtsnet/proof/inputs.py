"""Inputs for two networks at once: random ones, arrays from a file, a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import VerifyError, nearest
from wtsnet.manifest import read_npz
from wtsnet.pictures import Preprocess, read_image
from wtsnet.trt import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input

    Pair = tuple[Input, Input]

_INTEGERS = {"bool": (0, 1), "int8": (-128, 127), "uint8": (0, 255), "int32": (0, 1), "int64": (0, 1), "int4": (-8, 7)}
"""The smallest and largest random value of each integer dtype; 0 and 1 are indices of any table, and masks."""


def random_inputs(pairs: Sequence[Pair], seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """For each pair of inputs the same values, in the dtype of either.

    Raises:
        VerifyError: there is no shape that both take.
    """
    random = np.random.default_rng(seed)
    made = []
    for pair in pairs:
        dtypes = [numpy_dtype(spec["dtype"]) for spec in pair]
        values = _random([spec["dtype"] for spec in pair], _common_shape(pair), random)
        for dtype in dtypes:  # what both hold exactly
            values = values.astype(dtype)
        made.append((values.astype(dtypes[0]), values))
    return made


def sample_inputs(shapes: Sequence[tuple[Sequence[int], str]], seed: int) -> list[NDArray[Any]]:
    """Random arrays of these shapes and dtypes: float32 uniform in [0, 1); integers as in `random_inputs`.

    Raises:
        VerifyError: another dtype, or a shape that does not fit into memory.
    """
    random = np.random.default_rng(seed)
    return [_sample(tuple(shape), dtype, random) for shape, dtype in shapes]


def _sample(shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> NDArray[Any]:
    known = [name for name in _INTEGERS if name != "int4"]  # which neither numpy nor PyTorch has
    if dtype not in ("float32", *known):
        raise VerifyError(f"dtype: found {dtype!r}, expected float32 or one of {', '.join(known)}")
    try:
        if dtype == "float32":
            return random.random(shape, dtype=np.float32)
        low, high = _INTEGERS[dtype]
        return random.integers(low, high, shape, endpoint=True).astype(dtype)
    except (MemoryError, ValueError):  # "array is too big" is the latter
        raise VerifyError(f"shape: found {shape_text(shape)}, which is too large for this machine's memory") from None


def given_inputs(
    pairs: Sequence[Pair],
    given: str | os.PathLike[str] | Mapping[str, Any],
    preprocess: Mapping[str, Any],
) -> list[tuple[Any, Any]]:
    """For each pair of inputs the value that is given by the name of either, for both.

    Args:
        given: arrays by name, the path of an .npz, or that of a picture.
        preprocess: how a picture becomes the input, as in a plan's manifest; empty where nothing says.

    Raises:
        VerifyError: a file that can't be read; an input that is missing or unknown; a picture without `preprocess`.
        ImageError: not a picture.
    """
    if isinstance(given, Mapping):
        arrays = dict(given)
    elif Path(given).suffix.lower() == ".npz":
        arrays = read_inputs(given)
    else:
        arrays = {pairs[0][0]["name"]: _picture(pairs, given, preprocess)}
    names, values = ", ".join(arrays) or "none", []
    for pair in pairs:
        name = next((spec["name"] for spec in pair if spec["name"] in arrays), None)
        if name is None:
            raise VerifyError(f"input {pair[0]['name']}: not given (given are {names})")
        value = arrays.pop(name)
        values.append((value, value))
    for name in arrays:
        known = list(dict.fromkeys(spec["name"] for pair in pairs for spec in pair))
        raise VerifyError(
            f"input {name}: given, but unknown{nearest(name, known)} (the networks take {', '.join(known)})"
        )
    return values


def read_inputs(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz by name.

    Raises:
        VerifyError: it can't be read, or is none.
    """
    try:
        return read_npz(path)
    except (OSError, ValueError) as error:
        raise VerifyError(f"{os.fspath(path)}: can't be read as an .npz of inputs ({error})") from None


def _common_shape(pair: Pair) -> tuple[int, ...]:
    """The usual shape of the first, or of the second where only that is one that both take."""
    for shape in (spec["opt"] for spec in pair):
        if all(len(spec["min"]) == len(shape) and _within(spec, shape) for spec in pair):
            return tuple(shape)
    takes = " and ".join(f"{spec['name']} {shape_text(spec['min'])} to {shape_text(spec['max'])}" for spec in pair)
    raise VerifyError(f"no shape fits both networks: they take {takes}; see --batch, --imgsz and --shape")


def _within(spec: Input, shape: Sequence[int]) -> bool:
    return all(low <= size <= high for low, size, high in zip(spec["min"], shape, spec["max"], strict=True))


def shape_text(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "()"


def _random(dtypes: Sequence[str], shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    """Values for an input that is of both dtypes: integers where one of them is an integer."""
    for name in dtypes:
        if name in _INTEGERS:
            low, high = _INTEGERS[name]
            return random.integers(low, high, shape, endpoint=True)
    picture = len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))
    return random.random(shape) if picture else random.standard_normal(shape)


def _picture(pairs: Sequence[Pair], path: str | os.PathLike[str], preprocess: Mapping[str, Any]) -> NDArray[Any]:
    """A picture as the networks' one input, as many times as the batch is large."""
    picture = read_image(path)
    if len(pairs) != 1 or not preprocess:
        raise VerifyError(f"{os.fspath(path)}: neither network says how a picture becomes its input; give an .npz")
    shape = _common_shape(pairs[0])
    first = 1 if Preprocess.from_dict(preprocess).channels_last else 2
    prepared, _ = Preprocess.from_dict({**preprocess, "size": shape[first : first + 2]})([picture])
    return np.repeat(prepared, shape[0], axis=0)
