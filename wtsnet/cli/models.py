"""`wtsnet models`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from wtsnet.registry import Model, find
from wtsnet.registry import models as registered


def models(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Show one model and its options.")] = None,
) -> None:
    """List the models that can be built by name.

    Example: wtsnet models resnet50
    """
    if name is not None:
        _one(find(name))
        return
    longest = max(map(len, registered()))  # no name is broken, so that it can be found and copied
    columns = ("family", Column("variants", min_width=longest), "task", "input", "upstream")
    table = Table(*columns, box=None, pad_edge=False)
    families: dict[str, list[Model]] = {}
    for model in registered().values():
        families.setdefault(model.family, []).append(model)
    for family, variants in families.items():
        sizes = dict.fromkeys(_input(model) for model in variants)
        names = " ".join(model.name for model in variants)
        table.add_row(family, names, variants[0].task, ", ".join(sizes), variants[0].upstream)
    Console().print(table)


def _one(model: Model) -> None:
    print(f"{model.name}: {model.task}, weights as in {model.upstream or 'your own model'}, input {_input(model)}")
    for field in model.options:
        print(f"  {field.name}={getattr(model.config, field.name)}  {field.metadata['help']}")


def _input(model: Model) -> str:
    image = model.image_of(model.config)
    height, width = (image.size, image.size) if isinstance(image.size, int) else image.size
    return f"{image.name} {image.channels}×{height}×{width}"
