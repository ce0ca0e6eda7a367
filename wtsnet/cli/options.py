"""What several commands share: options spelt on the command line, and a progress bar that keeps out of the way."""

from __future__ import annotations

from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.progress import Progress

from wtsnet.definition import define, parsed
from wtsnet.engine import build
from wtsnet.errors import ModelError
from wtsnet.manifest import is_among
from wtsnet.proof import compare, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's name, or FILE.py or FILE.py:NAME for one of yours.")
]
Batch = Annotated[
    str | None, typer.Option(metavar="N|MIN:OPT:MAX", help="The batch: fixed, or a range.", show_default="1")
]
ImageSize = Annotated[
    str | None,
    typer.Option(metavar="N|HxW", help="The picture size in pixels; each number may be MIN:OPT:MAX."),
]
Shape = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SHAPE",
        help="An input's shape, as in x=1x3x8x8, or MIN:OPT:MAX of such; may be given several times.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(metavar="fp32|fp16|bf16", help="What the layers compute in.", show_default="fp32"),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="float32|uint8|uint8-bgr",
        help="What pictures come as: prepared, or as pixels (N, H, W, C) that the network prepares.",
        show_default="float32",
    ),
]
Head = Annotated[str | None, typer.Option(metavar="topk|decoded|raw", help="What leaves a detector's network.")]
FoldBn = Annotated[
    bool | None,
    typer.Option(
        "--fold-bn/--no-fold-bn", help="Multiply batch norms into the convolutions before them.", show_default="fold-bn"
    ),
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        metavar="KIND[,KEY=VALUE…]",
        help="How a picture becomes the input: letterbox, crop, stretch, gray or keep, and keys of it, as in "
        "stretch,antialias=false.",
        show_default="the model's own",
    ),
]
Mean = Annotated[
    str | None, typer.Option(metavar="R,G,B", help="What is taken off each channel, of values from 0 to 1.")
]
Std = Annotated[str | None, typer.Option(metavar="R,G,B", help="What each channel is divided by then.")]
Order = Annotated[str | None, typer.Option(metavar="rgb|bgr", help="The order of the channels that the model wants.")]
Task = Annotated[
    str | None, typer.Option(help="What the outputs are for, as in classify.", show_default="what the model says")
]
Names = Annotated[
    str | None,
    typer.Option(metavar="FILE|A,B,…", help="The names of the classes: one a line of a file, or themselves."),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another option of the model, as in k=300.")
]


# What is no option of a model: the parameters that these functions have for every model, and --head.
_OWN = {
    name
    for function in (define, build, verify, compare)
    for name, parameter in signature(function).parameters.items()
    if parameter.kind is not parameter.POSITIONAL_ONLY
} | {"head"}


def model_options(
    batch: str | None = None,
    imgsz: str | None = None,
    precision: str | None = None,
    head: str | None = None,
    fold_bn: bool | None = None,
    set_: list[str] | None = None,
    shape: list[str] | None = None,
    input: str | None = None,
    preprocess: Mapping[str, Any] | None = None,
    task: str | None = None,
    names: str | None = None,
) -> dict[str, Any]:
    """The options of `wtsnet.define` that are given, from their spelling on the command line; `preprocess` of
    `preprocess_option`."""
    known = {
        "precision": precision,
        "fold_bn": fold_bn,
        "head": head,
        "input": input,
        "preprocess": preprocess,
        "task": task,
        "class_names": None if names is None else _names(names),
    }
    options: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
    if shape:
        options["shapes"] = _shapes(shape)
    if batch is not None:
        options["batch"] = _range("batch", batch)
    if imgsz is not None:
        sizes = tuple(_range("imgsz", size) for size in imgsz.lower().split("x"))
        options["imgsz"] = sizes[0] if len(sizes) == 1 else sizes
    for pair in set_ or ():
        name, separator, value = pair.partition("=")
        if not separator:
            raise ModelError(f"--set: found {pair!r}, expected NAME=VALUE")
        if name in _OWN:
            raise ModelError(f"--set: found {pair!r}, expected an option of the model ({name} is none, see --help)")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ModelError(f"--set: found {pair!r}, expected a plain value such as {name}=300") from None
    return options


def preprocess_option(
    preprocess: str | None, mean: str | None, std: str | None, order: str | None
) -> dict[str, Any] | None:
    """The keys of `wtsnet.pictures.Preprocess` that are given, from their spelling on the command line; None where
    there are none."""
    made = {} if preprocess is None else parsed(preprocess)
    for name, numbers in (("mean", mean), ("std", std)):
        if numbers is not None:
            made[name] = _numbers(name, numbers)
    if order is not None:
        made["order"] = order.upper()
    return made or None


def _names(text: str) -> list[str]:
    """The names of classes, of a file or as they are given."""
    file = Path(text)
    try:
        lines = file.read_text("utf-8").splitlines() if file.is_file() else text.split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"--names: {text}: can't be read ({error})") from None
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise ModelError(f"--names: found {text!r}, expected names")
    return names


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ModelError(
            f"--{name}: found {text!r}, expected a number for each channel, as in 0.485,0.456,0.406"
        ) from None


def _shapes(texts: list[str]) -> dict[str, tuple[Any, ...]]:
    """The shape of each input, or its (min, opt, max) shapes."""
    shapes: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, _, shape = text.rpartition("=")
        try:
            three = tuple(
                tuple(int(size) for size in one.lower().replace(",", "x").split("x")) for one in shape.split(":")
            )
        except ValueError:
            three = ()
        if not name or len(three) not in (1, 3):
            raise ModelError(f"--shape: found {text!r}, expected NAME=1x3x224x224, or NAME=MIN:OPT:MAX of such")
        if name in shapes:
            raise ModelError(f"--shape: found {text!r}, but {name} has a shape already")
        shapes[name] = three[0] if len(three) == 1 else three
    return shapes


def _range(name: str, text: str) -> int | tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(":"))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise ModelError(f"{name}: found {text!r}, expected a number or MIN:OPT:MAX")
    return numbers[0] if len(numbers) == 1 else numbers


@contextmanager
def late_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function of (what, steps done, steps) that shows bars on stderr, if that is a terminal, after a second."""
    bar, began = Progress(console=Console(stderr=True), transient=True), monotonic()
    tasks: dict[str, Any] = {}

    def progress(what: str, done: int, total: int) -> None:
        if not bar.live.is_started:
            if monotonic() - began < 1 or not bar.console.is_terminal:
                return
            bar.start()
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done)

    try:
        yield progress
    finally:
        if bar.live.is_started:
            bar.stop()


def check_target(out: Path, *read: str | Path | None) -> None:
    """Refuse to write over what the command reads.

    Raises:
        ModelError: `out` is one of the files `read`.
    """
    if is_among(out, [one for one in read if one is not None]):
        raise ModelError(f"{out}: would be overwritten, and this command reads it; choose another name with --out")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns, each line whole: what is grepped for must not be wrapped."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
