"""`wtsnet run`."""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text

from wtsnet.cli.options import (
    Head,
    ImageSize,
    Mean,
    Order,
    Precision,
    Preprocess,
    Set,
    Shape,
    Std,
    late_progress,
    model_options,
    preprocess_option,
)
from wtsnet.cli.options import Task as TaskName
from wtsnet.cli.plans import load_plan
from wtsnet.definition import is_onnx, models, split
from wtsnet.engine import Engine, build
from wtsnet.errors import ImageError, ModelError, WtsnetWarning
from wtsnet.predict import (
    InputPredictor,
    Prediction,
    Predictor,
    RawFile,
    files_of,
    make_folder,
    read_inputs,
    save_outputs,
    targets_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = TypeVar("P", Predictor, InputPredictor)


def run(
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan with its manifest; or a model as for wtsnet build, with -w.")
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE…", help="Files, folders with all below them, and quoted globs, as in '**/*.jpg'."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder for the pictures with what was found.", show_default="no pictures"),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(metavar="OUT.npz", help="Write the outputs as they are, of all pictures, and decode nothing."),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(metavar="IN.npz", help="The inputs by name, in the place of pictures.")
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
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a picture that can't be read, in the place of skipping it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each picture.")] = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="The .wts of a model that is no plan.", show_default=False)
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="N|MIN:OPT:MAX",
            help="How many pictures go through the network at once; of a model as for wtsnet build.",
            show_default="as many as it takes",
        ),
    ] = None,
    imgsz: ImageSize = None,
    shape: Shape = None,
    precision: Precision = None,
    preprocess: Preprocess = None,
    mean: Mean = None,
    std: Std = None,
    order: Order = None,
    task: TaskName = None,
    head: Head = None,
    set_: Set = None,
) -> int:
    """Find in pictures what a plan finds; where no GPU fits it, with the reference runtime.

    Pictures are read as they are needed. One that can't be read is skipped, with a line on stderr and exit status 1 at
    the end.

    Example: wtsnet run yolov5s.plan street.jpg holidays 'more/**/*.png' -o found
    """
    made = preprocess_option(preprocess, mean, std, order)
    options = model_options(None, imgsz, precision, head, None, set_, shape, None, made, task)
    asked: dict[str, Any] = {"conf": conf, "iou": iou, "limit": limit}
    _check_words(sources, out, raw, inputs)
    if inputs is not None:
        arrays = read_inputs(inputs)
        engine, _ = _engine(plan, weights, batch, options)
        with _saying_why(InputPredictor, engine, runner, raw=raw is not None, **asked) as prepared:
            _run_inputs(prepared, arrays, str(inputs), raw, as_json)
        return 0
    files = [file for source in sources or () for file in files_of(source)]
    targets: dict[str, Path] = {}
    if out is not None:
        targets = {file.path: target for file, target in zip(files, targets_of(files, out), strict=True)}
    engine, at_once = _engine(plan, weights, batch, options)
    skipped = 0
    with ExitStack() as stack:
        rows = None if raw is None else stack.enter_context(RawFile(raw))
        made_of = _saying_why(Predictor, engine, runner, batch=at_once, raw=raw is not None, **asked)
        predictor = stack.enter_context(made_of)
        one_more = stack.enter_context(_bar(len(files)))

        def broken(error: ImageError) -> None:
            nonlocal skipped
            skipped += 1
            print(f"skipped: {error}", file=sys.stderr)
            one_more()

        for found in predictor.of_files((file.path for file in files), broken=None if strict else broken):
            if rows is not None:
                rows.add(found.where, found.found)
            else:
                _tell(found, targets.get(found.where), as_json)
            one_more()
    if rows is not None:
        print(rows)
    if skipped:
        print(f"{skipped} of {len(files)} pictures were skipped", file=sys.stderr)
    return 1 if skipped else 0


def _saying_why(kind: Callable[..., P], *arguments: Any, **options: Any) -> P:
    """A predictor; what runs it is said on stderr, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WtsnetWarning)  # the reason tells the same
        made = kind(*arguments, **options)
    typer.echo(made.runner.reason, err=True)
    return made


def _engine(plan: str, weights: Path | None, batch: str | None, options: dict[str, Any]) -> tuple[Engine, int | None]:
    """The engine, built where it is no plan, and how many pictures it is to be given at once."""
    if _is_plan(plan, weights):
        told = {name: options.pop(name) for name in ("preprocess", "task") if name in options}
        given = (["weights"] if weights else []) + list(options)
        if given:
            raise ModelError(f"{', '.join(given)}: {plan} is a plan, for which this was settled when it was built")
        if batch is not None and not batch.isdecimal():
            raise ModelError(f"batch: found {batch!r}, expected a number: of a plan, how many pictures at once")
        return load_plan(Path(plan)).told(**told), None if batch is None else int(batch)
    with late_progress() as progress:
        built = build(plan, weights, progress=progress, **options, **model_options(batch, None, None, None, None, None))
    return built, None


def _is_plan(name: str, weights: Path | None) -> bool:
    """Whether this is a plan, and no model that is to be built first."""
    if is_onnx(name) or split(name)[0] is not None:
        return False
    return Path(name).exists() or (weights is None and name not in models())


def _check_words(sources: list[str] | None, out: Path | None, raw: Path | None, inputs: Path | None) -> None:
    """Refuse words that do not go together."""
    if inputs is None and not sources:
        raise ImageError("found no pictures, expected files, folders or globs, or --inputs, an .npz by input name")
    if inputs is not None and sources:
        raise ImageError(f"--inputs: found {inputs}, and the pictures {', '.join(sources)} too; give one of the two")
    if out is not None and (inputs or raw):
        other = "--inputs there is no picture" if inputs else "--raw there is nothing"
        raise ImageError(f"--out: found {out}, but with {other} to draw")


def _run_inputs(prepared: InputPredictor, arrays: dict[str, Any], where: str, raw: Path | None, as_json: bool) -> None:
    if raw is None:
        for found in prepared(arrays, where):
            _tell(found, None, as_json)
        return
    outputs = prepared.outputs(arrays)
    save_outputs(raw, outputs)
    print(f"{raw}: {', '.join(f'{name} {array.shape}' for name, array in outputs.items())}")


def _tell(found: Prediction, target: Path | None, as_json: bool) -> None:
    """Print a result as soon as it is there, and draw it."""
    if target is not None:
        make_folder(target.parent)
        found.save(target)
    if as_json:
        record = found.to_dict() | ({} if target is None else {"written": str(target)})
        print(json.dumps(record, ensure_ascii=False), flush=True)
        return
    print(found, *([] if target is None else [f"  written to {target}"]), sep="\n", flush=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} pictures/s")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """Give what is called for each picture; it moves a bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    # What goes to a file or a pipe must not pass through the bar, which would print it on stderr.
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    pictures = bar.add_task("", total=total)
    with bar:
        yield lambda: bar.advance(pictures)
