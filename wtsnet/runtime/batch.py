"""A batch that is larger than an engine takes: how it is cut, and how the results are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def piece_sizes(batch: int, low: int, high: int) -> list[int]:
    """As few pieces of `low` to `high` as make up a batch, the short one last; as even as can be where a short last
    one would be below `low`. Nothing where no cut fits.

    >>> piece_sizes(10, 1, 4), piece_sizes(9, 3, 8), piece_sizes(5, 4, 4)
    ([4, 4, 2], [5, 4], [])
    """
    count = -(-batch // high)
    last = batch - (count - 1) * high
    if last >= low:
        return [high] * (count - 1) + [last]
    even, more = divmod(batch, count)
    return [even + 1] * more + [even] * (count - more) if even >= low else []


def joined(
    results: Sequence[Mapping[str, Any]], sizes: Sequence[int], join: Callable[[list[Any]], Any]
) -> dict[str, Any]:
    """The outputs of all pieces, each joined along its first axis.

    Args:
        sizes: the batch of each piece.
        join: what joins the arrays of one output.

    Raises:
        RunnerError: an output that is not as long as its piece.
    """
    for size, result in zip(sizes, results, strict=True):
        for name, array in result.items():
            if array.shape[:1] != (size,):
                raise RunnerError(
                    f"output {name!r}: found shape {array.shape} for {size} of {sum(sizes)}: it has no batch axis, and "
                    f"the pieces can't be joined; give at most {max(sizes)} at once"
                )
    return {name: join([result[name] for result in results]) for name in results[0]}
