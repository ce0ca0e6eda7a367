"""Interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, op, shape_tensor
from wtsnet.network.indexing import index_select
from wtsnet.network.pointwise import floor, minimum
from wtsnet.network.product import matmul
from wtsnet.network.shape import to, transpose
from wtsnet.ops.create import arange_like
from wtsnet.ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from wtsnet.ops.windows import spatial

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wtsnet.network import Tensor

# PyTorch's modes: TensorRT's mode, its coordinates without align_corners, and of how many spatial dimensions.
_MODES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "nearest": ("NEAREST", "ASYMMETRIC", (1, 2, 3)),
    "nearest-exact": ("NEAREST", "HALF_PIXEL", (1, 2, 3)),
    "area": ("", "", (1, 2, 3)),
    "linear": ("LINEAR", "HALF_PIXEL", (1,)),
    "bilinear": ("LINEAR", "HALF_PIXEL", (2,)),
    "trilinear": ("LINEAR", "HALF_PIXEL", (3,)),
    "bicubic": ("CUBIC", "HALF_PIXEL", (2,)),
    "lanczos": ("", "", (2,)),
}
_LARGEST = 1 << 16  # what is said of sizes that are known only at run time holds up to this one


class _Axis(NamedTuple):
    """How a spatial dimension is resized.

    Attributes:
        before: its size.
        after: the size that it gets; None where that is known only at run time and `Dim`s can't tell it.
        factor: places in the output over places in the input; None stands for after / before.
    """

    before: int | Dim
    after: int | Dim | None
    factor: float | None

    @property
    def fixed(self) -> bool:
        """Whether both sizes are known."""
        return isinstance(self.before, int) and isinstance(self.after, int)

    @property
    def kept(self) -> bool:
        """Whether it stays as it is."""
        return self.factor == 1 or (self.fixed and self.factor is None and self.before == self.after)


@op("torch.nn.functional.interpolate")
def interpolate(
    input: Tensor,
    size: int | Dim | Sequence[int | Dim] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    *,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """(N, C, spatial …) in other spatial sizes.

    It is TensorRT's resize layer where that is bound to give what PyTorch gives. Where it hangs on how a program
    rounds, as which row of 2 is the nearest to row 41 of 82, or where the layer has no such mode, fixed sizes are
    picked by PyTorch's own indices or multiplied by its weights.

    Args:
        size: the output's spatial sizes, also such as are known only at run time; or
        scale_factor: output size over input size, rounded down. For a size that is known only at run time it must be
            one for which float32 rounds as PyTorch's float64 does: 2, 1.5 or 1.1, but not 1.4.
        mode: "nearest", "nearest-exact" or "area" (the mean of what a pixel covers); "linear", "bilinear" or
            "trilinear" by the number of spatial dimensions; "bicubic" or "lanczos" of two.
        align_corners: whether the centres of the corner pixels keep their place; with the linear modes and "bicubic".
        recompute_scale_factor: whether the sizes alone tell where pixels lie, and not `scale_factor`.
        antialias: whether to smooth before a picture shrinks: "bilinear", "bicubic" and "lanczos" of fixed sizes.
    """
    _check_mode(input, mode, align_corners, antialias)
    if (scale_factor is None) == (size is None):
        raise input.error(f"found size={size} and scale_factor={scale_factor}, expected one of the two")
    if size is not None:
        if recompute_scale_factor:
            raise input.error(f"recompute_scale_factor: found True with size={size}, expected it with scale_factor")
        axes = _axes_of_sizes(input, size)
    else:
        axes = _axes_of_factors(input, scale_factor, recompute_scale_factor or mode == "area")
        if mode.endswith("linear") or antialias:  # PyTorch leaves alone what keeps its size, as 19 by 1.05
            axes = [axis._replace(factor=None) if axis.fixed and axis.before == axis.after else axis for axis in axes]
    if all(axis.kept for axis in axes):
        return input
    if mode == "area":
        return _means(input, axes)
    if mode.startswith("nearest"):
        return _nearest(input, axes, mode)
    return _blended(input, axes, mode, bool(align_corners), antialias)


def _check_mode(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _MODES:
        raise x.error(f"mode: found {mode!r}, expected one of {', '.join(_MODES)}")
    ranks = _MODES[mode][2]
    if spatial(x) not in ranks:
        raise x.error(f"mode: found {mode!r} for shape {x.shape}, expected {ranks[0]} spatial dimensions")
    if align_corners is not None and (mode.startswith("nearest") or mode == "area"):
        raise x.error(f"align_corners: found {align_corners} with mode {mode!r}, expected None")
    if antialias and mode not in _FILTERS:
        raise x.error(f"antialias: found True with mode {mode!r}, expected one of {', '.join(_FILTERS)}")
    if mode == "lanczos" and not antialias:
        raise x.error("antialias: found False with mode 'lanczos', expected True")
    if mode == "lanczos" and align_corners:
        raise x.error("align_corners: found True with mode 'lanczos', expected None or False")


def _axes_of_sizes(x: Tensor, size: int | Dim | Sequence[int | Dim]) -> list[_Axis]:
    rank = spatial(x)
    sizes = tuple(size) if isinstance(size, Sequence) else (size,) * rank
    if len(sizes) != rank or any(isinstance(n, int) and n < 1 for n in sizes):
        raise x.error(f"size: found {size}, expected a positive number or {rank} of them")
    return [_Axis(before, after, None) for before, after in zip(x.dims[2:], sizes, strict=True)]


def _axes_of_factors(x: Tensor, scale_factor: Any, by_size: bool) -> list[_Axis]:
    """`by_size` asks for axes that the sizes tell all of."""
    rank = spatial(x)
    factors = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor,) * rank
    if len(factors) != rank or min(factors) <= 0:
        raise x.error(f"scale_factor: found {scale_factor}, expected a positive number or {rank} of them")
    axes = []
    for before, given in zip(x.dims[2:], factors, strict=True):
        factor = float(given)
        after = int(before * factor) if isinstance(before, int) else _grown(before, factor)
        if isinstance(after, int) and after < 1:
            raise x.error(f"scale_factor: found {given} for size {before}, expected one that leaves something")
        if after is None and by_size:
            raise _inexact(x, given)
        axes.append(_Axis(before, after, None if by_size and not factor.is_integer() else factor))
    return axes


def _grown(before: Dim, factor: float) -> Dim | None:
    """⌊before · factor⌋ in whole numbers, where there are such."""
    ratio = _ratio(factor)
    return None if ratio is None else before * ratio.numerator // ratio.denominator


@lru_cache(maxsize=256)
def _ratio(factor: float) -> Fraction | None:
    """The fraction that gives the sizes that the factor gives."""
    ratio, sizes = Fraction(factor).limit_denominator(1 << 20), np.arange(1, _LARGEST + 1)
    same = np.array_equal(np.floor(sizes * factor), sizes * ratio.numerator // ratio.denominator)
    return ratio if same else None


def _inexact(x: Tensor, scale_factor: float) -> Exception:
    return x.error(
        f"scale_factor: found {scale_factor} for shape {x.shape}, expected fixed sizes, or a factor for which float32 "
        "rounds them as float64 does, such as 1.5"
    )


def _layer(x: Tensor, axes: Sequence[_Axis], mode: str, aligned: bool = False) -> Tensor:
    """TensorRT's resize layer, told the factors where float32 holds all of them and that saves it a shape, else the
    sizes."""
    kind, coordinates, _ = _MODES[mode]
    options: dict[str, Any] = {
        "resize_mode": tensorrt.enum("InterpolationMode", kind),
        "coordinate_transformation": tensorrt.enum(
            "ResizeCoordinateTransformation", "ALIGN_CORNERS" if aligned else coordinates
        ),
        "nearest_rounding": tensorrt.enum("ResizeRoundMode", "HALF_UP" if mode == "nearest-exact" else "FLOOR"),
        "cubic_coeff": -0.75,  # the coefficient of PyTorch's bicubic
    }
    if aligned:  # the one pixel of a size of 1 is the first, not half of 0/0
        options["selector_for_single_pixel"] = tensorrt.enum("ResizeSelector", "UPPER")
    factors = [_layer_factor(axis) for axis in axes]
    given = any(axis.factor is not None for axis in axes)
    if None not in factors and (given or -1 in x.shape):
        return x.net.emit("add_resize", x, scales=(1.0, 1.0, *factors), **options)
    sizes: list[Any] = [*x.dims[:2], *(axis.after for axis in axes)]
    if any(isinstance(n, Dim) for n in (*x.dims, *sizes)):
        return x.net.emit("add_resize", x, inputs={1: shape_tensor(x.net, sizes)}, **options)
    return x.net.emit("add_resize", x, shape=tuple(sizes), **options)


def _layer_factor(axis: _Axis) -> float | None:
    """What the layer may be told as the factor; None where it needs the size."""
    if axis.factor is not None:
        return axis.factor
    if isinstance(axis.before, int) and isinstance(axis.after, int):
        factor = axis.after / axis.before
        return factor if Fraction(np.float32(factor).item()) == Fraction(axis.after, axis.before) else None
    return None


def _right_size(axis: _Axis) -> bool:
    """Whether the layer is bound to find the size that PyTorch finds: also where it multiplies by the factor as
    float32."""
    if axis.factor is None:
        return True
    return _right_sizes(axis.factor, axis.before if isinstance(axis.before, int) else None)


@lru_cache(maxsize=256)
def _right_sizes(factor: float, size: int | None) -> bool:
    """The same of one size, or of all."""
    before = np.arange(1, min(_LARGEST, int(2**24 / factor)) + 1) if size is None else np.array([size])
    after, short = np.floor(before * factor), np.float32(factor)
    found = np.floor(before * np.float64(short)), np.floor(before.astype(np.float32) * short)
    return all(np.array_equal(after, one) for one in found)


def _nearest(x: Tensor, axes: Sequence[_Axis], mode: str) -> Tensor:
    """Axes whose neighbours hang on rounding are picked from one by one, the others are left to the layer."""
    exact = mode == "nearest-exact"
    left = []
    for dim, axis in enumerate(axes, 2):
        if axis.kept:
            left.append(axis)
        elif isinstance(axis.before, int) and isinstance(axis.after, int):
            rows = _neighbours(axis.before, axis.after, axis.factor, exact)
            if _right_size(axis) and _steady(axis.before, axis.after, axis.factor, exact):
                left.append(axis)
                continue
            if not np.array_equal(rows, np.arange(axis.before)):
                x = index_select(x, dim, x.net.constant(rows, "int32", label="neighbours"))
            left.append(_Axis(axis.after, axis.after, None))
        elif axis.factor is None or (_right_size(axis) and _steady(_LARGEST, _LARGEST, axis.factor, exact)):
            left.append(axis)
        else:
            x = index_select(x, dim, _late_neighbours(x, axis, axis.factor, exact))
            left.append(_Axis(x.dims[dim], x.dims[dim], 1.0))
    return x if all(axis.kept for axis in left) else _layer(x, left, mode)


def _neighbours(before: int, after: int, factor: float | None, exact: bool) -> NDArray[np.int64]:
    """What PyTorch's nearest modes pick on a GPU, in its float32. On a CPU the layout, too, tells which of two it takes
    that are equally near, and whether a factor counts that leaves a size as it is or doubles it, as 2.05 does 19."""
    ratio = np.float32(1 / factor) if factor else np.float32(before) / np.float32(after)
    places = np.arange(after, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
    rows: NDArray[np.int64] = np.minimum(np.floor(places * ratio).astype(np.int64), before - 1)
    return rows


@lru_cache(maxsize=1024)
def _steady(before: int, after: int, factor: float | None, exact: bool) -> bool:
    """Whether those are the nearest in whatever way a program gets to them."""
    half = np.float32(0.5 if exact else 0.0)
    places = np.arange(after, dtype=np.float32) + half
    wide, scale = places.astype(np.float64), np.float32(factor or after / before)
    ratio = np.float32(1) / scale if factor else np.float32(before) / np.float32(after)
    ways: list[NDArray[Any]] = [
        places / scale,
        places * (np.float32(1) / scale),
        (places * ratio - half) + half,
        (wide * ratio - half).astype(np.float32) + half,  # in one go, as GPUs do
        wide / scale,
        wide / (factor or after / before),
        wide * (1 / factor) if factor else wide * before / after,
    ]
    rows = _neighbours(before, after, factor, exact)
    return all(np.array_equal(rows, np.minimum(np.floor(way), before - 1)) for way in ways)


def _late_neighbours(x: Tensor, axis: _Axis, factor: float, exact: bool) -> Tensor:
    """The same of a size that is known only at run time."""
    if axis.after is None:
        raise _inexact(x, factor)
    places = arange_like(x, axis.after, "float32", start=0.5 if exact else 0.0)
    return minimum(to(floor(places * float(np.float32(1 / factor))), "int32"), axis.before - 1)


def _means(x: Tensor, axes: Sequence[_Axis]) -> Tensor:
    """Mode "area": the mean of the pixels that each pixel of the output covers, which is one where the size grows by a
    whole factor."""
    if all(map(_repeats, axes)):
        return _nearest(x, axes, "nearest")
    if not all(axis.fixed for axis in axes):
        raise x.error(f"mode: found 'area' for shape {x.shape}, expected fixed sizes or whole factors")
    pool: Callable[..., Tensor] = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[spatial(x) - 1]
    sizes = [axis.after for axis in axes]
    return pool(x, sizes[0] if len(sizes) == 1 else sizes)


def _repeats(axis: _Axis) -> bool:
    """Whether every pixel of the output is one of the input, which the layer is bound to find."""
    if isinstance(axis.before, int) and isinstance(axis.after, int):
        return axis.after % axis.before == 0 and _steady(axis.before, axis.after, axis.factor, False)
    return axis.factor is not None and axis.factor >= 1 and _steady(_LARGEST, _LARGEST, axis.factor, False)


def _blended(x: Tensor, axes: Sequence[_Axis], mode: str, aligned: bool, antialias: bool) -> Tensor:
    """The modes that weigh several pixels: the layer, or products with matrices of the weights."""
    if not antialias:
        if all(map(_right_size, axes)):
            return _layer(x, axes, mode, aligned)
        if aligned and all(axis.fixed for axis in axes):  # then the factor tells the size alone
            return _layer(x, [axis._replace(factor=None) for axis in axes], mode, aligned)
    for dim, axis in enumerate(axes, 2):
        if axis.kept:
            continue
        if isinstance(axis.before, int) and isinstance(axis.after, int):
            x = _weighted(x, dim, _weights(axis.before, axis.after, axis.factor, mode, aligned, antialias))
        elif antialias:
            raise x.error(f"antialias: found True for shape {x.shape}, expected fixed sizes")
        else:
            raise _inexact(x, axis.factor or 1.0)
    return x


def _weighted(x: Tensor, dim: int, weights: NDArray[np.float64]) -> Tensor:
    """`x` whose values along `dim` are sums of its own, `weights` being (sums, own)."""
    matrix = x.net.constant(weights[(None,) * (x.rank - 2)], x.dtype, label="windows")
    if dim == x.rank - 2:
        return matmul(matrix, x)
    if dim == x.rank - 1:
        return matmul(x, matrix, transpose_b=True)
    return transpose(matmul(transpose(x, dim, -1), matrix, transpose_b=True), dim, -1)


def _weights(
    before: int, after: int, factor: float | None, mode: str, aligned: bool, antialias: bool
) -> NDArray[np.float64]:
    """What each pixel of the output, a row, takes of each pixel of the input, a column."""
    scale = 1 / factor if factor else before / after
    if aligned:
        scale = (before - 1) / (after - 1) if after > 1 else 0.0
    pixels = np.arange(after, dtype=np.float64)
    if antialias:
        return _smooth(before, (pixels + 0.5) * scale, scale, mode)
    places = pixels * scale if aligned else (pixels + 0.5) * scale - 0.5
    if mode == "bicubic":
        first, taps = np.floor(places) - 1, 4
    else:
        places = np.clip(places, 0, before - 1)
        first, taps = np.floor(places), 2
    weights = np.zeros((after, before))
    for tap in range(taps):
        distance = np.abs(places - first - tap)
        share = _keys(distance, -0.75) if mode == "bicubic" else 1 - distance
        columns = np.clip(first + tap, 0, before - 1).astype(np.int64)  # beyond the edge stands the edge
        np.add.at(weights, (np.arange(after), columns), share)
    return weights


def _smooth(before: int, centres: NDArray[np.float64], scale: float, mode: str) -> NDArray[np.float64]:
    """The weights of a filter that is as wide as the pixels of the output are, of what lies within the input."""
    reach, shape = _FILTERS[mode]
    wide = max(scale, 1.0)
    columns = np.arange(before)
    inside = (columns >= np.trunc(centres - reach * wide + 0.5)[:, None]) & (
        columns < np.trunc(centres + reach * wide + 0.5)[:, None]
    )
    weights = np.where(inside, shape(np.abs(columns + 0.5 - centres[:, None]) / wide), 0.0)
    total: NDArray[np.float64] = weights.sum(1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def _triangle(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1 - distance, 0)


def _keys(distance: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    """The cubic convolution kernel (Keys 1981) with coefficient `a`, of distances up to 2."""
    d = distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def _lanczos(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """sinc(d)·sinc(d/3) (Duchon 1979), of distances up to 3."""
    return np.where(distance < 3, np.sinc(distance) * np.sinc(distance / 3), 0.0)


# How far the filters that smooth reach, and their shapes.
_FILTERS: dict[str, tuple[float, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "bilinear": (1.0, _triangle),
    "bicubic": (2.0, _keys),
    "lanczos": (3.0, _lanczos),
}
