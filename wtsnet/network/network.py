"""Network, Scope and Tensor: a TensorRT INetworkDefinition that is written like the paper's figure.

A `Scope` is a network and a dotted path in it; `scope / "layer1" / 0` goes down that path as pathlib does.
Every op of `wtsnet.ops` takes the scope of the PyTorch module that it stands for, reads that module's weights
from it and gives the layer that produces the module's output exactly that path as its name. Layers that an op
needs on the way carry the path and a suffix behind a colon: `model.0.act:sigmoid`.

Nothing of TensorRT's API is hidden: `Network.trt` (and `Scope.trt`) is the INetworkDefinition itself, `Tensor.trt`
an ITensor, and `Scope.emit` adds any of its layers in the middle of a model.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError
from wtsnet.network.dims import Dim
from wtsnet.network.weights import Weights
from wtsnet.trt import numpy_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input, Output

H = TypeVar("H")
PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class Network:
    """A strongly typed network under construction, and the weights that it takes from.

    Args:
        weights: a .wts path, a mapping of names to arrays, or a `Weights`.
        precision: "fp32", "fp16" or "bf16" (or "float32" …): the dtype that `Scope.compute` casts to. A layer runs in
            the dtype of its input, and its weights are converted to it.
        fold_bn: whether `ops.conv_bn` multiplies a batch norm into the convolution before it.

    Attributes:
        trt: the INetworkDefinition.
        weights: the store that ops take from.
        modules: for each PyTorch module path its outputs as ITensors, one for each time that it is called.
        facts: what a runner or decoder must know and a network can't say (task, names, strides …).
        profile: for each input its (min, opt, max) shapes.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | Mapping[str, Any] | Weights,
        *,
        precision: str = "fp32",
        fold_bn: bool = True,
    ) -> None:
        precision = {name: short for short, name in PRECISIONS.items()}.get(precision, precision)
        if precision not in PRECISIONS:
            raise NetworkError(f"precision: found {precision!r}, expected one of {', '.join(PRECISIONS)}")
        self.weights = weights if isinstance(weights, Weights) else Weights(weights)
        self.precision = precision
        self.fold_bn = fold_bn
        self.builder = tensorrt.builder()
        self.trt = tensorrt.create_network(self.builder)
        self.modules: dict[str, list[Any]] = {}
        self.facts: dict[str, Any] = {}
        self.profile: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {}
        self._names: dict[str, int] = {}
        # What TensorRT reads until the engine is built. It belongs to the definition and not to this object, which
        # whoever goes on with the definition alone may have dropped.
        self._alive: list[Any] = []
        weakref.finalize(self.trt, self._alive.clear).atexit = False

    @property
    def root(self) -> Scope:
        """The scope of the whole model."""
        return Scope(self, "")

    def input(
        self,
        name: str,
        shape: Sequence[int | tuple[int, int, int]],
        dtype: str = "float32",
    ) -> Tensor:
        """Add a network input.

        Args:
            name: what runners call it.
            shape: a number for a fixed size, (min, opt, max) for one that may change between runs.
            dtype: such as "float32".

        Raises:
            NetworkError: a size that is no such range, a name that is taken, or what TensorRT refuses.
        """
        if name in self._names:
            raise NetworkError(f"input {name}: the network has an input or a layer of that name already")
        ranges = [size if isinstance(size, tuple) else (size, size, size) for size in shape]
        for size in ranges:
            if len(size) != 3 or not 1 <= size[0] <= size[1] <= size[2]:
                found = ":".join(map(str, size))
                raise NetworkError(f"input {name}: found size {found}, expected 1 <= min <= opt <= max")
        fixed = [low if low == high else -1 for low, _, high in ranges]
        tensorrt.log.errors.clear()
        tensor = self.trt.add_input(self._unique(name), tensorrt.dtype(dtype), fixed)
        if tensor is None:
            raise NetworkError(f"input {name}: {tensorrt.log.last_error()}")
        smallest, usual, largest = (tuple(sizes[i] for sizes in ranges) for i in range(3))
        self.profile[name] = (smallest, usual, largest)
        return Tensor(self, tensor)

    def output(self, name: str, x: Tensor) -> None:
        """Mark `x` as a network output called `name`.

        Raises:
            NetworkError: `x` is no tensor, or an input or output has that name already.
        """
        if not isinstance(x, Tensor):
            raise NetworkError(f"output {name}: found {type(x).__name__}, expected a Tensor")
        outputs = [self.trt.get_output(i).name for i in range(self.trt.num_outputs)]
        if name in self.profile or name in outputs:
            raise NetworkError(f"output {name}: an input or output of the network has that name already")
        if x.trt.is_network_input or x.trt.is_network_output:
            x = self.root.emit("add_identity", x, suffix=f"{name}:identity")
        for module in self.modules.get(name, ()):  # a tensor's name is its own: the module's makes way
            if module.name == name:
                module.name = f"{name}:module"
        x.trt.name = name
        if x.name != name:
            raise NetworkError(f"output {name}: {tensorrt.log.last_error()}")
        self.trt.mark_output(x.trt)

    def picture_sizes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """The (min, opt, max) (height, width) of the first input, (N, C, H, W), or (N, H, W, C) where it is uint8."""
        pixels = self.trt.get_input(0).dtype == tensorrt.dtype("uint8")
        first = 1 if pixels else 2
        low, opt, high = ((shape[first], shape[first + 1]) for shape in next(iter(self.profile.values())))
        return low, opt, high

    def inputs(self) -> list[Input]:
        """The inputs, as a plan's manifest has them."""
        found: list[Input] = []
        for tensor in (self.trt.get_input(i) for i in range(self.trt.num_inputs)):
            low, opt, high = (list(shape) for shape in self.profile[tensor.name])
            found.append({**_described(tensor), "min": low, "opt": opt, "max": high})
        return found

    def outputs(self) -> list[Output]:
        """The outputs, as a plan's manifest has them."""
        return [_described(self.trt.get_output(i)) for i in range(self.trt.num_outputs)]

    def record(self, path: str, x: Tensor) -> Tensor:
        """Note that `x` is what the PyTorch module at `path` returns; gives `x` back."""
        calls = self.modules.setdefault(path, [])
        calls.append(x.trt)  # not x, which knows this object: the two would outlive their last use
        return x

    def keep(self, array: NDArray[Any]) -> Any:
        """TensorRT Weights over `array`, which stays alive as long as the network."""
        array = self.hold(np.ascontiguousarray(array))
        # By address: TensorRT's own conversion knows numpy's dtypes only, and not bfloat16.
        return tensorrt.module().Weights(tensorrt.dtype(array.dtype.name), array.ctypes.data, array.size)

    def hold(self, owner: H) -> H:
        """Let `owner`, whose memory TensorRT reads, live as long as the definition; gives it back."""
        self._alive.append(owner)
        return owner

    def _unique(self, name: str) -> str:
        """`name`, with #2, #3 … behind it from its second use on: a module that is called again."""
        self._names[name] = seen = self._names.get(name, 0) + 1
        return name if seen == 1 else f"{name}#{seen}"


