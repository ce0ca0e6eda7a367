"""PyTorch modules to record: pickled in a checkpoint, or made by a Python file and given the weights of another.

Either runs code that is not wtsnet's. What that code raises is told in one line, with its place.

torch is imported in the functions that need it, as in `recording.py`.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import contextmanager
from inspect import Parameter, isfunction, signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.checkpoint import load_checkpoint
from wtsnet.errors import CheckpointError, VerifyError, WeightError, WtsnetError, nearest, place_of
from wtsnet.proof.inputs import shape_text
from wtsnet.wts import read_wts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    Source = str | os.PathLike[str]


def load_module(source: Source, weights: Source | None = None, *, key: str | None = None) -> torch.nn.Module:
    """The module that a checkpoint holds, or that a Python file makes.

    A checkpoint is unpickled in the ordinary way, which runs code that it names, and a Python file is run: only for
    sources that you trust. The folder of a Python file is put on `sys.path`, as Python does.

    Args:
        source: a checkpoint with a pickled module; "FILE.py:NAME" for an nn.Module in that file, or a class or a
            function that makes one and needs no arguments; "FILE.py" for the only such class of the file.
        weights: for the module of a Python file, all of them: a state dict, found in a .pt, .pth or .safetensors file
            as by `wtsnet.checkpoint.load_checkpoint`, or a .wts. None for those that the file gives it.
        key: the part of the checkpoint to take, `ema`, else `model`, else the whole where it is None; of a Python
            file the part of the weights.

    Raises:
        CheckpointError: a file that can't be read, or that has no such module; PyTorch is not installed.
        WeightError: weights that do not fit the module.
        VerifyError: what the code raises that is run.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise CheckpointError(f"PyTorch is needed to run a module ({error}); pip install torch") from None
    name = os.fspath(source)
    if not is_python(name):
        if weights is not None:
            raise CheckpointError(f"{name}: found weights as well, expected none: a checkpoint carries its own")
        return _unpickled(name, key)
    module = _made(name)
    if not isinstance(module, torch.nn.Module):
        raise CheckpointError(f"{name}: found {type(module).__name__}, expected an nn.Module, or what makes one")
    if weights is not None:
        with blaming(name):
            _fill(module, name, Path(weights), key)
    elif key is not None:
        raise CheckpointError(f"key: found {key!r}, but no weights that it could be a part of")
    return module


def is_python(source: Source) -> bool:
    """Whether a source is "FILE.py" or "FILE.py:NAME"."""
    name = os.fspath(source)
    return name.endswith(".py") or ".py:" in name


@contextmanager
def blaming(source: Source) -> Iterator[None]:
    """Turn what the code of a source raises into one line that says where.

    Raises:
        VerifyError: in place of any exception but wtsnet's own.
    """
    try:
        yield
    except WtsnetError:
        raise
    except (Exception, SystemExit) as error:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        told = f"{type(error).__name__}: {' '.join(text.split())}"
        raise VerifyError(f"{place_of(error) or os.fspath(source)}: {told}") from error


def _unpickled(name: str, key: str | None) -> torch.nn.Module:
    """The pickled module of a checkpoint."""
    import torch

    try:
        content = torch.load(name, map_location="cpu", weights_only=False)
    except OSError as error:
        raise CheckpointError(f"{name}: can't be read ({error.strerror or error})") from None
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"{name}: its code is not found ({error}); --path says where it is, and for a class of a script give "
            "FILE.py:NAME with the weights"
        ) from None
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{name}: can't be unpickled ({type(error).__name__}: {reason})") from None
    if isinstance(content, dict):
        keys = [key] if key else ["ema", "model"]
        found = next((content[one] for one in keys if content.get(one) is not None), None)
        where = f"{' or '.join(map(repr, keys))} of {name}, which has {', '.join(map(repr, list(content)[:12]))}"
    elif key is None:
        found, where = content, name
    else:
        raise CheckpointError(f"key: found {key!r}, but {name} has no keys: it is of type {type(content).__name__}")
    if not isinstance(found, torch.nn.Module):
        hint = "for a state dict give the code: FILE.py:NAME with the weights"
        raise CheckpointError(f"found {type(found).__name__} in {where}; expected a module ({hint})")
    return found


