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
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.manifest import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch


def record(
    module: torch.nn.Module,
    inputs: dict[str, torch.Tensor] | Sequence[torch.Tensor] | torch.Tensor,
    path: str | os.PathLike[str],
    names: Sequence[str] = ("images",),
) -> None:
    """Run `module` once and write the outputs of all its modules to the .npz `path`, whole or not at all.

    The module is made float32, put in evaluation mode and moved to the CPU, and stays so. One output is held at a
    time; each is written as it is when its module returns, so later in-place operations do not show.

    Args:
        module: the model.
        inputs: its arguments, in order: one tensor, several, or a dict by the names they shall have in the file.
        path: the .npz to write.
        names: of the inputs, where `inputs` does not give them.

    Raises:
        ValueError: there are not as many names as inputs.
    """
    import torch

    if not isinstance(inputs, dict):
        values = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
        if len(names) != len(values):
            raise ValueError(f"found {len(values)} inputs, expected one for each of the names {list(names)}")
        inputs = dict(zip(names, values, strict=True))
    module.float().eval().cpu()
    with whole(path) as (part,), zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        _run(module, inputs, archive)


def _run(module: torch.nn.Module, inputs: dict[str, torch.Tensor], archive: zipfile.ZipFile) -> None:
    import torch

    calls: Counter[str] = Counter()

    def hook(path: str) -> Any:
        def write_output(_: torch.nn.Module, arguments: Any, output: Any) -> None:
            calls[path] += 1
            name = f"module/{path}" + (f"#{calls[path]}" if calls[path] > 1 else "")
            for suffix, tensor in _members(output):
                _write(archive, name + suffix, tensor)

        return write_output

    hooks = [child.register_forward_hook(hook(path)) for path, child in module.named_modules() if path]
    try:
        with torch.no_grad():
            for name, tensor in inputs.items():
                _write(archive, f"input/{name}", tensor)
            for index, tensor in enumerate(_tensors(module(*inputs.values()))):
                _write(archive, f"output/{index}", tensor)
    finally:
        for handle in hooks:
            handle.remove()


def _write(archive: zipfile.ZipFile, name: str, tensor: torch.Tensor) -> None:
    tensor = tensor.detach().cpu()
    # numpy has neither bfloat16 nor the float8 types.
    array = (tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor).numpy()
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


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


def load_module(checkpoint: str | os.PathLike[str], key: str | None = None) -> torch.nn.Module:
    """The pickled module in a checkpoint: `key` of it, or `ema`, else `model`, or the whole.

    It is unpickled in the ordinary way, which runs code that it names: only for checkpoints that you trust.

    Raises:
        ValueError: there is no module.
    """
    import torch

    content = torch.load(checkpoint, map_location="cpu", weights_only=False)
    if isinstance(content, dict):
        keys = [key] if key else ["ema", "model"]
        found = next((content[name] for name in keys if content.get(name) is not None), None)
        have = ", ".join(map(repr, content))
        what = f"{' or '.join(map(repr, keys))} of {os.fspath(checkpoint)}, which has {have}"
    else:
        found, what = content, os.fspath(checkpoint)
    if not isinstance(found, torch.nn.Module):
        expected = "expected a module (for a state dict, build the model in Python and call record)"
        raise ValueError(f"found {type(found).__name__} in {what}; {expected}")
    return found
