"""Padding with a constant, by reflection or by repeating the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wtsnet.network import Dim, op
from wtsnet.network.shape import emit_slice

if TYPE_CHECKING:
    from wtsnet.network import Tensor

MODES = {"constant": "FILL", "reflect": "REFLECT", "replicate": "CLAMP", "circular": "WRAP"}


@op("torch.nn.functional.pad")
def pad(input: Tensor, pad: Sequence[int | Dim], mode: str = "constant", value: float | None = None) -> Tensor:
    """With more values around.

    Args:
        pad: (left, right) of the last dimension, then of the one before it, and so on; negative ones cut.
        mode: "constant", "reflect", "replicate" or "circular".
        value: what "constant" pads with; 0 where it is None.
    """
    if len(pad) % 2 or len(pad) > 2 * input.rank:
        raise input.error(f"pad: found {len(pad)} widths, expected two a dimension, at most {2 * input.rank}")
    pairs: list[tuple[int | Dim, int | Dim]] = [(0, 0)] * (input.rank - len(pad) // 2)
    pairs += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    return pad_with(input, pairs, mode, value)


def pad_with(
    x: Tensor,
    pairs: Sequence[tuple[int | Dim, int | Dim]],
    mode: str = "constant",
    value: float | None = None,
) -> Tensor:
    """Padding by (before, after) for every dimension, as in `numpy.pad`."""
    if mode not in MODES:
        raise x.error(f"mode: found {mode!r}, expected one of {', '.join(MODES)}")
    if mode != "constant" and value:
        raise x.error(f"value: found {value} with mode {mode!r}, expected it with 'constant' alone")
    for size, (before, after) in zip(x.shape, pairs, strict=True):
        if size == -1 or isinstance(before, Dim) or isinstance(after, Dim):
            continue
        if size + before + after < 1:
            raise x.error(f"pad: found {(before, after)} for size {size}, expected some of it to be left")
        most = {"reflect": size - 1, "circular": size}.get(mode)
        if most is not None and max(before, after) > most:
            raise x.error(f"pad: found {(before, after)} for size {size}, expected at most {most} with {mode!r}")
    if all(isinstance(width, int) and width == 0 for pair in pairs for width in pair):
        return x
    starts = [0 - before for before, _ in pairs]
    sizes = [size + (before + after) for size, (before, after) in zip(x.dims, pairs, strict=True)]
    return emit_slice(x, starts, sizes, (1,) * x.rank, MODES[mode], value or 0.0)
