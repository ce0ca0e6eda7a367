"""Padding with a constant, by reflection or by repeating the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops.shape import emit_slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor

MODES = {"constant": "FILL", "reflect": "REFLECT", "replicate": "CLAMP", "circular": "WRAP"}


def pad(
    s: Scope, x: Tensor, widths: Sequence[int], mode: str = "constant", value: float = 0.0, suffix: str = ""
) -> Tensor:
    """`torch.nn.functional.pad`, with its argument order.

    Args:
        widths: (left, right) of the last dimension, then of the one before it, and so on; negative widths cut.
        mode: "constant", "reflect", "replicate" or "circular".
        value: what "constant" pads with.
    """
    if len(widths) % 2 or len(widths) > 2 * x.rank:
        raise s.error(f"pad: found {len(widths)} widths, expected two a dimension, at most {2 * x.rank}")
    pairs = [(0, 0)] * (x.rank - len(widths) // 2)
    pairs += [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    return pad_with(s, x, pairs, mode, value, suffix)


def pad_with(
    s: Scope,
    x: Tensor,
    pairs: Sequence[tuple[int, int]],
    mode: str = "constant",
    value: float = 0.0,
    suffix: str = "",
) -> Tensor:
    """Padding by (before, after) for every dimension, as in `numpy.pad`."""
    if mode not in MODES:
        raise s.error(f"pad: found mode {mode!r}, expected one of {', '.join(MODES)}")
    if mode != "constant" and value:
        raise s.error(f"pad: found value {value} with mode {mode!r}, expected it with 'constant' alone")
    if len(pairs) != x.rank:
        raise s.error(f"pad: found {len(pairs)} pairs, expected one for each of {x.rank} dimensions")
    for size, (before, after) in zip(x.shape, pairs, strict=True):
        if size != -1 and size + before + after < 1:
            raise s.error(f"pad: found {(before, after)} for size {size}, expected some of it to be left")
        most = {"reflect": size - 1, "circular": size}.get(mode)
        if size != -1 and most is not None and max(before, after) > most:
            raise s.error(f"pad: found {(before, after)} for size {size}, expected at most {most} with {mode!r}")
    starts = [-before for before, _ in pairs]
    sizes = [size + (before + after) for size, (before, after) in zip(x.dims, pairs, strict=True)]
    return emit_slice(s, x, starts, sizes, (1,) * x.rank, MODES[mode], value, suffix)
