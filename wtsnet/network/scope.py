"""Scope: where in a PyTorch model a layer stands, and which weights are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.errors import NetworkError
from wtsnet.network.checks import CLASSES
from wtsnet.network.shape import to

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtsnet.network.network import Network
    from wtsnet.network.tensor import Tensor


class Scope:
    """A network and the dotted path of a PyTorch module in it: `s / "layer1" / 0` goes down that path, and `s[0]` is
    the first of several things that a module gives."""

    __slots__ = ("net", "path")

    def __init__(self, net: Network, path: str) -> None:
        self.net = net
        self.path = path

    def __truediv__(self, child: str | int) -> Scope:
        return Scope(self.net, f"{self.path}.{child}" if self.path else str(child))

    def __getitem__(self, item: int) -> Scope:
        return Scope(self.net, f"{self.path}[{item}]")

    def __iter__(self) -> None:
        raise TypeError("a Scope can't be iterated over")

    def __repr__(self) -> str:
        return f"Scope({self.path!r})"

    @property
    def trt(self) -> Any:
        """The INetworkDefinition."""
        return self.net.trt

    def key(self, name: str) -> str:
        """The full name of this module's weight `name`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the weights hold this module's `name`."""
        return self.key(name) in self.net.weights

    def has_weights(self) -> bool:
        """Whether the weights hold anything of this module or of those in it."""
        return self.net.weights.has_under(self.key(""))

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """This module's weight `name` as a float32 array of `shape` (see `Weights.take`)."""
        return self.net.weights.take(self.key(name), shape)

    def parameter(self, name: str, *shape: int) -> Tensor:
        """This module's weight `name` as a constant in the network's precision: a class token, a position table."""
        with self.net.within(self.path):
            return to(self.net.constant(self.take(name, *shape), "float32", label=name), self.net.dtype)

    def constant(self, value: Any, dtype: str = "float32") -> Tensor:
        """A constant of `value`'s shape, converted to `dtype`."""
        with self.net.within(self.path):
            return self.net.constant(value, dtype)

    def emit(self, method: str, *args: Any, **attributes: Any) -> Tensor:
        """Add a layer of this module (see `Network.emit`)."""
        with self.net.within(self.path):
            return self.net.emit(method, *args, **attributes)

    def leave(self, *names: str) -> None:
        """Name weights of this module that the network leaves unused on purpose."""
        self.net.weights.leave(*(self.key(name) for name in names))

    def leave_modules(self, *names: str) -> None:
        """Name modules in this one all of whose weights the network leaves unused on purpose."""
        self.net.weights.leave_under(*(self.key(name) for name in names))

    def error(self, text: str) -> NetworkError:
        """A NetworkError about this module."""
        return NetworkError(f"{self.path or 'network'}: {text}")


CLASSES["Scope"] = Scope
