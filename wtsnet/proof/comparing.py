"""Two networks on the same inputs, output by output: a .wts build against an ONNX file of the same model, say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import VerifyError
from wtsnet.proof.inputs import given_inputs, random_inputs
from wtsnet.proof.sides import open_sides
from wtsnet.proof.verifying import TOLERANCES, relative_error

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from wtsnet.manifest import Input
    from wtsnet.proof.sides import Side, Source


@dataclass(frozen=True)
class Difference:
    """One output of both networks.

    Attributes:
        name: what the first calls it; both names where the second calls it otherwise.
        shape, dtype: of the first; both dtypes where they differ.
        error: max|a − b| / max|b|, b being the second's; infinite where a shape differs or only one is finite.
        mean: mean|a − b| / max|b|, likewise.
        note: what is odd about it, if anything.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    error: float
    mean: float
    note: str = ""


@dataclass
class Comparison:
    """The outcome of `compare`.

    Attributes:
        tolerance: the largest error that passes.
        rows: each output that both have, in the order of the first.
        unmatched: the outputs that only one of them has, with its name.
    """

    tolerance: float
    rows: list[Difference] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)

    @property
    def first(self) -> Difference | None:
        """The first output beyond the tolerance."""
        return next((row for row in self.rows if not row.error <= self.tolerance), None)


def compare(
    a: Source,
    b: Source,
    /,
    *,
    inputs: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    device: str | None = None,
    runner: str = "reference",
    **options: Any,
) -> Comparison:
    """Run two networks on the same inputs and compare their outputs.

    Inputs and outputs are matched by name; those that are left, in their order, where the shapes are the same.

    Args:
        a, b: each an .onnx file, a plan with its manifest, "MODEL:FILE.wts" such as "yolov5s:yolov5s.wts" or
            "mine.py:tiny:tiny.wts" or, for the only model of a file, "mine.py:tiny.wts"; or a `Network` or `Engine`.
        inputs: arrays by the names of either's inputs, an .npz of such, or a picture, where one of the two says how
            it becomes the input. None for random ones: pictures in [0, 1), other floats standard normal, int32 and
            int64 0 and 1 (indices of any table, and masks), bytes over their whole range.
        seed: of the random inputs.
        tolerance: the largest relative error that passes; None for that of the less precise of the two.
        device: where the networks run: "cpu" (of the reference runtime where it is None) or "cuda".
        runner: what executes a plan, as for `Engine.runner`.
        options: as for `wtsnet.define`. An .onnx file takes batch, imgsz, shapes and preprocess, MODEL:FILE.wts all.

    Raises:
        VerifyError: nothing that can be compared: no such file, other inputs, no output that both have, an option
            that neither takes.
        WtsnetError: as `define`, `load` and the runners.
    """
    sides = open_sides(a, b, device=device, runner=runner, options=options)
    pairs = _input_pairs(*sides)
    if inputs is None:
        values = random_inputs(pairs, seed)
    else:
        values = given_inputs(pairs, inputs, sides[0].preprocess or sides[1].preprocess)
    ours, theirs = (
        side.run({spec[i]["name"]: value[i] for spec, value in zip(pairs, values, strict=True)})
        for i, side in enumerate(sides)
    )
    report = Comparison(max(TOLERANCES[side.precision] for side in sides) if tolerance is None else tolerance)
    matched, *rest = _matched(list(ours), list(theirs), lambda x, y: ours[x].shape == theirs[y].shape)
    report.rows = [_difference(x, ours[x], y, theirs[y]) for x, y in matched]
    for side, outputs, names in zip(sides, (ours, theirs), rest, strict=True):
        report.unmatched += [f"{name} {outputs[name].shape} of {side.name}" for name in names]
    if not matched:
        raise VerifyError(f"no output to compare; there are {', '.join(report.unmatched)}")
    return report


def _input_pairs(a: Side, b: Side) -> list[tuple[Input, Input]]:
    """Which input of the second is which of the first."""

    def fits(x: str, y: str) -> bool:
        return len(a.inputs[x]["opt"]) == len(b.inputs[y]["opt"])

    pairs, rest_a, rest_b = _matched(list(a.inputs), list(b.inputs), fits)
    for side, rest in ((a, rest_a), (b, rest_b)):
        if rest:
            takes = " and ".join(f"{one.name} takes {', '.join(one.inputs)}" for one in (a, b))
            raise VerifyError(f"input {rest[0]} of {side.name}: the other has no such input ({takes})")
    return [(a.inputs[x], b.inputs[y]) for x, y in pairs]


def _matched(
    ours: Sequence[str], theirs: Sequence[str], fits: Callable[[str, str], bool]
) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Pairs of one name, and of those left over each with the first that fits; then what is left of each."""
    rest = [name for name in theirs if name not in ours]
    pairs, lonely = [], []
    for name in ours:
        other = name if name in theirs else next((one for one in rest if fits(name, one)), None)
        if other is None:
            lonely.append(name)
            continue
        pairs.append((name, other))
        if other in rest:
            rest.remove(other)
    return pairs, lonely, rest


def _difference(name: str, ours: NDArray[Any], other: str, theirs: NDArray[Any]) -> Difference:
    title = name if name == other else f"{name} = {other}"
    dtype = ours.dtype.name if ours.dtype == theirs.dtype else f"{ours.dtype.name}, {theirs.dtype.name}"
    if ours.shape != theirs.shape:
        note = f"found shape {ours.shape}, expected {theirs.shape}"
        return Difference(title, ours.shape, dtype, float("inf"), float("inf"), note)
    error = relative_error(ours, theirs)
    return Difference(title, ours.shape, dtype, error, _mean(ours, theirs) if np.isfinite(error) else error)


def _mean(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """mean|a − b| / max|b| of arrays that are finite in the same places."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    a, b = a[np.isfinite(b)], b[np.isfinite(b)]
    largest = np.abs(b).max(initial=0)
    return float(np.abs(a - b).mean() / largest) if largest else 0.0
