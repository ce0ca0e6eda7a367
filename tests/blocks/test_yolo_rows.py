"""The blocks that lists of the yolov5 and of the ultralytics package share, those of one alone, and PyTorch's own."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

import tests.upstream.torchvision  # noqa: F401  # declares the operators that the packages' imports ask for
from tests.blocks.support import check_block, picture
from tests.upstream.ultralytics import package
from tests.upstream.yolov5 import yolov5_package
from wtsnet.blocks.yolo import Architecture, conv_block
from wtsnet.definition.registry import find_block

ROWS = {"backbone": [], "head": [[-1, 1, "Detect", []]], "nc": 2}
OF_YOLOV5 = Architecture.read({**ROWS, "yolov5": True}, "test")
OTHER = Architecture.read(ROWS, "test")
ATTENTION = r".*\.ma\[1\]"  # the weights of attention, which nobody uses
CASES: list[tuple[str, str, tuple[Any, ...]]] = [
    ("ultralytics", "C1", (24, 2)),
    ("ultralytics", "C2", (24, 2)),
    ("ultralytics", "C2", (24, 1, False, 2, 1.0)),
    ("ultralytics", "C2f", (24, 2, True)),
    ("ultralytics", "C2f", (24, 1, False, 2, 0.25)),
    ("ultralytics", "C3", (16, 2, False)),
    ("ultralytics", "C3x", (16, 2, True, 2)),
    ("yolov5", "C3x", (16, 1, False)),
    ("ultralytics", "C3Ghost", (16, 2)),
    ("yolov5", "C3TR", (32, 2)),
    ("ultralytics", "Bottleneck", (16,)),
    ("ultralytics", "Bottleneck", (24, True, 2, (1, 3), 1.0)),
    ("yolov5", "Bottleneck", (16,)),
    ("yolov5", "Bottleneck", (16, False, 2, 1.0)),
    ("ultralytics", "BottleneckCSP", (24, 2)),
    ("yolov5", "BottleneckCSP", (24, 1, False)),
    ("yolov5", "C3SPP", (24, (3, 5))),
    ("yolov5", "CrossConv", (16, 5, 1, 2, 0.5, True)),
    ("yolov5", "CrossConv", (24, 3, 2)),
    ("ultralytics", "GhostConv", (24, 3, 2)),
    ("ultralytics", "GhostConv", (24, 1, 1, 2, False)),
    ("ultralytics", "GhostBottleneck", (16,)),
    ("ultralytics", "GhostBottleneck", (24, 3, 2)),
    ("ultralytics", "ResNetLayer", (16, 8, 1, True)),
    ("ultralytics", "ResNetLayer", (16, 8, 2, False, 2)),
    ("ultralytics", "ResNetLayer", (16, 4, 1, False, 2)),
    ("ultralytics", "DWConv", (24, 3, 2, 2)),
    ("ultralytics", "DWConv", (16, 3, 1, 1, False)),
    ("ultralytics", "DWConvTranspose2d", (8, 3, 2, 1, 1)),
    ("ultralytics", "ConvTranspose", (24,)),
    ("ultralytics", "ConvTranspose", (24, 2, 2, 0, False, False)),
    ("ultralytics", "SPP", (24,)),
    ("ultralytics", "SPPF", (24, 3, 2)),
    ("ultralytics", "SPPF", (16, 5, 3, True)),
    ("yolov5", "SPPF", (24,)),
    ("ultralytics", "Focus", (24, 3)),
    ("yolov5", "MixConv2d", (24, (1, 3, 5), 2)),
    ("yolov5", "Contract", (2,)),
    ("yolov5", "Expand", (2,)),
    ("torch", "GELU", ("tanh",)),
    ("torch", "LeakyReLU", (0.2, False)),
    ("torch", "Hardtanh", (-0.5, 2.0)),
    ("torch", "PReLU", (16,)),
    ("torch", "Softmax", (1,)),
    ("torch", "Dropout", (0.5,)),
    ("torch", "PixelShuffle", (2,)),
    ("torch", "Upsample", (None, 2, "bilinear", True)),
    ("torch", "Upsample", ((9, 5),)),
    ("torch", "MaxPool2d", (3, 2, 1)),
    ("torch", "AvgPool2d", (3, 2, 1, False, False)),
    ("torch", "ZeroPad2d", ((1, 0, 2, 3),)),
    ("torch", "BatchNorm2d", (16,)),
]


def upstream(source: str, name: str, args: tuple[Any, ...]) -> Any:
    """The package's module of this name; most want the input's channels first."""
    if source == "torch":
        return getattr(nn, name)(*args)
    if source == "yolov5":
        module = yolov5_package().__dict__[name]
    else:
        from ultralytics.nn import modules
        from ultralytics.nn.modules import block, conv

        package()
        module = next(getattr(part, name) for part in (block, conv, modules) if hasattr(part, name))
    return module(*args) if name in ("ResNetLayer", "Contract", "Expand") else module(16, *args)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}{case[2]}")
def test_blocks(case: tuple[str, str, tuple[Any, ...]]) -> None:
    source, name, args = case
    block = find_block(name, "test")
    more = {"arch": OF_YOLOV5 if source == "yolov5" else OTHER} if "arch" in block.keywords else {}
    twin = upstream(source, name, args)
    check_block(lambda s, x: block.function(s, x, *args, **more), twin, picture(16), hidden=ATTENTION)


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("nn.PReLU()", nn.PReLU()),
        ("nn.PReLU(24)", nn.PReLU(24)),
        ("nn.LeakyReLU(negative_slope=0.1, inplace=True)", nn.LeakyReLU(0.1)),
        ("nn.Hardtanh(-1, 2.0)", nn.Hardtanh(-1, 2)),
        ("torch.nn.Identity()", nn.Identity()),
    ],
)
def test_activations(text: str, act: nn.Module) -> None:
    """The lists spell them as Python, and one with weights has them in each block."""
    twin = upstream("ultralytics", "Conv", (24, 3))
    twin.act = act
    found = Architecture.read({**ROWS, "activation": text}, "test").activation
    check_block(lambda s, x: conv_block(s, x, 24, 3, act=found), twin, picture(16))
