"""What convolutions and pooling share: one size for each spatial dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Tensor


def spatial(x: Tensor, rank: int | None = None) -> int:
    """How many spatial dimensions `x` (N, C, spatial …) has: 1, 2 or 3, or `rank`.

    Raises:
        NetworkError: it has another number.
    """
    if not 3 <= x.rank <= 5 or rank not in (None, x.rank - 2):
        wanted = "1 to 3" if rank is None else str(rank)
        raise x.error(f"input: found shape {x.shape}, expected (N, C, …) with {wanted} spatial dimensions")
    return x.rank - 2


def spread(x: Tensor, name: str, value: int | Sequence[int], rank: int, least: int = 1) -> tuple[int, ...]:
    """One size for each of `rank` spatial dimensions: a number stands for all of them. None is below `least`."""
    sizes = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sizes) == 1:
        sizes = sizes * rank
    if len(sizes) != rank:
        raise x.error(f"{name}: found {value}, expected a number or {rank} of them")
    if min(sizes) < least:
        raise x.error(f"{name}: found {value}, expected at least {least}")
    return sizes
