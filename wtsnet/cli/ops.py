"""`wtsnet ops`."""

from __future__ import annotations

from inspect import Signature, getdoc, signature
from typing import Annotated

import typer

from wtsnet import ops as library
from wtsnet.cli.options import print_columns
from wtsnet.errors import ModelError
from wtsnet.network import OPS


def ops(
    name: Annotated[str | None, typer.Argument(metavar="[OP]", help="Show one op, with its arguments.")] = None,
) -> None:
    """List the ops that networks are written with, each with the function or module of PyTorch that it is as.

    Example: wtsnet ops interpolate
    """
    known = [op for op in library.__all__ if op in OPS]
    if name is None:
        print_columns([(op, _twin(op), (getdoc(OPS[op].function) or "").partition("\n")[0]) for op in known])
        return
    if name not in known:
        raise ModelError(f"unknown op {name!r}{library.meant(name)} (see: wtsnet ops)")
    function = OPS[name].function
    print(f"{name}{_bare(signature(function))}\nas {_twin(name)}\n\n{getdoc(function)}")


class _Text(str):
    """Text that shows itself without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


def _bare(found: Signature) -> Signature:
    """A signature with its annotations as they are written."""
    parameters = [p.replace(annotation=_Text(p.annotation)) for p in found.parameters.values()]
    return found.replace(parameters=parameters, return_annotation=_Text(found.return_annotation))


def _twin(name: str) -> str:
    """What PyTorch calls it, shorter where everybody knows."""
    twin = OPS[name].twin
    return twin.replace("torch.nn.functional.", "F.").replace("torch.nn.", "nn.") or "no function of PyTorch's"