def _made(source: str) -> Any:
    """What a Python file has by a name, or makes by it."""
    import torch

    file, separator, name = source.rpartition(".py:")
    path = f"{file}.py" if separator else source
    with blaming(source):
        module = _run(path)
    makers = {one: value for one, value in vars(module).items() if _is_maker(value, module.__name__)}
    has = f"it has {', '.join(makers) or 'nothing that makes a module'}"
    if not separator:
        classes = {value: one for one, value in makers.items() if _is_class(value)}
        if len(classes) != 1:
            found = f"{len(classes)} classes of modules that need no arguments"
            raise CheckpointError(f"{path}: found {found}, expected one, or {path}:NAME ({has})")
        name = next(iter(classes.values()))
    if name not in vars(module):
        raise CheckpointError(f"{path}: has no {name!r}{nearest(name, makers)} ({has})")
    found = vars(module)[name]
    if isinstance(found, torch.nn.Module) or not callable(found):
        return found
    if needed := _needed(found):
        raise CheckpointError(f"{path}:{name}: needs {', '.join(needed)}; expected what needs no arguments")
    with blaming(source):
        return found()


def _run(path: str) -> ModuleType:
    """A Python file, run as the module that a model's file is (see `wtsnet.definition.find`)."""
    here = Path(path).absolute()
    try:
        code = here.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path}: can't be read ({error.strerror}); expected a file that makes a module"
        ) from None
    sys.path.insert(0, str(here.parent))
    module = ModuleType(f"wtsnet model file {here}")
    module.__file__ = str(here)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(code, path, "exec"), vars(module))
    return module


def _is_class(value: Any) -> bool:
    import torch

    return isinstance(value, type) and issubclass(value, torch.nn.Module)


def _is_maker(value: Any, home: str) -> bool:
    """Whether it is a module, or a class or function of the file itself that seems to make one."""
    import torch

    if isinstance(value, torch.nn.Module):
        return True
    return (_is_class(value) or isfunction(value)) and value.__module__ == home and not _needed(value)


def _needed(maker: Any) -> list[str]:
    """The parameters that must be given."""
    try:
        parameters = signature(maker).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind not in optional]


def _fill(module: torch.nn.Module, name: str, path: Path, key: str | None) -> None:
    """Put weights into a module.

    Raises:
        WeightError: not exactly those that it has.
    """
    from torch.nn.parameter import is_lazy

    values = _read(path, key)
    own = module.float().state_dict()  # so that the weights are not rounded to halves
    known = {one: value.shape for one, value in own.items() if not is_lazy(value)}
    if all(one.startswith("module.") for one in values) and not all(one.startswith("module.") for one in own):
        values = {one.removeprefix("module."): value for one, value in values.items()}  # as DataParallel calls them
    if path.suffix == ".wts":  # whose values are flat
        values = {
            one: value.reshape(known[one]) if one in known and value.numel() == math.prod(known[one]) else value
            for one, value in values.items()
        }
    wrong = {one: value.shape for one, value in values.items() if known.get(one, value.shape) != value.shape}
    result = module.load_state_dict({one: value for one, value in values.items() if one not in wrong}, strict=False)
    found = [
        *_listed("it lacks", [one for one in result.missing_keys if one not in wrong]),
        *_listed("the module has no", result.unexpected_keys),
        *_listed("of another shape:", [f"{k} {shape_text(v)} for {shape_text(known[k])}" for k, v in wrong.items()]),
    ]
    if found:
        raise WeightError(f"{path}: does not fit {name}: {'; '.join(found)}")


def _read(path: Path, key: str | None) -> Mapping[str, torch.Tensor]:
    import torch

    if path.suffix != ".wts":
        return load_checkpoint(path, key).tensors
    if key is not None:
        raise CheckpointError(f"key: found {key!r}, but {path} has no keys: it is a .wts")
    return {name: torch.from_numpy(np.array(values, np.float32)) for name, values in read_wts(path).items()}


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{what} {', '.join(names[:3])}{more}"]