class Scope:
    """A network and the dotted path of a PyTorch module in it."""

    __slots__ = ("net", "path")

    def __init__(self, net: Network, path: str) -> None:
        self.net = net
        self.path = path

    def __truediv__(self, child: str | int) -> Scope:
        return Scope(self.net, f"{self.path}.{child}" if self.path else str(child))

    def __repr__(self) -> str:
        return f"Scope({self.path!r})"

    @property
    def trt(self) -> Any:
        """The INetworkDefinition."""
        return self.net.trt

    @staticmethod
    def enum(kind: str, member: str) -> Any:
        """A member of one of TensorRT's enums, such as `enum("PoolingType", "MAX")`.

        Raises:
            NetworkError: this release has no such enum or member.
        """
        found = getattr(getattr(tensorrt.module(), kind, None), member, None)
        if found is None:
            raise NetworkError(f"{kind}.{member}: {tensorrt.flavour()} {tensorrt.version()} has no such value")
        return found

    def key(self, name: str) -> str:
        """The full name of this module's weight `name`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the weights hold this module's `name`."""
        return self.key(name) in self.net.weights

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """This module's weight `name` as a float32 array of `shape` (see `Weights.take`)."""
        return self.net.weights.take(self.key(name), shape)

    def leave(self, *names: str) -> None:
        """Name weights of this module that the network leaves unused on purpose."""
        self.net.weights.leave(*(self.key(name) for name in names))

    def leave_modules(self, *names: str) -> None:
        """Name modules in this one all of whose weights the network leaves unused on purpose."""
        self.net.weights.leave_under(*(self.key(name) for name in names))

    def error(self, text: str) -> NetworkError:
        """A NetworkError about this module."""
        return NetworkError(f"{self.path or 'network'}: {text}")

    def emit(
        self,
        method: str,
        *args: Any,
        suffix: str = "",
        inputs: Mapping[int, Tensor] | None = None,
        **attributes: Any,
    ) -> Tensor:
        """Add a layer: the one place where layers come from.

        Args:
            method: a method of INetworkDefinition, such as "add_activation".
            args: its arguments. Tensors are given as their ITensors and numpy arrays as weights that are kept
                alive; None becomes empty weights.
            suffix: set for a layer that does not produce the module's output.
            inputs: further inputs by index, such as a shape that is known only at run time.
            attributes: set on the layer, such as `stride_nd=(2, 2)`.

        Returns:
            The layer's first output. Others are `tensor.layer_output(i)`.

        Raises:
            NetworkError: TensorRT refused the layer; TensorRT's own words are in it.
        """
        net = self.net
        tensorrt.log.errors.clear()
        try:
            layer = getattr(net.trt, method)(*(self._argument(arg) for arg in args))
            if layer is None:
                raise self.error(f"{method}: {tensorrt.log.last_error()}")
            for index, tensor in (inputs or {}).items():
                layer.set_input(index, self._argument(tensor))
            for name, value in attributes.items():
                setattr(layer, name, value)
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            said = f"; {tensorrt.log.last_error()}" if tensorrt.log.errors else ""
            raise self.error(f"{method}: {' '.join(str(error).split())[:300]}{said}") from None
        if not layer.num_outputs:
            raise self.error(f"{method}: the layer has no output; add it to `scope.trt` itself")
        path = self.path or method.removeprefix("add_")
        layer.name = net._unique(f"{path}:{suffix}" if suffix else path)
        out = Tensor(net, layer.get_output(0), layer)
        out.trt.name = layer.name
        if tensorrt.log.errors or min(out.shape, default=0) < -1:
            raise self.error(f"{method}: {tensorrt.log.last_error()}")
        return out if suffix else net.record(self.path, out)

    def constant(self, value: Any, dtype: str, suffix: str = "constant") -> Tensor:
        """A constant of `value`'s shape, converted to `dtype`."""
        array = np.asarray(value)
        return self.emit("add_constant", array.shape, self.convert(array, dtype), suffix=suffix)

    def convert(self, array: NDArray[Any], dtype: str) -> NDArray[Any]:
        """`array` as C-contiguous values of `dtype`.

        Raises:
            NetworkError: a finite value is too large for `dtype`, or no integer where that is one.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            converted = np.ascontiguousarray(array, numpy_dtype(dtype))
        if np.issubdtype(converted.dtype, np.integer) and not np.array_equal(converted.reshape(array.shape), array):
            raise self.error(f"found a constant that {dtype} can't hold, expected integers in its range")
        infinite = np.isinf(converted)
        if infinite.any() and (lost := np.abs(array)[infinite.reshape(array.shape) & np.isfinite(array)]).size:
            raise self.error(f"found a weight of magnitude {lost.max():.6g}, which {dtype} can't hold")
        return converted

    def compute(self, x: Tensor) -> Tensor:
        """`x` in the network's precision."""
        return self.cast(x, PRECISIONS[self.net.precision])

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """`x` as `dtype`; `x` itself where that is its dtype."""
        if x.dtype == dtype:
            return x
        return self.emit("add_cast", x, tensorrt.dtype(dtype), suffix=f"to_{dtype}")

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, Tensor):
            if arg.net is not self.net:
                raise self.error(f"{arg!r} is a tensor of another network")
            return arg.trt
        if isinstance(arg, np.ndarray):
            return self.net.keep(arg)
        if arg is None:
            return tensorrt.module().Weights()
        if isinstance(arg, list) and arg and isinstance(arg[0], Tensor):
            return [self._argument(tensor) for tensor in arg]
        return arg


