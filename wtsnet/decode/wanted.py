"""Whether a network has the outputs that a task reads, told before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from wtsnet.errors import ManifestError, nearest

if TYPE_CHECKING:
    from wtsnet.manifest import Output

Axes: TypeAlias = "tuple[str | int, ...]"
"""The axes of an output: a number for a size that it must have, a name for any size, `...` for any more axes."""
MORE = "..."


def check_outputs(outputs: Sequence[Output], wanted: Mapping[str, Axes], task: str) -> None:
    """Refuse outputs that a task's results can't be made of. Sizes of -1 are known only when the network runs.

    Raises:
        ManifestError: one is missing, or has other axes.
    """
    shapes = {output["name"]: tuple(output["shape"]) for output in outputs}
    for name, axes in wanted.items():
        if name not in shapes:
            raise ManifestError(
                f"outputs: found {', '.join(shapes) or 'none'}, expected {name!r} among them for the task {task!r}"
                f"{nearest(name, shapes)}"
            )
        if not _fits(shapes[name], axes):
            text = ", ".join(map(str, axes))
            raise ManifestError(f"outputs: {name}: found shape {shapes[name]}, expected ({text}) for the task {task!r}")


def _fits(shape: tuple[int, ...], axes: Axes) -> bool:
    if axes[-1] == MORE:
        axes = axes[:-1]
        shape = shape[: len(axes)]
    return len(shape) == len(axes) and all(
        isinstance(axis, str) or size in (-1, axis) for size, axis in zip(shape, axes, strict=True)
    )
