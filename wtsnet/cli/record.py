"""`wtsnet record`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtsnet.cli.options import check_target
from wtsnet.errors import VerifyError
from wtsnet.proof import blaming, is_python, load_module, read_inputs, sample_inputs
from wtsnet.proof import record as record_module

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPE = re.compile(r"(?:(?P<name>.*)=)?(?P<sizes>\d+(?:[x,]\d+)*|\(\))(?::(?P<dtype>\w+))?", re.IGNORECASE)


def record(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A checkpoint with a pickled module; or FILE.py:NAME, an nn.Module in that file, or a class or "
            "function that makes one and needs no arguments; FILE.py for its only such class.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.npz", help="The file to write.")],
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            "-w",
            help="The weights for FILE.py: a .pth, .pt or .safetensors with a state dict, or a .wts.",
            show_default="those that the module is made with",
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]SHAPE[:DTYPE]",
            help="An input that is random, as in 1,3,640,640 or tokens=1x128:int64: float32 in [0, 1), or integers, "
            "int64 and int32 of 0 and 1. May be given several times; names are those of the module's forward.",
        ),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", metavar="FILE.npz", help="The inputs by name, of any values.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random inputs.")] = 0,
    key: Annotated[
        str | None,
        typer.Option(
            help="Which part of the checkpoint is the module, or of the weights the state dict.",
            show_default="ema, else model, else all of it",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where the module's code is, if Python does not find it.", show_default=False
        ),
    ] = None,
) -> None:
    """Record what every module of a PyTorch model computes for one input, for `wtsnet verify` to compare with.

    It needs PyTorch and the model's code, but no TensorRT. A checkpoint is unpickled in the ordinary way and a file is
    run, which runs any code that they name: only use it on sources that you trust.

    Example: wtsnet record own.py:Net -w net.pth --shape 1,3,32,32 -o golden.npz
    """
    check_target(out, weights, inputs, source if Path(source).is_file() else source.rpartition(":")[0] or None)
    given = _given(shape, inputs, seed)
    if path is not None:
        sys.path.insert(0, str(path))
    module = load_module(source, weights, key=key)
    with blaming(source):
        made = record_module(module, given, out)
    if weights is None and is_python(source):
        typer.echo(f"note: no weights (-w) were given: recorded is what {source} makes, random as it may be", err=True)
    shapes = ", ".join(f"{name} {'×'.join(map(str, sizes)) or '()'}" for name, sizes in made.inputs.items())
    print(
        f"{out}: {_count(made.modules, 'module')} and {_count(made.outputs, 'output')} of {type(module).__name__} "
        f"for {shapes or 'no inputs'}, {out.stat().st_size:,} bytes"
    )


def _given(shapes: list[str] | None, inputs: Path | None, seed: int) -> Mapping[str, Any] | tuple[Any, ...] | Any:
    """The inputs, as `wtsnet.record` takes them."""
    if (inputs is not None) == bool(shapes):
        raise VerifyError(f"found {'both' if shapes else 'neither'} of --shape and --inputs, expected one of them")
    if inputs is not None:
        return read_inputs(inputs)
    found = [_SHAPE.fullmatch(text) for text in shapes or ()]
    for text, one in zip(shapes or (), found, strict=True):
        if one is None or one["name"] == "":
            raise VerifyError(f"--shape: found {text!r}, expected sizes, as in 1,3,640,640 or tokens=1x128:int64")
    parts = [one for one in found if one is not None]
    sizes = [[int(size) for size in re.findall(r"\d+", one["sizes"])] for one in parts]
    arrays = sample_inputs([(size, one["dtype"] or "float32") for size, one in zip(sizes, parts, strict=True)], seed)
    names = [one["name"] for one in parts]
    if None not in names and len(set(names)) == len(names):
        return dict(zip(names, arrays, strict=True))
    if set(names) != {None}:
        raise VerifyError(f"--shape: found {', '.join(shapes or ())}, expected a name for each, or for none")
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
