"""Record what every module of a PyTorch model computes for one input, for `wtsnet verify` to compare with.

    python tools/record.py CHECKPOINT --shape 1,3,640,640 -o golden.npz --path FOLDER_OF_THE_MODEL_CODE

This runs where the PyTorch code lives and needs torch and numpy alone. A checkpoint is unpickled in the ordinary
way, which runs code that it names: only use it on checkpoints that you trust. For a model that is built by code
and not in a checkpoint, import `record` and call it with the module.

The .npz holds, uncompressed and in the order in which modules finished: `input/<name>`, `module/<dotted path>`
for a module's first call and `module/<dotted path>#2`, `#3` for later ones, with `[i]` behind it for each member
of a tuple or list, and `output/<i>` for the tensors that the model itself returns.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


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
    if not isinstance(inputs, dict):
        values = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
        if len(names) != len(values):
            raise ValueError(f"found {len(values)} inputs, expected one for each of the names {list(names)}")
        inputs = dict(zip(names, values, strict=True))
    module.float().eval().cpu()
    target = Path(path)
    handle, part = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _run(module, inputs, archive)
        mask = os.umask(0o077)  # mkstemp lets only the owner read; files otherwise follow the mask
        os.umask(mask)
        os.chmod(part, 0o666 & ~mask)
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)


def _run(module: torch.nn.Module, inputs: dict[str, torch.Tensor], archive: zipfile.ZipFile) -> None:
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
    if isinstance(output, torch.Tensor):
        yield "", output
    elif isinstance(output, (tuple, list)):
        for index, item in enumerate(output):
            for suffix, tensor in _members(item):
                yield f"[{index}]{suffix}", tensor


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors in the model's output, depth first."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, (tuple, list)) or hasattr(output, "values"):
        for item in output if isinstance(output, (tuple, list)) else output.values():
            yield from _tensors(item)


def load_module(checkpoint: str | os.PathLike[str], key: str | None = None) -> torch.nn.Module:
    """The pickled module in a checkpoint: `key` of it, or `ema`, else `model`, or the whole.

    Raises:
        ValueError: there is no module.
    """
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


def _input(arguments: argparse.Namespace) -> torch.Tensor:
    if arguments.input:
        array = np.load(arguments.input, allow_pickle=False)
        return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)
    shape = tuple(int(length) for length in arguments.shape.split(","))
    return torch.from_numpy(np.random.default_rng(arguments.seed).random(shape, dtype=np.float32))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="record.py",
        description="Record what every module of a PyTorch model computes for one input, for `wtsnet verify`.",
        epilog="The checkpoint is unpickled in the ordinary way, which runs code that it names: only use it on "
        "checkpoints that you trust. Example: record.py yolov5s.pt --shape 1,3,640,640 -o golden.npz --path yolov5",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input", metavar="FILE.npy", help="the input")
    source.add_argument("--shape", metavar="N,C,H,W", help="the shape of a random input, uniform in [0, 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the random input (default 0)")
    parser.add_argument("-o", "--out", required=True, metavar="FILE.npz", help="the file to write")
    parser.add_argument("--path", metavar="FOLDER", help="where the model's code is, if Python does not find it")
    parser.add_argument("--key", help="which part of the checkpoint is the module (default ema, else model)")
    parser.add_argument("--input-name", default="images", metavar="NAME", help="of the input (default images)")
    arguments = parser.parse_args(words)
    if arguments.path:
        sys.path.insert(0, arguments.path)
    try:
        module = load_module(arguments.checkpoint, arguments.key)
        record(module, _input(arguments), arguments.out, [arguments.input_name])
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
