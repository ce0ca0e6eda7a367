"""A multilayer perceptron of any depth and widths, as `torchvision.ops.MLP` and `nn.Sequential` name its weights."""

from __future__ import annotations

import dataclasses
from math import isqrt
from typing import TYPE_CHECKING

from wtsnet.definition import Image, model, option
from wtsnet.errors import ModelError, nearest
from wtsnet.ops import ACTIVATIONS, batch_norm, linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.network import Scope, Tensor, Weights


@dataclasses.dataclass(frozen=True)
class MLP:
    """What the weights do not tell, and what they do.

    Attributes:
        layers: the paths of all linear layers and batch norms, in their order.
        features: how many values the first of them takes.
    """

    activation: str = option("ReLU", "what stands between the layers: a class of torch.nn")
    channels: int = option(0, "colours of a square picture that goes in flattened; 0 for plain values (N, C, 1, 1)")
    layers: tuple[str, ...] = ()
    features: int = 1

    def bind(self, weights: Weights) -> MLP:
        """With the layers: all that have a weight and a bias, in the order of the weights."""
        if self.activation not in ACTIVATIONS:
            raise ModelError(f"activation: unknown {self.activation!r}{nearest(self.activation, ACTIVATIONS)}")
        if self.channels not in (0, 1, 3):
            raise ModelError(f"channels: found {self.channels}, expected 1 or 3 of a picture, or 0 for plain values")
        parts = (name.rpartition(".") for name in weights.unused())
        layers = tuple(dict.fromkeys(path for path, _, name in parts if path and name in ("weight", "bias")))
        if not layers:
            raise ModelError(f"{weights.origin}: found no layers, expected names such as 0.weight and 0.bias")
        outputs = weights.take(f"{layers[0]}.bias", (-1,)).size
        features = weights.take(f"{layers[0]}.weight", (outputs, -1)).shape[1]
        return dataclasses.replace(self, layers=layers, features=features)


def image(cfg: MLP) -> Image:
    """The input: as many values as the first layer takes, alone or as a square picture."""
    if not cfg.channels:
        return Image(channels=cfg.features, size=1, name="data")
    side = isqrt(cfg.features // cfg.channels)
    return Image(cfg.channels, side, "data", preprocess={"kind": "gray" if cfg.channels == 1 else "stretch"})


@model("mlp", image=image, task="classify", upstream="torchvision.ops", variants={"mlp": MLP()})
def mlp(s: Scope, x: Tensor, cfg: MLP) -> Mapping[str, Tensor]:
    """Linear layers, each followed by its batch norm, if it has one, and but for the last by the activation."""
    x = x.flatten(1)
    if x.shape[1] != cfg.features:
        wanted = f"the {cfg.features} that {cfg.layers[0]}.weight takes"
        raise s.error(f"input: found {x.shape[1]} values, expected {wanted}")
    for path, following in zip(cfg.layers, (*cfg.layers[1:], None), strict=True):
        layer = s / path
        x = batch_norm(layer, x) if layer.has("running_mean") else linear(layer, x, -1)
        if following and not (s / following).has("running_mean"):
            x = ACTIVATIONS[cfg.activation](x)
    return {"logits": x}
