"""A twin of milesial/Pytorch-UNet, which no package publishes: written after the paper's figure 1 and the names and
shapes in its published weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upstream.made import Made

FULL = ("unet",)


def make(name: str) -> Made | None:
    # Sides that are odd on several levels; a quarter of the published width.
    return Made(UNet(classes=3, width=16), (3, 67, 93), uniform=True) if name == "unet" else None


class DoubleConv(nn.Module):
    def __init__(self, channels: int, out: int, between: int | None = None, bias: bool = False) -> None:
        super().__init__()
        between = between or out
        self.double_conv = nn.Sequential(
            *(nn.Conv2d(channels, between, 3, padding=1, bias=bias), nn.BatchNorm2d(between), nn.ReLU()),
            *(nn.Conv2d(between, out, 3, padding=1, bias=bias), nn.BatchNorm2d(out), nn.ReLU()),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.double_conv(x)
        return y


class Down(nn.Module):
    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(channels, out, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.maxpool_conv(x)
        return y


class Up(nn.Module):
    def __init__(self, channels: int, out: int, bilinear: bool, bias: bool) -> None:
        super().__init__()
        self.up: nn.Module
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)
        self.conv = DoubleConv(channels, out, channels // 2 if bilinear else out, bias)

    def forward(self, x: Tensor, own: Tensor) -> Tensor:
        x = self.up(x)
        height, width = (own.shape[i] - x.shape[i] for i in (2, 3))
        x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        y: Tensor = self.conv(torch.cat([own, x], dim=1))
        return y


class Out(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class UNet(nn.Module):
    """Published with a width of 64; `bias`: as the weights from before 2022."""

    def __init__(self, classes: int, width: int = 64, bilinear: bool = False, bias: bool = False) -> None:
        super().__init__()
        half = 2 if bilinear else 1
        self.inc = DoubleConv(3, width, bias=bias)
        self.down1 = Down(width, 2 * width, bias)
        self.down2 = Down(2 * width, 4 * width, bias)
        self.down3 = Down(4 * width, 8 * width, bias)
        self.down4 = Down(8 * width, 16 * width // half, bias)
        self.up1 = Up(16 * width, 8 * width // half, bilinear, bias)
        self.up2 = Up(8 * width, 4 * width // half, bilinear, bias)
        self.up3 = Up(4 * width, 2 * width // half, bilinear, bias)
        self.up4 = Up(2 * width, width, bilinear, bias)
        self.outc = Out(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        first = self.inc(x)
        second = self.down1(first)
        third = self.down2(second)
        fourth = self.down3(third)
        x = self.up1(self.down4(fourth), fourth)
        x = self.up4(self.up3(self.up2(x, third), second), first)
        logits: Tensor = self.outc(x)
        return logits
