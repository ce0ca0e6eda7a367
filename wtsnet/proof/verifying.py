"""Proof: what PyTorch computed, module by module, against what the network computes.

`record` writes a golden file where the PyTorch code lives; `verify` runs the network that TensorRT is
given, in the reference runtime, on the same input and compares each module's output.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.definition import define, find
from wtsnet.errors import VerifyError
from wtsnet.proof.fitting import by_the_models_names, inputs_of, of_its_dtypes, sizes_of
from wtsnet.runtime import reference_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from wtsnet.network import Network

# How far a network may be from PyTorch's float32, relative to the largest value, where nothing else is said.
TOLERANCES = {"fp32": 1e-5, "fp16": 1e-2, "bf16": 5e-2}

_CALL = re.compile(r"(?P<path>.*?)(?:#(?P<call>\d+))?(?P<items>(?:\[\d+\])*)")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: the module's path, with #2, #3 … from its second call on; or `output i`.
        error: max|a − b| / max|b|, b being PyTorch's; infinite where a shape differs or only one is finite.
        note: what is odd about it, if anything.
    """

    name: str
    error: float
    note: str = ""


@dataclass
class Report:
    """The outcome of `verify`.

    Attributes:
        rows: every comparison, in PyTorch's order of execution.
        skipped: modules of the golden file that the network does not have as such: folded or fused ones.
        tolerance: the largest error that passes.
    """

    tolerance: float
    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def first(self) -> Row | None:
        """The first comparison beyond the tolerance."""
        return next((row for row in self.rows if not row.error <= self.tolerance), None)

    @property
    def worst(self) -> list[Row]:
        """The ten worst comparisons, worst first."""
        return sorted(self.rows, key=lambda row: -row.error)[:10]


def verify(
    model: str,
    weights: str | os.PathLike[str] | Mapping[str, Any],
    golden: str | os.PathLike[str],
    *,
    tolerance: float | None = None,
    device: str = "cpu",
    progress: Callable[[str, int, int], None] | None = None,
    **options: Any,
) -> Report:
    """Compare a model's network with a golden file.

    Args:
        model, weights, options: as for `wtsnet.define`. The sizes of the inputs are those of the golden ones, and a
            detector's head is "decoded", as upstream's, where the options do not say otherwise.
        golden: the .npz of `record`. Its inputs are the model's of the same name; the others, and a picture's in any
            case, are taken in their order.
        tolerance: the largest relative error that passes; None for that of the precision.
        device: where the reference runtime runs: "cpu" or "cuda".
        progress: called with ("comparing", comparisons done, comparisons) as they go on.

    Raises:
        VerifyError: the golden file can't be read, its inputs are not the model's or not of its dtypes, or none of its
            modules is one of the network's.
        RunnerError: torch is not installed, or its device is not there.
    """
    with _open(golden) as file:
        recorded = {
            key.removeprefix("input/"): _array(file, key, golden) for key in file.files if key.startswith("input/")
        }
        store, takes = inputs_of(model, weights, options)
        inputs = by_the_models_names(golden, recorded, model, takes)
        known = {"head": "decoded"} if hasattr(find(model).config, "head") else {}
        net = define(model, store, **{**known, **sizes_of(inputs, takes), **options})
        given = of_its_dtypes(golden, inputs, net)
        wanted = _wanted(net, file.files, golden, options.get("head", "decoded") == "decoded")
        report = Report(TOLERANCES[net.precision] if tolerance is None else tolerance)
        errors: dict[str, Row] = {}
        with reference_runner(net.trt, device) as runner:
            for tensor, value in runner.trace(given, list(wanted)):
                for key in wanted.get(tensor, ()):
                    errors[key] = _compared(key, value.float().cpu().numpy(), _array(file, key, golden))
                    if progress is not None:
                        progress("comparing", len(errors), sum(map(len, wanted.values())))
    for key in file.files:
        if key in errors:
            report.rows.append(errors[key])
        elif not key.startswith("input/"):
            report.skipped.append(_title(key))
    if not report.rows:
        raise VerifyError(f"{golden}: found nothing to compare but inputs, expected modules or outputs")
    return report


@contextmanager
def _open(golden: str | os.PathLike[str]) -> Iterator[Any]:
    """The golden file's arrays, by key."""
    with ExitStack() as stack:
        try:
            file = np.load(stack.enter_context(open(golden, "rb")), allow_pickle=False)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise VerifyError(f"{os.fspath(golden)}: can't be read as a golden file ({error})") from None
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise VerifyError(f"{os.fspath(golden)}: found a single array, expected the .npz of wtsnet record")
        yield file


def _array(file: Any, key: str, golden: str | os.PathLike[str]) -> NDArray[Any]:
    """An array of the golden file, which is read only now."""
    try:
        array: NDArray[Any] = file[key]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise VerifyError(f"{os.fspath(golden)}: {key}: can't be read ({error})") from None
    if array.dtype.kind not in "fiub":
        raise VerifyError(f"{os.fspath(golden)}: {key}: found values of type {array.dtype}, expected numbers")
    return array


def _wanted(net: Network, keys: list[str], golden: Any, outputs_too: bool) -> dict[str, list[str]]:
    """Which golden arrays each of the network's tensors is to be compared with. The outputs are not where another head
    was asked for than the one that gives what PyTorch's gives.

    Raises:
        VerifyError: there are modules, and none of them is in the network.
    """
    wanted: dict[str, list[str]] = {}
    for key in keys:
        if key.startswith("module/"):
            match = _CALL.fullmatch(key.removeprefix("module/"))
            calls = net.modules.get(match["path"] + match["items"], []) if match else []
            index = int(match["call"] or 1) - 1 if match else 0
            if index < len(calls):
                wanted.setdefault(calls[index].name, []).append(key)
    modules = sum(key.startswith("module/") for key in keys)
    if modules and not wanted:
        raise VerifyError(f"{golden}: of another model: none of its {modules} modules is in the network")
    outputs = [net.trt.get_output(i).name for i in range(net.trt.num_outputs if outputs_too else 0)]
    for name, key in zip(outputs, (key for key in keys if key.startswith("output/")), strict=False):
        wanted.setdefault(name, []).append(key)
    return wanted


def _compared(key: str, ours: NDArray[Any], theirs: NDArray[Any]) -> Row:
    name = _title(key)
    if ours.shape != theirs.shape:
        return Row(name, float("inf"), f"found shape {ours.shape}, expected {theirs.shape}")
    return Row(name, relative_error(ours, theirs))


def relative_error(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """max|a − b| / max|b|, b being theirs; infinite where not the same values are finite."""
    if not theirs.size:
        return 0.0
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    difference = np.abs(a[finite] - b[finite]).max(initial=0)
    largest = np.abs(b[finite]).max(initial=0)
    if not largest:
        return float("inf") if difference else 0.0
    return float(difference / largest)


def _title(key: str) -> str:
    return key.removeprefix("module/").replace("output/", "output ") or "the model"
