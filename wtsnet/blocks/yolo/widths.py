"""Channel counts of scaled networks."""

from __future__ import annotations


def divisible(channels: float, by: int = 8) -> int:
    """The multiple of `by` nearest to `channels`, at least one, and no more than a tenth below it (the rule of
    MobileNetV2's published code, which MnasNet and EfficientNet share)."""
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest if nearest >= 0.9 * channels else nearest + by
