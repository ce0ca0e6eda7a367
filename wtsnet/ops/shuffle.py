"""Channels in another order, or as places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import op
from wtsnet.network.shape import permute, reshape, transpose

if TYPE_CHECKING:
    from wtsnet.network import Dim, Tensor


@op("torch.nn.functional.pixel_shuffle")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(N, C·r², H, W) to (N, C, H·r, W·r) (Shi et al. 2016)."""
    (n, c, h, w), r = _image(input), upscale_factor
    if r < 1 or input.shape[1] % r**2:
        raise input.error(f"upscale_factor: found {r} for {input.shape[1]} channels, expected them a multiple of r²")
    y = reshape(input, (n, c // r**2, r, r, h, w))
    return reshape(permute(y, (0, 1, 4, 2, 5, 3)), (n, c // r**2, h * r, w * r))


@op("torch.nn.functional.pixel_unshuffle")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(N, C, H·r, W·r) to (N, C·r², H, W)."""
    (n, c, h, w), r = _image(input), downscale_factor
    if r < 1 or any(size != -1 and size % r for size in input.shape[2:]):
        raise input.error(f"downscale_factor: found {r} for sizes {input.shape[2:]}, expected a divisor of both")
    y = reshape(input, (n, c, h // r, r, w // r, r))
    return reshape(permute(y, (0, 1, 3, 5, 2, 4)), (n, c * r**2, h // r, w // r))


@op("torch.nn.functional.channel_shuffle")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (g, C/g) are reordered to (C/g, g) (Zhang et al. 2018)."""
    if input.rank < 2:
        raise input.error(f"input: found shape {input.shape}, expected (N, C, …)")
    n, c, *rest = input.dims
    if groups < 1 or input.shape[1] % groups:
        raise input.error(f"groups: found {groups}, expected a divisor of {input.shape[1]} channels")
    y = reshape(input, (n, groups, c // groups, *rest))
    return reshape(transpose(y, 1, 2), (n, c, *rest))


def _image(x: Tensor) -> tuple[int | Dim, ...]:
    if x.rank != 4:
        raise x.error(f"found shape {x.shape}, expected (N, C, H, W)")
    return x.dims
