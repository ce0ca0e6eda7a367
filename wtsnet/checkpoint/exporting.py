"""PyTorch checkpoint → its tensors in `state_dict()` order and plain facts, never running what it pickles."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtsnet.checkpoint.archive import open_archive
from wtsnet.checkpoint.facts import facts
from wtsnet.checkpoint.modules import bn_eps, is_module, kind, mapping_tensors, module_tensors, walk
from wtsnet.checkpoint.records import Record, TensorRef
from wtsnet.errors import CheckpointError, WtsError, nearest
from wtsnet.manifest import VERSION, WeightsManifest, manifest_path, sha256, whole
from wtsnet.wts import dump_wts

if TYPE_CHECKING:
    import torch

_KEYS = ("ema", "model", "state_dict")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: by name, in `state_dict()` order, in the checkpoint's own dtypes, on the CPU.
        facts: what `checkpoint/facts.py` lists, of it what the checkpoint has.
        bn_eps: the eps of each batch norm, by module path; empty for a state dict, which does not have them.
        key: where in the checkpoint the tensors were, as in `ema`; None for the whole of it.
        source: the file.
    """

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]
    bn_eps: dict[str, float]
    key: str | None
    source: Path


def load_checkpoint(path: str | os.PathLike[str], key: str | None = None, strip_prefix: str = "") -> Checkpoint:
    """Read a state dict, a checkpoint dict, a pickled module, or safetensors.

    Args:
        path: a file of `torch.save`, in the zip format or the one before PyTorch 1.6, or a .safetensors file.
        key: which part of a checkpoint dict; dots go deeper, into modules too. By default `ema`, else `model`,
            else `state_dict`, else the whole.
        strip_prefix: removed from the names that begin with it, as in `module.`

    Raises:
        CheckpointError: the file can't be read, or `key` or `strip_prefix` is not in it, or it holds no tensors.
    """
    with open_archive(path) as archive:
        taken, chosen = _choose(archive.root, key)
        modules = list(walk(chosen)) if is_module(chosen) else []
        refs = module_tensors(modules) if modules else mapping_tensors(chosen)
        if not refs:
            raise CheckpointError(_nothing_found(archive.root, taken, chosen))
        names = _stripped(refs, strip_prefix)
        tensors = {names[name]: archive.tensor(ref, repr(name)) for name, ref in refs.items()}
        eps = {f"{module}.".removeprefix(strip_prefix)[:-1]: value for module, value in bn_eps(modules)}
        settings = _children(archive.root) if chosen is not archive.root else {}
        return Checkpoint(tensors, facts(archive, modules, settings), eps, taken, Path(path))


