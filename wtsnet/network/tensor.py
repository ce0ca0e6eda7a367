"""Tensor: what layers give, with the operators and methods of torch's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError
from wtsnet.network import functions, indexing, pointwise, product, reduce, scattering, shape
from wtsnet.network.checks import CLASSES, Mismatch, dtype_name, shown
from wtsnet.network.dims import LATE, Dim

if TYPE_CHECKING:
    from wtsnet.network.checks import DType, Index
    from wtsnet.network.network import Network
    from wtsnet.network.scope import Scope


# Methods of the class go by these names, as torch's do.
_int: TypeAlias = int
_float: TypeAlias = float
_bool: TypeAlias = bool
_NUMBERS = (int, float, np.integer, np.floating)


class Tensor:
    """A tensor of a network under construction.

    Operators and methods are those of torch's tensors, and add layers; so does a comparison: `x == y` is one of bools.

    Attributes:
        trt: TensorRT's ITensor.
        net: the network.
        shape: its sizes; one that is known only at run time is a -1 that can't be reckoned with: see `dims`.
        dtype: such as "float32".
        layer: the layer that made it, None for an input.
    """

    __slots__ = ("dtype", "layer", "net", "shape", "trt")
    __array_ufunc__ = None  # numpy's numbers leave `number * tensor` to this class
    __hash__ = object.__hash__

    def __init__(self, net: Network, trt: Any, layer: Any = None) -> None:
        self.net = net
        self.trt = trt
        self.layer = layer
        try:
            self.shape: tuple[_int, ...] = tuple(LATE if size == -1 else size for size in trt.shape)
        except (RuntimeError, ValueError):  # the layer can't have an output: `emit` gives TensorRT's reason
            said = tensorrt.log.last_error()
            raise (NetworkError(f"{trt.name}: {said}") if layer is None else net.error(said)) from None
        self.dtype = tensorrt.dtype_name(trt.dtype)

    @classmethod
    def of(cls, scope: Scope, itensor: Any) -> Tensor:
        """The output of a layer that was added to `scope.trt` by hand.

        Raises:
            NetworkError: it is no ITensor, as where TensorRT has refused the layer: its own words are in it.
        """
        if not isinstance(itensor, tensorrt.module().ITensor):
            said = f"; {tensorrt.log.last_error()}" if itensor is None else ""
            raise NetworkError(f"{scope.path or 'network'}: found {shown(itensor)}, expected an ITensor{said}")
        made = cls(scope.net, itensor)
        if itensor.name.startswith("(Unnamed"):  # TensorRT's own name for it
            itensor.name = scope.net.unique(f"{scope.path}:tensor" if scope.path else "tensor")
        return made

    @property
    def rank(self) -> _int:
        """How many dimensions it has."""
        return len(self.shape)

    ndim = rank

    @property
    def name(self) -> str:
        """What TensorRT calls it."""
        return str(self.trt.name)

    @property
    def dims(self) -> tuple[_int | Dim, ...]:
        """The sizes, each a number or, where it is known only at run time, a `Dim` to reckon with."""
        return tuple(Dim(self, axis) if size == -1 else size for axis, size in enumerate(self.shape))

    def size(self, dim: _int | None = None) -> Any:
        """`dims`, or one of them."""
        return self.dims if dim is None else self.dims[shape.axis_of(self, dim)]

    def dim(self) -> _int:
        """How many dimensions it has."""
        return len(self.shape)

    def numel(self) -> _int | Dim:
        """How many values it has."""
        count: _int | Dim = 1
        for size in self.dims:
            count = size * count
        return count

    def named(self, scope: Scope) -> Tensor:
        """Note that this is what the PyTorch module at `scope` gives (`scope[0]`: the first of several that it gives);
        returns itself."""
        if not isinstance(scope, CLASSES["Scope"]):
            raise self.error(f"named: found {shown(scope)}, expected a Scope")
        scope.net.record(scope.path, self)
        return self

    def layer_output(self, index: _int) -> Tensor:
        """Another output of the layer that made this tensor, such as a top-k's indices."""
        out = Tensor(self.net, self.layer.get_output(index))
        out.trt.name = self.net.unique(f"{self.layer.name}:{index}")
        return out

    def error(self, text: str) -> NetworkError:
        """A NetworkError about the op that is being called, in the module that is being defined."""
        return self.net.error(text)

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.shape}, {self.dtype})"

    def __bool__(self) -> _bool:
        raise self.error(f"{self!r} has no value before the network runs, so Python can't branch on it; where() can")

    def __len__(self) -> _int:
        return shape.fixed_size(self, 0)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(shape.unbind(self))

    def __getitem__(self, index: Index) -> Tensor:
        return indexing.getitem(self, index)

    # Operators and methods that are ops as they are: the tensor is their first argument.

    __add__ = __radd__ = pointwise.add
    __sub__ = pointwise.sub
    __mul__ = __rmul__ = pointwise.mul
    __truediv__ = pointwise.div
    __floordiv__ = pointwise.floor_divide
    __mod__ = pointwise.remainder
    __pow__ = pointwise.pow
    __matmul__ = product.matmul
    __invert__ = pointwise.bitwise_not
    __and__ = __rand__ = pointwise.bitwise_and
    __or__ = __ror__ = pointwise.bitwise_or
    __xor__ = __rxor__ = pointwise.bitwise_xor
    __neg__ = pointwise.neg
    __abs__ = pointwise.abs
    __eq__ = pointwise.eq  # type: ignore[assignment]  # adds a layer, as torch's does
    __ne__ = pointwise.ne  # type: ignore[assignment]  # likewise
    __lt__ = pointwise.lt
    __le__ = pointwise.le
    __gt__ = pointwise.gt
    __ge__ = pointwise.ge

    flatten = shape.flatten
    unflatten = shape.unflatten
    transpose = shape.transpose
    movedim = shape.movedim
    squeeze = shape.squeeze
    unsqueeze = shape.unsqueeze
    narrow = shape.narrow
    select = shape.select
    diagonal = shape.diagonal
    split = shape.split
    chunk = shape.chunk
    unbind = shape.unbind
    roll = shape.roll
    repeat_interleave = shape.repeat_interleave
    broadcast_to = shape.broadcast_to

    add = pointwise.add
    sub = pointwise.sub
    mul = pointwise.mul
    div = pointwise.div
    floor_divide = pointwise.floor_divide
    remainder = pointwise.remainder
    fmod = pointwise.fmod
    pow = pointwise.pow
    maximum = pointwise.maximum
    minimum = pointwise.minimum
    eq = pointwise.eq
    ne = pointwise.ne
    gt = pointwise.gt
    lt = pointwise.lt
    ge = pointwise.ge
    le = pointwise.le
    bitwise_and = pointwise.bitwise_and
    bitwise_or = pointwise.bitwise_or
    bitwise_xor = pointwise.bitwise_xor
    bitwise_not = pointwise.bitwise_not
    logical_and = pointwise.logical_and
    logical_or = pointwise.logical_or
    logical_xor = pointwise.logical_xor
    logical_not = pointwise.logical_not
    clamp = pointwise.clamp
    masked_fill = pointwise.masked_fill
    lerp = pointwise.lerp
    exp = functions.exp
    expm1 = functions.expm1
    log = functions.log
    log1p = functions.log1p
    log2 = functions.log2
    log10 = functions.log10
    sqrt = functions.sqrt
    rsqrt = functions.rsqrt
    square = pointwise.square
    abs = pointwise.abs
    neg = pointwise.neg
    sign = pointwise.sign
    reciprocal = functions.reciprocal
    floor = pointwise.floor
    ceil = pointwise.ceil
    round = pointwise.round
    trunc = pointwise.trunc
    sin = functions.sin
    cos = functions.cos
    tan = functions.tan
    asin = functions.asin
    acos = functions.acos
    atan = functions.atan
    atan2 = functions.atan2
    sinh = functions.sinh
    cosh = functions.cosh
    asinh = functions.asinh
    acosh = functions.acosh
    atanh = functions.atanh
    erf = functions.erf
    isnan = functions.isnan
    isinf = functions.isinf
    relu = functions.relu
    sigmoid = functions.sigmoid
    tanh = functions.tanh

    mean = reduce.mean
    sum = reduce.sum
    prod = reduce.prod
    amax = reduce.amax
    amin = reduce.amin
    max = reduce.max
    min = reduce.min
    any = reduce.any
    all = reduce.all
    var = reduce.var
    std = reduce.std
    norm = reduce.norm
    logsumexp = reduce.logsumexp
    softmax = reduce.softmax
    log_softmax = reduce.log_softmax
    cumsum = reduce.cumsum
    argmax = reduce.argmax
    argmin = reduce.argmin
    topk = reduce.topk
    sort = reduce.sort
    argsort = reduce.argsort

    matmul = product.matmul
    mm = product.mm
    bmm = product.bmm
    addmm = product.addmm

    index_select = indexing.index_select
    gather = indexing.gather
    tril = indexing.tril
    triu = indexing.triu

    scatter = scattering.scatter
    scatter_add = scattering.scatter_add
    scatter_reduce = scattering.scatter_reduce
    index_put = scattering.index_put
    masked_scatter = scattering.masked_scatter
    select_scatter = scattering.select_scatter
    slice_scatter = scattering.slice_scatter

    # What differs from an op.

    def where(self, condition: Tensor, other: Tensor | _float | _bool) -> Tensor:
        """This where `condition` holds, else `other`."""
        return pointwise.where(condition, self, other)

    def __rsub__(self, other: Dim | _float) -> Tensor:
        return pointwise.elementwise("SUB", self._number(other), self)

    def __rtruediv__(self, other: Dim | _float) -> Tensor:
        return pointwise.elementwise("DIV", self._number(other), pointwise.floats(self))

    def __rfloordiv__(self, other: Dim | _float) -> Tensor:
        return pointwise.elementwise("FLOOR_DIV", self._number(other), self)

    def __rmod__(self, other: Dim | _float) -> Tensor:
        left = self._number(other)
        whole = pointwise.elementwise("FLOOR_DIV", left, self)
        return pointwise.elementwise("SUB", left, pointwise.elementwise("PROD", whole, self))

    def __rpow__(self, other: Dim | _float) -> Tensor:
        return pointwise.elementwise("POW", self._number(other), self)

    def __pos__(self) -> Tensor:
        return self

    def _number(self, value: Any) -> Any:
        """A number on the left of an operator."""
        if not isinstance(value, (*_NUMBERS, Dim)) or isinstance(value, _bool):
            raise self.error(f"found {shown(value)} on the left of an operator, expected a number or a Tensor")
        return value.item() if isinstance(value, np.generic) else value

    @property
    def T(self) -> Tensor:
        """All dimensions the other way round."""
        return shape.permute(self, tuple(range(self.rank - 1, -1, -1)))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shape.transpose(self, -2, -1)

    def t(self) -> Tensor:
        """A matrix with its dimensions exchanged."""
        if self.rank > 2:
            raise self.error(f"t: found shape {self.shape}, expected at most two dimensions")
        return shape.transpose(self, 0, 1) if self.rank == 2 else self

    def reshape(self, *sizes: _int | Dim | Sequence[_int | Dim]) -> Tensor:
        """In another shape: sizes one by one, or in a row."""
        return shape.reshape(self, _row(sizes))

    view = reshape

    def view_as(self, other: Tensor) -> Tensor:
        """In another's shape."""
        return shape.reshape(self, other.dims)

    reshape_as = view_as

    def permute(self, *dims: _int | Sequence[_int]) -> Tensor:
        """The dimensions in another order."""
        return shape.permute(self, _row(dims))

    def expand(self, *sizes: _int | Dim | Sequence[_int | Dim]) -> Tensor:
        """Sizes of 1 repeated."""
        return shape.expand(self, _row(sizes))

    def expand_as(self, other: Tensor) -> Tensor:
        """Repeated to another's shape."""
        return shape.expand(self, other.dims)

    def repeat(self, *repeats: _int | Sequence[_int]) -> Tensor:
        """The whole several times along each dimension."""
        return shape.repeat(self, _row(repeats))

    def tile(self, *dims: _int | Sequence[_int]) -> Tensor:
        """`repeat`, with as many of the last dimensions as there are counts."""
        return shape.tile(self, _row(dims))

    def flip(self, *dims: _int | Sequence[_int]) -> Tensor:
        """The other way round along dimensions."""
        return shape.flip(self, _row(dims))

    # Dtypes.

    def to(self, dtype: DType | Tensor) -> Tensor:
        """As another dtype (a name, numpy's or torch's), or as that of another tensor."""
        if isinstance(dtype, Tensor):
            return shape.to(self, dtype.dtype)
        try:
            return shape.to(self, dtype_name(dtype))
        except Mismatch:
            raise self.error(f'to: found {shown(dtype)}, expected a dtype such as "float32"') from None

    def type_as(self, other: Tensor) -> Tensor:
        """As another's dtype."""
        return shape.to(self, other.dtype)

    def float(self) -> Tensor:
        """As float32."""
        return shape.to(self, "float32")

    def half(self) -> Tensor:
        """As float16."""
        return shape.to(self, "float16")

    def bfloat16(self) -> Tensor:
        """As bfloat16."""
        return shape.to(self, "bfloat16")

    def int(self) -> Tensor:
        """As int32."""
        return shape.to(self, "int32")

    def long(self) -> Tensor:
        """As int64."""
        return shape.to(self, "int64")

    def bool(self) -> Tensor:
        """As bool: whether it is not 0."""
        return shape.to(self, "bool")

    def contiguous(self) -> Tensor:
        """Itself: TensorRT chooses how values lie, and nothing changes them."""
        return self

    clone = detach = contiguous


CLASSES["Tensor"] = Tensor


def _row(sizes: Any) -> Any:
    """Sizes that are given one by one or in a row, in a row."""
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
