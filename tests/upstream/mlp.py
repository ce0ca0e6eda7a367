"""A multilayer perceptron, of modules that torch has."""

from __future__ import annotations

from torch import nn

from tests.upstream.made import Made

FULL = ("mlp",)


def make(name: str) -> Made | None:
    if name != "mlp":
        return None
    layers = (nn.Flatten(), nn.Linear(12, 20), nn.ReLU(), nn.Dropout(), nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 5))
    return Made(nn.Sequential(*layers), (12, 1, 1))
