"""What every module of a PyTorch model computes for one input, in a file that `verify` compares with.

The .npz holds, uncompressed and in the order in which modules finished: `input/<name>`, `module/<dotted path>`
for a module's first call and `module/<dotted path>#2`, `#3` for later ones, with `[i]` behind it for each member
of a tuple or list, and `output/<i>` for the tensors that the model itself returns.

torch is imported in the functions that need it: most who import this room compare files.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.errors import VerifyError
from wtsnet.manifest import whole, write_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Recording:
    """What `record` has written.

    Attributes:
        path: the .npz.
        modules: of how many modules it holds the output, however often each was called.
        outputs: how many tensors the model returned.
        inputs: the shape of each input, by its name in the file.
    """

    path: Path
    modules: int
    outputs: int
    inputs: Mapping[str, tuple[int, ...]]


def record(
    module: torch.nn.Module,
    inputs: Mapping[str, Any] | Sequence[Any] | Any,
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
) -> Recording:
    """Run `module` once and write the outputs of all its modules to the .npz `path`, whole or not at all.

    The module is made float32, put in evaluation mode and moved to the CPU, and stays so; of a DataParallel it is the
    module inside. One output is held at a time; each is written as it is when its module returns, so later in-place
    operations do not show. What `module` raises is passed on.

    Args:
        module: the model.
        inputs: its arguments as tensors or numpy arrays of any rank, floats of any size as float32, integers and bools
            as they are: one; several in a tuple or list, in order; or a mapping by name. Where all names of a mapping
            are parameters of `module.forward`, its values are passed by keyword; else by position, in their order.
        path: the .npz to write.
        names: what the inputs are called in the file, where no mapping says it. None for "images" of a single tensor,
            and of several in a tuple for the parameters of `module.forward`, or "input0", "input1" … where it has no
            such parameters.

    Raises:
        VerifyError: an input that is no array of numbers, or not as many names as inputs; a file that can't be written.
    """
    import torch

    if isinstance(module, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
        module = module.module
    if not isinstance(module, torch.nn.Module):
        raise VerifyError(f"record: found {type(module).__name__}, expected an nn.Module")
    parameters = _parameters(module)
    if isinstance(inputs, Mapping):
        given = {str(name): _tensor(str(name), value) for name, value in inputs.items()}
    else:
        values = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
        if names is None:
            names = _names(parameters, len(values)) if isinstance(inputs, tuple | list) else ["images"]
        if len(set(names)) != len(values) or len(names) != len(values):
            raise VerifyError(f"names: found {', '.join(names) or 'none'}, expected {len(values)}, one for each input")
        given = {name: _tensor(name, value) for name, value in zip(names, values, strict=True)}
    by_name = isinstance(inputs, Mapping) and given.keys() <= {one.name for one in parameters if one.kind in _BY_NAME}
    module.float().eval().cpu()
    with ExitStack() as stack:
        with _writing(path):
            (part,) = stack.enter_context(whole(path))
            archive = stack.enter_context(zipfile.ZipFile(part, "w", zipfile.ZIP_STORED))
        modules, outputs = _run(module, given, by_name, partial(_write, archive, path))
        with _writing(path):
            archive.close()
    return Recording(Path(path), modules, outputs, {name: tuple(tensor.shape) for name, tensor in given.items()})


def _parameters(module: torch.nn.Module) -> list[Parameter]:
    """Those of the module's forward; none where Python does not know them."""
    try:
        return list(signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return []


def _names(parameters: Sequence[Parameter], count: int) -> list[str]:
    """What the inputs of a tuple are called."""
    names = [one.name for one in parameters if one.kind in _BY_POSITION][:count]
    return names if len(names) == count else [f"input{i}" for i in range(count)]


def _tensor(name: str, value: Any) -> torch.Tensor:
    """An argument on the CPU, and its own: a module may change it in place."""
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        if not tensor.is_complex() and not tensor.is_quantized and tensor.layout == torch.strided:
            return tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
        raise VerifyError(
            f"input {name}: found a tensor of {tensor.dtype}, {tensor.layout}, expected one of plain numbers"
        )
    if not isinstance(value, np.ndarray | np.generic | bool | int | float):
        raise VerifyError(f"input {name}: found {type(value).__name__}, expected a tensor or an array")
    array = np.asarray(value)
    if array.dtype.kind == "f" or (array.dtype.isbuiltin == 2 and "float" in array.dtype.name):  # of ml_dtypes too
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise VerifyError(f"input {name}: found values of type {array.dtype}, expected numbers")
    return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))


def _run(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    by_name: bool,
    write: Callable[[str, torch.Tensor], None],
) -> tuple[int, int]:
    """Write everything; how many modules and how many outputs there are."""
    import torch

    calls: Counter[str] = Counter()
    written: set[str] = set()

    def hook(path: str) -> Any:
        def write_output(_: torch.nn.Module, arguments: Any, output: Any) -> None:
            calls[path] += 1
            name = f"module/{path}" + (f"#{calls[path]}" if calls[path] > 1 else "")
            for suffix, tensor in _members(output):
                write(name + suffix, tensor)
                written.add(path)

        return write_output

    hooks = [child.register_forward_hook(hook(path)) for path, child in module.named_modules() if path]
    outputs = 0
    try:
        with torch.no_grad():
            for name, tensor in inputs.items():
                write(f"input/{name}", tensor)
            made = module(**inputs) if by_name else module(*inputs.values())
            for tensor in _tensors(made):
                write(f"output/{outputs}", tensor)
                outputs += 1
    finally:
        for handle in hooks:
            handle.remove()
    return len(written), outputs


def _write(archive: zipfile.ZipFile, path: str | os.PathLike[str], name: str, tensor: torch.Tensor) -> None:
    tensor = tensor.detach().cpu()
    # numpy has neither bfloat16 nor the float8 types.
    array = (tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor).numpy()
    with _writing(path):
        write_array(archive, name, array)


@contextmanager
def _writing(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VerifyError(f"{os.fspath(path)}: can't be written ({error.strerror or error})") from None


def _members(output: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in a module's output, each with its place; what is neither tensor, tuple nor list is left out."""
    import torch

    if isinstance(output, torch.Tensor):
        yield "", output
    elif isinstance(output, (tuple, list)):
        for index, item in enumerate(output):
            for suffix, tensor in _members(item):
                yield f"[{index}]{suffix}", tensor


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors in the model's output, depth first."""
    import torch

    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, (tuple, list)) or hasattr(output, "values"):
        for item in output if isinstance(output, (tuple, list)) else output.values():
            yield from _tensors(item)
