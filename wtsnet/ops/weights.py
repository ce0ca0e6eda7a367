"""A module's weight, however the module keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Scope

# Where weight norm keeps magnitude and direction: `torch.nn.utils.parametrizations.weight_norm`, and the one before.
_NORMED = (("parametrizations.weight.original0", "parametrizations.weight.original1"), ("weight_g", "weight_v"))


def weight_of(s: Scope, *shape: int) -> NDArray[np.floating]:
    """The module's `weight` of `shape`; one that is under weight norm (Salimans & Kingma 2016, eq. 2) as g·v/‖v‖, ‖v‖
    being the length over all dimensions but the first."""
    if s.has("weight"):
        return s.take("weight", *shape)
    for magnitude, direction in _NORMED:
        if s.has(direction):
            v = s.take(direction, *shape).astype(np.float64)
            g = s.take(magnitude, v.shape[0], *(1,) * (v.ndim - 1))
            length = np.sqrt(np.square(v).sum(axis=tuple(range(1, v.ndim)), keepdims=True))
            made: NDArray[np.floating] = g * v / length
            return made
    return s.take("weight", *shape)
