"""What TensorRT's builder says of a network and of the engine that it made of it.

    with tensorrt.log.listening() as lines:
        wtsnet.build(…)
    print(BuildLog.of(lines).weights)

The figures are in the builder's log, at its severities INFO and VERBOSE, and so need no GPU.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# TensorRT 8 and 9 say "Total Scratch Memory", and no "bytes" behind the figures.
_FIGURES = {
    "layers": re.compile(r"Original: (\d+) layers"),
    "engine_layers": re.compile(r"After reformat layers: (\d+) layers"),
    "scratch": re.compile(r"(?:Max|Total) Scratch Memory: (\d+)"),
    "activation": re.compile(r"Total Activation Memory: (\d+)"),
    "weights": re.compile(r"Total Weights Memory: (\d+)"),
}


@dataclass(frozen=True)
class BuildLog:
    """The figures of one build; None for one that this release does not log.

    Attributes:
        layers: layers of the network before the build.
        engine_layers: layers that the engine has of them.
        scratch: bytes of device memory that the layer takes which takes most of it while it runs.
        activation: bytes of device memory that one execution context takes for tensors and scratch.
        weights: bytes of device memory that the engine's weights take, constants included.
    """

    layers: int | None = None
    engine_layers: int | None = None
    scratch: int | None = None
    activation: int | None = None
    weights: int | None = None

    @classmethod
    def of(cls, lines: Iterable[str]) -> BuildLog:
        """The figures in the log of one build. Of a line for each optimization profile, the largest counts."""
        found: dict[str, int] = {}
        for line in lines:
            for name, pattern in _FIGURES.items():
                if match := pattern.match(line.strip()):
                    found[name] = max(int(match[1]), found.get(name, 0))
        return cls(**found)