def _described(tensor: Any) -> Output:
    return {"name": tensor.name, "dtype": tensorrt.dtype_name(tensor.dtype), "shape": list(tensor.shape)}


class Tensor:
    """A tensor of a network under construction.

    Attributes:
        trt: TensorRT's ITensor.
        shape: its sizes; -1 for one that is known only at run time.
        dtype: such as "float32".

    `+ - * /` with another tensor or a number, and unary minus, add elementwise layers.
    """

    __slots__ = ("dtype", "layer", "net", "shape", "trt")

    def __init__(self, net: Network, trt: Any, layer: Any = None) -> None:
        self.net = net
        self.trt = trt
        self.layer = layer
        try:
            self.shape: tuple[int, ...] = tuple(trt.shape)
        except (RuntimeError, ValueError):  # the layer can't have an output: `emit` gives TensorRT's reason
            name = layer.name if layer is not None else trt.name
            raise NetworkError(f"{name}: {tensorrt.log.last_error()}") from None
        self.dtype = tensorrt.dtype_name(trt.dtype)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def name(self) -> str:
        return str(self.trt.name)

    @property
    def dims(self) -> tuple[int | Dim, ...]:
        """The sizes, each a number or, where it is known only at run time, a `Dim` to reckon with."""
        return tuple(Dim(self, axis) if size == -1 else size for axis, size in enumerate(self.shape))

    def layer_output(self, index: int) -> Tensor:
        """Another output of the layer that made this tensor, such as a top-k's indices."""
        out = Tensor(self.net, self.layer.get_output(index))
        out.trt.name = f"{self.layer.name}:{index}"
        return out

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {self.shape}, {self.dtype})"

    def _elementwise(self, other: Tensor | float, operation: str, swap: bool = False) -> Tensor:
        from wtsnet.ops.pointwise import elementwise  # late: the ops are built on this file

        a, b = (other, self) if swap else (self, other)
        return elementwise(Scope(self.net, self.name), operation, a, b, suffix=operation.lower())

    def __add__(self, other: Tensor | float) -> Tensor:
        return self._elementwise(other, "SUM")

    def __radd__(self, other: float) -> Tensor:
        return self._elementwise(other, "SUM", swap=True)

    def __sub__(self, other: Tensor | float) -> Tensor:
        return self._elementwise(other, "SUB")

    def __rsub__(self, other: float) -> Tensor:
        return self._elementwise(other, "SUB", swap=True)

    def __mul__(self, other: Tensor | float) -> Tensor:
        return self._elementwise(other, "PROD")

    def __rmul__(self, other: float) -> Tensor:
        return self._elementwise(other, "PROD", swap=True)

    def __truediv__(self, other: Tensor | float) -> Tensor:
        return self._elementwise(other, "DIV")

    def __rtruediv__(self, other: float) -> Tensor:
        return self._elementwise(other, "DIV", swap=True)

    def __neg__(self) -> Tensor:
        return self._elementwise(-1.0, "PROD")
