"""`wtsnet run`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtsnet.decode import (
    ClassMap,
    Detection,
    Detections,
    Instances,
    Poses,
    RotatedDetection,
    RotatedDetections,
    class_name,
    plain,
)
from wtsnet.draw import SHOWN, save_image, show
from wtsnet.engine import load
from wtsnet.errors import ImageError
from wtsnet.pictures import read_image
from wtsnet.predict import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wtsnet.decode import Result


def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan with its manifest.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder for the pictures with what was found.", show_default="no pictures"),
    ] = None,
    runner: Annotated[str, typer.Option(metavar="auto|tensorrt|reference", help="What executes the plan.")] = "auto",
    conf: Annotated[
        float | None, typer.Option(min=0, max=1, help="The lowest score of an object.", show_default="0.25")
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="How much two boxes of one class may overlap.",
            show_default="0.45 with anchors, 0.7 without",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The most results a picture.", show_default="300 objects, 5 classes")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each picture.")] = False,
) -> None:
    """Find in pictures what a plan finds; where no GPU fits it, with the reference runtime.

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
            if target is not None:
                save_image(target, show(picture, result, names))
            if as_json:
                record = {"picture": str(path), "task": predictor.task, "results": plain(result, names)}
                print(json.dumps(record | ({} if target is None else {"written": str(target)}), ensure_ascii=False))
                continue
            print(*_lines(path, result, names), sep="\n")
            if target is not None:
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
    if task not in SHOWN:
        raise ImageError(f"--out: found {out}, but the model finds nothing to draw: it is there to {task}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{out}: can't be made ({error.strerror})") from None


def _lines(path: Path, result: Result, names: list[str] | None) -> Iterator[str]:
    """What is told of a picture."""
    if isinstance(result, Detections | RotatedDetections):
        yield f"{path}: {len(result)} found"
        objects: list[Detection | RotatedDetection] = list(result)
        for one, extra in zip(objects, _more(result), strict=True):
            box = " ".join(f"{value:.1f}" for value in one.box[:4])
            yield f"  {class_name(names, one.index):<16} {one.score:.3f}  {box}{extra}"
        return
    yield f"{path}:"
    if isinstance(result, ClassMap):
        for index, share in result.shares().items():
            yield f"  {class_name(names, index):<16} {share:.1%}"
        return
    if isinstance(result, tuple):
        for lane in result:
            (x, y), (u, v) = lane.points[0], lane.points[-1]
            what = "".join(f"  {own.name} {own.score:.3f}" for own in lane.attributes)
            yield f"  lane {lane.index:<11} {lane.scores.mean():.3f}  {x:.1f} {y:.1f} to {u:.1f} {v:.1f}{what}"
        return
    for best in result:
        yield f"  {best.name:<16} {best.score:.3f}"


def _more(result: Detections | RotatedDetections) -> list[str]:
    """What is told of each object beside its box, in the order of their scores."""
    order = (-result.scores).argsort(kind="stable")
    if isinstance(result, RotatedDetections):
        return [f"  turned {angle:.3f}" for angle in result.boxes[order, 4]]
    if isinstance(result, Instances):
        return [f"  {mask.sum()} pixels" for mask in result.masks[order]]
    if isinstance(result, Poses):
        return ["  " + " ".join(f"{x:.1f},{y:.1f}" for x, y in own[:, :2]) for own in result.keypoints[order]]
    return [""] * len(order)
