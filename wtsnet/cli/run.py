"""`wtsnet run`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtsnet.decode.boxes import Detections
from wtsnet.decode.classes import class_name
from wtsnet.decode.draw import draw, save_image
from wtsnet.engine import load
from wtsnet.errors import ImageError
from wtsnet.pictures import read_image
from wtsnet.predict import Predictor

if TYPE_CHECKING:
    from wtsnet.decode.classes import ClassScore


def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan with its manifest.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder for the pictures with boxes.", show_default="no pictures"),
    ] = None,
    runner: Annotated[str, typer.Option(metavar="auto|tensorrt|reference", help="What executes the plan.")] = "auto",
    conf: Annotated[float, typer.Option(min=0, max=1, help="The lowest score of a detection.")] = 0.25,
    iou: Annotated[float, typer.Option(min=0, max=1, help="How much two boxes of one class may overlap.")] = 0.45,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The most results a picture.", show_default="300 boxes, 5 classes")
    ] = None,
) -> None:
    """Detect or classify in pictures; where no GPU fits the plan, with the reference runtime.

    Example: wtsnet run yolov5s.plan street.jpg -o found
    """
    engine = load(plan)
    pictures = [read_image(path) for path in images]
    outputs = _outputs(images, out)
    names = engine.manifest.names or None
    with closing(engine.runner(runner)) as made:
        typer.echo(made.reason, err=True)
        predictor = Predictor(engine, made, conf=conf, iou=iou, limit=limit)
        if out is not None:
            _make_folder(out, predictor.task)
        for path, picture, target, result in zip(images, pictures, outputs, predictor(pictures), strict=True):
            _print(path, result, names)
            if target is not None and isinstance(result, Detections):
                save_image(target, draw(picture, result, names))
                print(f"  written to {target}")


def _outputs(images: list[Path], out: Path | None) -> list[Path | None]:
    """Where each picture with boxes goes; two pictures of one name are refused before anything runs."""
    if out is None:
        return [None] * len(images)
    targets: list[Path | None] = [out / path.name for path in images]
    for path, target in zip(images, targets, strict=True):
        if targets.count(target) > 1:
            raise ImageError(f"{path}: another picture is called {path.name} too, and both would go to {target}")
        if target is not None and target.resolve() == path.resolve():
            raise ImageError(f"{path}: would be overwritten; choose another folder with --out")
    return targets


def _make_folder(out: Path, task: str) -> None:
    if task != "detect":
        raise ImageError(f"--out: found {out}, but the model finds no boxes to draw: it is there to {task}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{out}: can't be made ({error.strerror})") from None


def _print(path: Path, result: Detections | list[ClassScore], names: list[str] | None) -> None:
    if isinstance(result, Detections):
        print(f"{path}: {len(result)} found")
        for one in result:
            box = " ".join(f"{value:.1f}" for value in one.box)
            print(f"  {class_name(names, one.index):<16} {one.score:.3f}  {box}")
        return
    print(f"{path}:")
    for best in result:
        print(f"  {best.name:<16} {best.score:.3f}")
