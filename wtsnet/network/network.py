"""Network: a TensorRT INetworkDefinition under construction, and the weights that it takes from.

A `Scope` is a network and a dotted path in it. Functions that stand for a PyTorch module are given its scope and note
what they give as that module's output (see `declaring.py`); all other functions take tensors, which know their
network. Nothing of TensorRT's API is hidden: `Network.trt` (and `Scope.trt`) is the INetworkDefinition itself,
`Tensor.trt` an ITensor, and `Tensor.of` takes the output of a layer that was added by hand.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError
from wtsnet.network.checks import as_dtype_name
from wtsnet.network.scope import Scope
from wtsnet.network.shape import to
from wtsnet.network.tensor import Tensor
from wtsnet.network.weights import Weights
from wtsnet.trt import PACKED, kept, numpy_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input, Output

H = TypeVar("H")
PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class Network:
    """A strongly typed network under construction, and the weights that it takes from.

    Args:
        weights: a .wts path, a mapping of names to arrays, or a `Weights`.
        precision: "fp32", "fp16" or "bf16" (or "float32" …): the dtype that `compute` casts to. A layer runs in the
            dtype of its input, and its weights are converted to it.
        fold_bn: whether `ops.conv_bn` multiplies a batch norm into the convolution before it.

    Attributes:
        trt: the INetworkDefinition.
        weights: the store that ops take from.
        modules: for each PyTorch module path its outputs as ITensors, one for each time that it is called;
            `path[i]` for a module that gives several.
        items: how often several were noted for a path.
        where: the path of the module that is being defined; layers are named after it.
        label, called: the op that is adding layers, and the one that was called and may have called that: layers bear
            the name of the first, errors that of the second.
        facts: what a runner or decoder must know and a network can't say (task, names, strides …).
        profile: for each input its (min, opt, max) shapes.
        axes: the names of the axes of inputs that have some, by the input's name; empty for an axis without a name.
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
        self.items: dict[str, int] = {}
        self.where = ""
        self.label = self.called = ""
        self.facts: dict[str, Any] = {}
        self.axes: dict[str, list[str]] = {}
        self.profile: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {}
        self._names: dict[str, int] = {}
        self._sizes: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._unnamed: dict[str, str] = {}  # layers that no module's output comes from: their names, and whose they are

    @property
    def root(self) -> Scope:
        """The scope of the whole model."""
        return Scope(self, "")

    def input(
        self,
        name: str,
        shape: Sequence[int | tuple[int, int, int]],
        dtype: Any = "float32",
    ) -> Tensor:
        """Add a network input.

        Args:
            name: what runners call it.
            shape: a number for a fixed size, (min, opt, max) for one that may change between runs.
            dtype: such as "float32", np.float32 or torch.float32.

        Raises:
            NetworkError: a dtype that is none, a size that is no such range, a name that is taken, or what TensorRT
                refuses.
        """
        if name in self._names:
            raise NetworkError(f"input {name}: the network has an input or a layer of that name already")
        try:
            dtype = as_dtype_name(dtype)
        except NetworkError as error:
            raise NetworkError(f"input {name}: {error}") from None
        ranges = [size if isinstance(size, tuple) else (size, size, size) for size in shape]
        for size in ranges:
            if (
                not all(isinstance(one, int) for one in size)
                or len(size) != 3
                or not 1 <= size[0] <= size[1] <= size[2]
            ):
                found = ":".join(map(str, size))
                expected = "a number or (min, opt, max) with 1 <= min <= opt <= max"
                raise NetworkError(f"input {name}: found size {found}, expected {expected}")
        fixed = [low if low == high else -1 for low, _, high in ranges]
        tensorrt.log.errors.clear()
        tensor = self.trt.add_input(self.unique(name), tensorrt.dtype(dtype), fixed)
        if tensor is None:
            raise NetworkError(f"input {name}: {tensorrt.log.last_error()}")
        smallest, usual, largest = (tuple(sizes[i] for sizes in ranges) for i in range(3))
        self.profile[name] = (smallest, usual, largest)
        return Tensor(self, tensor)

    def output(self, name: str, x: Tensor) -> None:
        """Mark `x` as a network output called `name`.

        Raises:
            NetworkError: `x` is no tensor of this network, or an input or output has that name already.
        """
        if not isinstance(x, Tensor):
            raise NetworkError(f"output {name}: found {type(x).__name__}, expected a Tensor")
        if x.net is not self:
            raise NetworkError(f"output {name}: {x!r} is a tensor of another network")
        outputs = [self.trt.get_output(i).name for i in range(self.trt.num_outputs)]
        if name in self.profile or name in outputs:
            raise NetworkError(f"output {name}: an input or output of the network has that name already")
        if x.trt.is_network_input or x.trt.is_network_output:
            x = self.emit("add_identity", x, label=name)
        for inner in self._called(name):  # a tensor's name is its own: the one inside makes way
            inner.name = self.unique(f"{name}:inner")
        x.trt.name = name
        if x.name != name:
            raise NetworkError(f"output {name}: {tensorrt.log.last_error()}")
        self.trt.mark_output(x.trt)

    def _called(self, name: str) -> list[Any]:
        """The ITensors of that name."""
        if name not in self._names:  # nothing was given it: the layers need not be asked
            return []
        layers = [self.trt.get_layer(i) for i in range(self.trt.num_layers)]
        outputs = [layer.get_output(i) for layer in layers for i in range(layer.num_outputs)]
        return [tensor for tensor in outputs if tensor.name == name]

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

    def record(self, path: str, value: Any) -> None:
        """Note that `value` is what the PyTorch module at `path` gives: a Tensor, or a tuple or list of such, each of
        which is noted as `path[i]`. What is none of these is left out."""
        if isinstance(value, tuple | list):
            for i, item in enumerate(value):
                self.record(f"{path}[{i}]", item)
            return
        if not isinstance(value, Tensor):
            return
        if value.net is not self:
            raise NetworkError(f"{path}: {value!r} is a tensor of another network")
        base, bracket, _ = path.partition("[")
        if bracket:
            self.items[base] = self.items.get(base, 0) + 1
        self.modules.setdefault(path, []).append(value.trt)  # not the Tensor, which knows this object
        self._name_after(path, value)

    def _name_after(self, path: str, x: Tensor) -> None:
        """Give the layer that made `x` the module's name, where it has none yet and lies in it or around it."""
        owner = self._unnamed.get(x.layer.name) if x.layer is not None else None
        if owner is None or not (owner in ("", path) or path.startswith((f"{owner}.", f"{owner}["))):
            return
        del self._unnamed[x.layer.name]
        x.layer.name = self.unique(path)
        x.trt.name = x.layer.name

    def hold(self, owner: H) -> H:
        """Let `owner`, whose memory TensorRT reads, live as long as the definition; gives it back."""
        kept(self.trt).owners.append(owner)
        return owner

    def unique(self, name: str) -> str:
        """`name`, with #2, #3 … behind it from its second use on: a module that is called again."""
        self._names[name] = seen = self._names.get(name, 0) + 1
        return name if seen == 1 else f"{name}#{seen}"

    @property
    def dtype(self) -> str:
        """The dtype that the network computes in, such as "float32"."""
        return PRECISIONS[self.precision]

    def compute(self, x: Tensor) -> Tensor:
        """`x` in the network's precision."""
        return to(x, self.dtype)

    @contextmanager
    def within(self, path: str) -> Iterator[None]:
        """Inside the block layers and errors are named after the module at `path`."""
        before, self.where = self.where, path
        try:
            yield
        finally:
            self.where = before

    def error(self, text: str) -> NetworkError:
        """A NetworkError about the op that is being called, in the module that is being defined."""
        return NetworkError(": ".join(filter(None, (self.where or "network", self.called, text))))

    def emit(
        self,
        method: str,
        *args: Any,
        label: str = "",
        inputs: Mapping[int, Tensor] | None = None,
        **attributes: Any,
    ) -> Tensor:
        """Add a layer: the one place where layers come from.

        Args:
            method: a method of INetworkDefinition, such as "add_activation".
            args: its arguments. Tensors are given as their ITensors and numpy arrays as weights that are kept
                alive; None becomes empty weights.
            label: what stands behind the module's path in the layer's name; the op's name where it is empty.
            inputs: further inputs by index, such as a shape that is known only at run time.
            attributes: set on the layer, such as `stride_nd=(2, 2)`.

        Returns:
            The layer's first output. Others are `tensor.layer_output(i)`.

        Raises:
            NetworkError: TensorRT refused the layer; TensorRT's own words are in it.
        """
        tensorrt.log.errors.clear()
        arrays: list[NDArray[Any]] = []
        try:
            layer = getattr(self.trt, method)(*(self._argument(arg, arrays) for arg in args))
            if layer is None:
                raise self.error(f"{method}: {tensorrt.log.last_error()}")
            if arrays:  # at once: TensorRT reads from them, whatever becomes of the layer
                kept(self.trt).arrays[self.trt.num_layers - 1] = tuple(arrays)
            for index, tensor in (inputs or {}).items():
                layer.set_input(index, self._argument(tensor, arrays))
            for name, value in attributes.items():
                setattr(layer, name, value)
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            said = f"; {tensorrt.log.last_error()}" if tensorrt.log.errors else ""
            raise self.error(f"{method}: {' '.join(str(error).split())[:300]}{said}") from None
        if not layer.num_outputs:
            raise self.error(f"{method}: the layer has no output; add it to `scope.trt` itself")
        name = label or self.label or method.removeprefix("add_")
        layer.name = self.unique(f"{self.where}:{name}" if self.where else name)
        self._unnamed[layer.name] = self.where
        out = Tensor(self, layer.get_output(0), layer)
        out.trt.name = layer.name
        if tensorrt.log.errors or min(out.trt.shape, default=0) < -1:
            raise self.error(f"{method}: {tensorrt.log.last_error()}")
        return out

    def constant(self, value: Any, dtype: str, *, label: str = "constant") -> Tensor:
        """A constant of `value`'s shape, converted to `dtype`."""
        array = np.asarray(value)
        return self.emit("add_constant", array.shape, self.convert(array, dtype), label=label)

    def size(self, x: Tensor, axis: int) -> Tensor:
        """The size of `x` along `axis` at run time: an int64 tensor of shape (1,), made once."""
        key = id(x.trt), axis
        if key not in self._sizes:
            shape = self.emit("add_shape", x, label="shape")
            made = self.emit("add_slice", shape, (axis,), (1,), (1,), label="size")
            self._sizes[key] = x.trt, made.trt  # x.trt is held, so that no other gets its id
        return Tensor(self, self._sizes[key][1])

    def convert(self, array: NDArray[Any], dtype: str) -> NDArray[Any]:
        """`array` as C-contiguous values of `dtype`.

        Raises:
            NetworkError: a finite value is too large for `dtype`, or no integer where that is one.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            converted = np.ascontiguousarray(array, numpy_dtype(dtype))
        whole = dtype.startswith(("int", "uint"))
        if whole and not np.array_equal(converted.astype(np.int64).reshape(array.shape), array):
            raise self.error(f"found a constant that {dtype} can't hold, expected integers in its range")
        infinite = ~np.isfinite(converted)  # float8 has no infinity, and NaN in its place
        if infinite.any() and (lost := np.abs(array)[infinite.reshape(array.shape) & np.isfinite(array)]).size:
            raise self.error(f"found a weight of magnitude {lost.max():.6g}, which {dtype} can't hold")
        return converted

    def _argument(self, arg: Any, arrays: list[NDArray[Any]]) -> Any:
        """What TensorRT takes for an argument; arrays, which it reads from until the build, are put into `arrays`."""
        if isinstance(arg, Tensor):
            if arg.net is not self:
                raise self.error(f"{arg!r} is a tensor of another network")
            return arg.trt
        if isinstance(arg, np.ndarray):
            arrays.append(np.ascontiguousarray(arg))
            # By address: TensorRT's own conversion knows numpy's dtypes only, and not bfloat16.
            dtype = tensorrt.dtype(arg.dtype.name)
            values = self.hold(_packed(arrays[-1])) if arg.dtype.name in PACKED else arrays[-1]
            return tensorrt.module().Weights(dtype, values.ctypes.data, arg.size)
        if arg is None:
            return tensorrt.module().Weights()
        if isinstance(arg, list) and arg and isinstance(arg[0], Tensor):
            return [self._argument(tensor, arrays) for tensor in arg]
        return arg


def _packed(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values of four bits two a byte, as TensorRT has them: the first in the low half."""
    codes = array.reshape(-1).view(np.uint8) & 15
    pairs = np.append(codes, np.zeros(codes.size % 2, np.uint8))
    packed: NDArray[np.uint8] = pairs[::2] | pairs[1::2] << 4
    return packed


def _described(tensor: Any) -> Output:
    return {"name": tensor.name, "dtype": tensorrt.dtype_name(tensor.dtype), "shape": list(tensor.shape)}
