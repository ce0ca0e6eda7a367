"""Twins of cfzd/Ultra-Fast-Lane-Detection, which no package publishes, and of the detector with a second head: written
after the paper's figure 2 and the names and shapes in its published weights."""

from __future__ import annotations

import re
from math import prod

import torchvision.models
from torch import Tensor, nn

import tests.upstream.torchvision  # noqa: F401  # torchvision imports once it has run
from tests.upstream.made import Made

FULL = ("ufld_culane_18", "lane_detector_18")
GRIDS = {"ufld_culane": (201, 18, 4), "ufld_tusimple": (101, 56, 4), "lane_detector": (201, 32, 4)}
SMALL = (64, 96)


def make(name: str) -> Made | None:
    found = re.fullmatch(r"(ufld_culane|ufld_tusimple|lane_detector)_(18|34)", name)
    if not found:
        return None
    second = (2, 16) if found[1] == "lane_detector" else None
    return Made(ParsingNet(GRIDS[found[1]], f"resnet{found[2]}", second, SMALL, hidden=64), (3, *SMALL))


class Backbone(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        net = torchvision.models.get_model(name, weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        second = self.layer2(x)
        third = self.layer3(second)
        return second, third, self.layer4(third)


class ConvNorm(nn.Module):
    """Of the segmentation that the backbone is trained on: never called here, but in the published weights."""

    def __init__(self, channels: int, out: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn = nn.BatchNorm2d(out)


class ParsingNet(nn.Module):
    """Published for pictures of 288×800 and with a hidden layer of 2048.

    Args:
        grid: cells and one for "no lane", rows, lanes.
        second: the shape of the second head's output; None for upstream's own network.
        aux: whether it has the layers that training alone uses, as published weights do.
    """

    def __init__(
        self,
        grid: tuple[int, int, int],
        backbone: str,
        second: tuple[int, int] | None = None,
        size: tuple[int, int] = (288, 800),
        hidden: int = 2048,
        aux: bool = False,
    ) -> None:
        super().__init__()
        self.grid, self.second = grid, second
        self.model = Backbone(backbone)
        if aux:
            for stage, repeats in ((2, 4), (3, 3), (4, 2)):
                widths = [64 << (stage - 1), *[128] * repeats]
                header = (ConvNorm(widths[i], widths[i + 1]) for i in range(repeats))
                self.add_module(f"aux_header{stage}", nn.Sequential(*header))
            combined = ((384, 256, 2), (256, 128, 2), (128, 128, 2), (128, 128, 4))
            lanes = nn.Conv2d(128, grid[2] + 1, 1)
            self.aux_combine = nn.Sequential(*(ConvNorm(*sizes) for sizes in combined), lanes)
        self.pool = nn.Conv2d(512, 8, 1)
        places = 8 * prod(-(-side // 32) for side in size)
        self.cls = _classifier(places, hidden, prod(grid))
        if second:
            self.attributes = _classifier(places, hidden, prod(second))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        features = self.pool(self.model(x)[2]).flatten(1)
        keypoints: Tensor = self.cls(features).view(-1, *self.grid)
        if not self.second:
            return keypoints
        return keypoints, self.attributes(features).view(-1, *self.second)


def _classifier(places: int, hidden: int, values: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(places, hidden), nn.ReLU(), nn.Linear(hidden, values))