def export(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    key: str | None = None,
    strip_prefix: str = "",
    dry_run: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> WeightsManifest:
    """Write the tensors of the checkpoint `source` to the .wts `target`, and the manifest beside it.

    Both files appear whole or not at all. Values become float32. Where that rounds a half, bfloat16 or double, it
    is as PyTorch rounds; an integer that float32 can't hold is an error, but for the counter
    `num_batches_tracked`, which nothing computes with.

    Args:
        key, strip_prefix: as for `load_checkpoint`.
        dry_run: do everything but leave no file.
        progress: called now and then with the number of values written so far and of all.

    Raises:
        CheckpointError: as `load_checkpoint`, or `target` is `source`, or an integer is too large.
        WtsError: the .wts can't hold a name or a value, or `target` can't be written.
    """

    source, target = Path(source), Path(target)
    checkpoint = load_checkpoint(source, key, strip_prefix)
    if target.exists() and target.samefile(source):
        raise CheckpointError(f"{target}: the .wts would overwrite the checkpoint itself")
    tensors = checkpoint.tensors
    _check_integers(source, tensors)
    manifest = WeightsManifest(
        wtsnet=VERSION,
        source={"file": source.name, "sha256": sha256(source), "key": checkpoint.key},
        wts={"file": target.name, "sha256": ""},
        architecture=checkpoint.facts,
        bn_eps=checkpoint.bn_eps,
        entries={
            name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
            for name, tensor in tensors.items()
        },
    )
    total = sum(tensor.numel() for tensor in tensors.values())

    def write(wts: Path) -> None:
        with _HashedFile(wts) as file:
            dump_wts(file, tensors, (lambda done: progress(done, total)) if progress else None)
        manifest.wts["sha256"] = file.digest.hexdigest()

    try:
        if dry_run:
            write(Path(os.devnull))
        else:
            with whole(target, manifest_path(target)) as (wts, beside):
                write(wts)
                beside.write_text(manifest.to_yaml(), encoding="utf-8")
    except WtsError as error:
        raise WtsError(f"{source}: {error}") from error
    except OSError as error:
        raise WtsError(f"{target}: can't be written: {error.strerror or error}") from error
    return manifest


def norms_without_eps(manifest: WeightsManifest) -> list[str]:
    """The paths of the modules that keep running statistics, as batch norms do, and whose eps the checkpoint does not
    tell: a state dict tells none."""
    starts = [name.removesuffix("running_mean") for name in manifest.entries if f".{name}".endswith(".running_mean")]
    paths = [start.removesuffix(".") for start in starts if f"{start}running_var" in manifest.entries]
    return [path for path in paths if path not in manifest.bn_eps]


class _HashedFile(io.BufferedWriter):
    """A new file that takes the sha256 of what is written to it, in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "w"))
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return super().write(data)


def _check_integers(source: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype.is_floating_point or tensor.is_complex() or name.endswith("num_batches_tracked"):
            continue
        changed = tensor[tensor != tensor.float().to(tensor.dtype)]
        if changed.numel():
            raise CheckpointError(f"{source}: {name!r} holds {int(changed[0])}, which float32 can't")


def _children(value: Any) -> dict[Any, Any]:
    """What a key can name in `value`."""
    if isinstance(value, Record):
        modules = value.state["_modules"] if is_module(value) else {}
        return {**value.state, **value.items, **modules}
    return value if isinstance(value, dict) else {}


def _choose(root: Any, key: str | None) -> tuple[str | None, Any]:
    if key is not None:
        return key, _look_up(root, key)
    if isinstance(root, dict):
        for name in _KEYS:
            if isinstance(root.get(name), (dict, Record)):
                return name, root[name]
    return None, root


def _look_up(root: Any, key: str) -> Any:
    value, before, rest = root, "", key
    while True:
        known = [name for name in _children(value) if isinstance(name, str) and not name.startswith("_")]
        # A key may itself have dots, so the longest that fits goes first.
        fitting = [name for name in known if rest == name or rest.startswith(f"{name}.")]
        if not fitting:
            paths = [f"{before}{name}" for name in known]
            raise CheckpointError(f"no key {key!r}; it has {_listed(paths)}{nearest(key, paths)}")
        step = max(fitting, key=len)
        value, before, rest = _children(value)[step], f"{before}{step}.", rest[len(step) + 1 :]
        if not rest:
            return value


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return (shown or "no keys") + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _nothing_found(root: Any, key: str | None, chosen: Any) -> str:
    where = f"{key!r} is {kind(chosen)}, which" if key else f"it is {kind(chosen)}, which"
    inside = [name for name in _children(chosen) if isinstance(name, str)]
    keys = [name for name in _paths(root) if name != key]
    elsewhere = f"; --key can be {_listed(keys)}" if keys else f"; it has {_listed(inside)}"
    return f"{where} holds no tensors{elsewhere}"


def _paths(value: Any, before: str = "") -> Iterator[str]:
    """The keys, down to three levels, that do hold tensors."""
    for name, child in _children(value).items():
        if isinstance(name, str) and not name.startswith("_"):
            if is_module(child) or any(isinstance(item, TensorRef) for item in _children(child).values()):
                yield before + name
            elif before.count(".") < 2:
                yield from _paths(child, f"{before}{name}.")


def _stripped(names: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """What each name is without `prefix`."""
    if prefix and not any(name.startswith(prefix) for name in names):
        raise CheckpointError(f"no name begins with {prefix!r}; the first is {next(iter(names))!r}")
    result: dict[str, str] = {}
    for name in names:
        short = name.removeprefix(prefix)
        if not short or short in result:
            clash = f"that of {result[short]!r}" if short else "empty"
            raise CheckpointError(f"without {prefix!r} the name of {name!r} would be {clash}")
        result[short] = name
    return {name: short for short, name in result.items()}
