"""What a source of upstream models gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True)
class Made:
    """An upstream model with the weights that its constructor gave it.

    Attributes:
        module: the model.
        shape: channels, height and width of an input that it is compared on: small, and where the architecture
            allows it with a height unlike the width, so that exchanging them shows.
        uniform: whether inputs are pictures between 0 and 1; else they are normally distributed.
        hidden: recorded outputs that the network has no tensor for: a regular expression for the whole path of
            each, and the reason. What a batch norm folds away is known without.
    """

    module: nn.Module
    shape: tuple[int, int, int]
    uniform: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
