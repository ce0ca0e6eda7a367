"""MobileNetV3 (Howard et al. 2019), with torchvision's weight names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wtsnet.blocks.classifiers.imagenet import imagenet
from wtsnet.blocks.classifiers.mobile import conv_norm_act, inverted_residual, squeeze_excitation
from wtsnet.definition import Image, model
from wtsnet.ops import hardsigmoid, hardswish, linear, relu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wtsnet.blocks.classifiers.mobile import Activation
    from wtsnet.network import Scope, Tensor

EPS = 1e-3
RE, HS = relu, hardswish


@dataclass(frozen=True)
class MobileNetV3:
    """A variant: the rows of the paper's table 1 or 2, each with kernel, expanded and output channels, whether there is
    squeeze and excitation, activation, and stride."""

    rows: tuple[tuple[int, int, int, bool, Activation, int], ...]
    resize: int = 256


SMALL = (
    (3, 16, 16, True, RE, 2),
    (3, 72, 24, False, RE, 2),
    (3, 88, 24, False, RE, 1),
    (5, 96, 40, True, HS, 2),
    (5, 240, 40, True, HS, 1),
    (5, 240, 40, True, HS, 1),
    (5, 120, 48, True, HS, 1),
    (5, 144, 48, True, HS, 1),
    (5, 288, 96, True, HS, 2),
    (5, 576, 96, True, HS, 1),
    (5, 576, 96, True, HS, 1),
)
LARGE = (
    (3, 16, 16, False, RE, 1),
    (3, 64, 24, False, RE, 2),
    (3, 72, 24, False, RE, 1),
    (5, 72, 40, True, RE, 2),
    (5, 120, 40, True, RE, 1),
    (5, 120, 40, True, RE, 1),
    (3, 240, 80, False, HS, 2),
    (3, 200, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 480, 112, True, HS, 1),
    (3, 672, 112, True, HS, 1),
    (5, 672, 160, True, HS, 2),
    (5, 960, 160, True, HS, 1),
    (5, 960, 160, True, HS, 1),
)
MOBILENETS = {"mobilenet_v3_small": MobileNetV3(SMALL), "mobilenet_v3_large": MobileNetV3(LARGE, resize=232)}


def image(cfg: MobileNetV3) -> Image:
    """The input that the published weights were measured on."""
    return imagenet(resize=cfg.resize)


@model("mobilenet_v3", image=image, task="classify", upstream="torchvision", variants=MOBILENETS)
def mobilenet_v3(s: Scope, x: Tensor, cfg: MobileNetV3) -> Mapping[str, Tensor]:
    """A stem, inverted residuals, one more convolution and a classifier of two linear layers."""
    features, classifier = s / "features", s / "classifier"
    x = conv_norm_act(features / 0, x, 16, 3, 2, act=hardswish, eps=EPS)
    for i, (k, wide, out, squeezed, act, stride) in enumerate(cfg.rows, 1):
        squeeze = partial(squeeze_excitation, gate=hardsigmoid) if squeezed else None
        x = inverted_residual(features / i, x, wide, out, k, stride, act=act, squeeze=squeeze, eps=EPS)
    last = features / (len(cfg.rows) + 1)
    x = conv_norm_act(last, x, 6 * x.shape[1], 1, act=hardswish, eps=EPS).named(features)
    x = hardswish(linear(classifier / 0, x.mean((2, 3)), -1))
    return {"logits": linear(classifier / 3, x, -1).named(classifier)}
