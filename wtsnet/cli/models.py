"""`wtsnet models`."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from wtsnet.definition import Image, Model, find
from wtsnet.definition import models as registered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = ("family", "variants", "task", "input", "upstream")


def models(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Show one model and its options.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """List the models that can be built by name. In the table, net{18,34} stands for net18 and net34.

    Example: wtsnet models resnet50
    """
    if name is not None:
        _one(find(name))
    elif markdown:
        print("\n".join(f"| {' | '.join(cells)} |" for cells in (COLUMNS, ("---",) * len(COLUMNS), *rows())))
    else:
        console = Console()
        if not console.is_terminal:  # what is grepped for must not be wrapped
            console = Console(width=1000)
        table = Table(*(Column(title, overflow="fold") for title in COLUMNS), box=None, pad_edge=False)
        for cells in rows():
            table.add_row(*cells)
        console.print(table)


def rows() -> list[tuple[str, ...]]:
    """A row of the table for each family."""
    families: dict[str, list[Model]] = {}
    for model in registered().values():
        families.setdefault(model.family, []).append(model)
    return [
        (
            family,
            " ".join(abbreviated([model.name for model in variants])),
            variants[0].task,
            _sizes(variants),
            variants[0].upstream,
        )
        for family, variants in families.items()
    ]


def abbreviated(names: Sequence[str]) -> list[str]:
    """Names in a row that differ in one part as one, as in `resnet{18,34}` and `yolov8{n,s}-seg`."""
    groups: list[tuple[str, list[str], str]] = []  # what comes before, the parts, what comes behind
    for name in names:
        if groups:
            before, parts, behind = groups[-1]
            whole = f"{before}{parts[0]}{behind}"
            shared = _shared(whole, name)
            between = [_between(one, shared) for one in (whole, name)]
            if len(parts) == 1 and shared[0] and not any("-" in one[1:] for one in between):
                groups[-1] = shared[0], between, shared[1]
                continue
            if len(parts) > 1 and shared == (before, behind):
                parts.append(between[1])
                continue
        groups.append(("", [name], ""))
    return [f"{a}{{{','.join(parts)}}}{b}" if len(parts) > 1 else f"{a}{parts[0]}{b}" for a, parts, b in groups]


def _shared(a: str, b: str) -> tuple[str, str]:
    """What two names begin with and end with, neither cutting a word or a number in two."""
    one, other = (re.findall(r"[a-z]+|\d+|[-_]", name) for name in (a, b))
    before = _alike(one, other)
    shorter = min(len(one), len(other)) - len(before)
    behind = _alike(one[::-1], other[::-1])[:shorter][::-1]
    while behind and (behind[0] not in "-_" or len(behind) == shorter):
        behind = behind[1:]
    return "".join(before), "".join(behind)


def _alike(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """The items that two sequences begin with."""
    return [x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))]


def _between(name: str, shared: tuple[str, str]) -> str:
    before, behind = shared
    return name[len(before) : len(name) - len(behind)]


def _one(model: Model) -> None:
    about = model.task or "no task of its own"
    print(f"{model.name}: {about}, weights as in {model.upstream or 'your own model'}, input {_sizes([model])}")
    for field in model.options:
        print(f"  {field.name}={getattr(model.config, field.name)}  {field.metadata['help']}")


def _sizes(variants: Iterable[Model]) -> str:
    """What the inputs are called, and their axes, of a picture without the batch: of each size once."""
    sizes: dict[str, list[str]] = {}
    for model in variants:
        takes = model.inputs_of(model.config)
        if isinstance(takes, Image):
            height, width = (takes.size, takes.size) if isinstance(takes.size, int) else takes.size
            sizes.setdefault(takes.name, []).append(f"{takes.channels}×{height}×{width}")
            continue
        for name, one in takes.items():
            axes = (":".join(map(str, axis)) if isinstance(axis, tuple) else str(axis) for axis in one.shape)
            sizes.setdefault(name, []).append(f"{one.dtype} {'×'.join(axes)}")
    return ", ".join(f"{name} {' '.join(dict.fromkeys(shapes))}" for name, shapes in sizes.items())
