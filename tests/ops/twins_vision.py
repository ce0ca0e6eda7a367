"""torchvision's operators in plain PyTorch, for its own compiled ones do not load beside a CPU build of PyTorch: by the
papers' formulas and torchvision's documentation, sample by sample."""

from __future__ import annotations

import math

import torch
from torch import nn


def pixel(picture: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """The channels (C,) at a pixel of (C, H, W); 0 beyond the borders."""
    if 0 <= y < picture.shape[1] and 0 <= x < picture.shape[2]:
        return picture[:, y, x]
    return torch.zeros(len(picture))


def bilinear(picture: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """The channels between pixels: those of four, each times how near it is (Dai et al. 2017, eqs. 3 and 4)."""
    top, left = math.floor(y), math.floor(x)
    down, right = y - top, x - left
    return (
        (1 - down) * (1 - right) * pixel(picture, top, left)
        + (1 - down) * right * pixel(picture, top, left + 1)
        + down * (1 - right) * pixel(picture, top + 1, left)
        + down * right * pixel(picture, top + 1, left + 1)
    )


class DeformConv2d(nn.Module):
    """torchvision.ops.DeformConv2d: y(p) = Σₖ w(k) · x(p + pₖ + Δpₖ) · Δmₖ (Zhu et al. 2018, eq. 1)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        out, _, kernel_height, kernel_width = self.weight.shape
        points = kernel_height * kernel_width
        n, c = x.shape[:2]
        offset_groups = offset.shape[1] // (2 * points)
        y = torch.zeros(n, out, *offset.shape[2:])
        for b, row, column in torch.cartesian_prod(*(torch.arange(s) for s in (n, *offset.shape[2:]))).tolist():
            values = torch.zeros(c, points)
            for g in range(offset_groups):
                own = slice(g * c // offset_groups, (g + 1) * c // offset_groups)
                for k in range(points):
                    channel = g * points + k
                    down, right = offset[b, 2 * channel : 2 * channel + 2, row, column].tolist()
                    i, j = divmod(k, kernel_width)
                    place = (
                        row * self.stride[0] - self.padding[0] + i * self.dilation[0] + down,
                        column * self.stride[1] - self.padding[1] + j * self.dilation[1] + right,
                    )
                    share = 1.0 if mask is None else float(mask[b, channel, row, column])
                    values[own, k] = share * bilinear(x[b, own], *place)
            grouped = values.reshape(self.groups, c // self.groups * points)
            kernels = self.weight.reshape(self.groups, out // self.groups, -1)
            y[b, :, row, column] = torch.einsum("goi,gi->go", kernels, grouped).reshape(-1)
        return y if self.bias is None else y + self.bias.reshape(-1, 1, 1)


def roi_align(
    x: torch.Tensor,
    boxes: torch.Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 1,
    aligned: bool = False,
) -> torch.Tensor:
    """torchvision.ops.roi_align with a given number of samples: the mean of those of a bin (He et al. 2017). Up to a
    pixel beyond the border stands the border itself, farther out 0."""
    height, width = x.shape[2:]
    result = torch.zeros(len(boxes), x.shape[1], *output_size)
    for k, box in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (corner * spatial_scale - (0.5 if aligned else 0) for corner in box[1:])
        sides = [y2 - y1, x2 - x1] if aligned else [max(y2 - y1, 1.0), max(x2 - x1, 1.0)]
        steps = [side / bins / sampling_ratio for side, bins in zip(sides, output_size, strict=True)]
        for i in range(output_size[0] * sampling_ratio):
            for j in range(output_size[1] * sampling_ratio):
                y, z = y1 + (i + 0.5) * steps[0], x1 + (j + 0.5) * steps[1]
                if -1 <= y <= height and -1 <= z <= width:
                    inside = min(max(y, 0.0), height - 1), min(max(z, 0.0), width - 1)
                    bin = (i // sampling_ratio, j // sampling_ratio)
                    result[k, :, bin[0], bin[1]] += bilinear(x[int(box[0])], *inside)
    return result / sampling_ratio**2
