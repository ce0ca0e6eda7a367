"""What ops are called elsewhere: for errors about a name that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

# Also what they were called here before 0.2.
_OTHERWISE = {
    "absolute": "abs",
    "adaptive_avg_pool": "adaptive_avg_pool2d",
    "adaptive_max_pool": "adaptive_max_pool2d",
    "avg_pool": "avg_pool2d",
    "concat": "cat",
    "concatenate": "cat",
    "conv": "conv2d",
    "conv_transpose": "conv_transpose2d",
    "cosine": "cos",
    "cut": "x[:, start:stop]",
    "dropout": "x itself: it does nothing at inference",
    "equal": "eq",
    "floor_div": "floor_divide",
    "global_avg_pool": "x.mean((2, 3), keepdim=True)",
    "global_max_pool": "x.amax((2, 3), keepdim=True)",
    "greater": "gt",
    "less": "lt",
    "log_sigmoid": "logsigmoid",
    "max_pool": "max_pool2d",
    "multi_head_attention": "multihead_attention",
    "negative": "neg",
    "parameter": "s.parameter(name, *shape)",
    "power": "pow",
    "resize": "interpolate",
    "rounded": "round",
    "sine": "sin",
    "swish": "silu",
    "take": "index_select",
    "total": "sum",
    "upsample": "interpolate",
    "view": "reshape",
}


def nearest_op(name: str, known: Collection[str]) -> str:
    """What to add to an error about an op that there is not: what it is called here, or the nearest name."""
    bare = name.replace("_", "").lower()
    # As PyTorch's classes are called, and without the number of dimensions or with it.
    same = {other.replace("_", ""): other for other in known}
    found = _OTHERWISE.get(name) or next((same[n] for n in (bare, f"{bare}2d", bare[:-2]) if n in same), None)
    return f"; did you mean {found}?" if found else nearest(name, known)
