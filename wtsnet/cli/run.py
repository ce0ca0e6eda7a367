"""`wtsnet run`."""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TextIO

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
from wtsnet.manifest import manifest_path
from wtsnet.predict import (
    Prediction,
    Predictor,
    RawFile,
    check_takes_pictures,
    check_unread,
    files_of,
    make_folder,
    printable,
    read_inputs,
    save_outputs,
    targets_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    options = model_options(
        imgsz=imgsz, precision=precision, head=head, set_=set_, shape=shape, preprocess=made, task=task
    )
    asked: dict[str, Any] = {"conf": conf, "iou": iou, "limit": limit}
    _check_words(sources, out, raw, inputs, strict)
    files = [file for source in sources or () for file in files_of(source, out)]
    if raw is not None:
        given = [path for path in (Path(plan), weights, inputs) if path is not None]
        check_unread(raw, [*given, *map(manifest_path, given), *(file.path for file in files)])
    if inputs is not None:
        arrays = read_inputs(inputs)
        if batch is not None and _is_plan(plan, weights):
            raise ModelError(f"--batch: found {batch}, which has no meaning with --inputs: they are run as they are")
        engine, _ = _engine(plan, weights, batch, options)
        with _saying_why(engine, runner, raw=raw is not None, **asked) as prepared:
            _run_inputs(prepared, arrays, str(inputs), raw, as_json)
        return 0
    targets: dict[str, Path] = {}
    if out is not None:
        targets = {file.path: target for file, target in zip(files, targets_of(files, out), strict=True)}
    engine, at_once = _engine(plan, weights, batch, options)
    check_takes_pictures(engine, "give --inputs, an .npz of the inputs by name")
    skipped = 0
    with ExitStack() as stack:
        rows = None if raw is None else stack.enter_context(RawFile(raw))
        predictor = stack.enter_context(_saying_why(engine, runner, batch=at_once, raw=raw is not None, **asked))
        bar = stack.enter_context(_bar(len(files)))

        def broken(error: ImageError) -> None:
            nonlocal skipped
            skipped += 1
            bar.say(f"skipped: {printable(str(error))}", True)
            bar.one_more()

        for found in predictor.of_files((file.path for file in files), broken=None if strict else broken):
            if rows is not None:
                rows.add(found.where, found.found)
            else:
                _tell(found, targets.get(found.where), as_json, bar.say)
            bar.one_more()
    if rows is not None:
        _say(str(rows), as_json)
    if skipped:
        print(f"{skipped} of {len(files)} pictures were skipped", file=sys.stderr)
    return 1 if skipped else 0


def _saying_why(engine: Engine, runner: str, **options: Any) -> Predictor:
    """A predictor; what runs it is said on stderr, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WtsnetWarning)  # the reason tells the same
        made = Predictor(engine, runner, **options)
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
        built = build(plan, weights, progress=progress, **options, **model_options(batch))
    return built, None


def _is_plan(name: str, weights: Path | None) -> bool:
    """Whether this is a plan, and no model that is to be built first."""
    if is_onnx(name) or split(name)[0] is not None:
        return False
    return Path(name).exists() or (weights is None and name not in models())


def _check_words(
    sources: list[str] | None, out: Path | None, raw: Path | None, inputs: Path | None, strict: bool
) -> None:
    """Refuse words that do not go together."""
    if inputs is None and not sources:
        raise ImageError("found no pictures, expected files, folders or globs, or --inputs, an .npz by input name")
    if inputs is not None and sources:
        raise ImageError(f"--inputs: found {inputs}, and the pictures {', '.join(sources)} too; give one of the two")
    if out is not None and (inputs or raw):
        other = "--inputs there is no picture" if inputs else "--raw there is nothing"
        raise ImageError(f"--out: found {out}, but with {other} to draw")
    if inputs is not None and strict:
        raise ImageError("--strict: has no meaning with --inputs: no picture is read")
    if raw is not None and raw.suffix.lower() != ".npz":
        raise ImageError(f"--raw: found {raw}, expected a name that ends in .npz")


def _run_inputs(prepared: Predictor, arrays: dict[str, Any], where: str, raw: Path | None, as_json: bool) -> None:
    if raw is None:
        for found in prepared.of_inputs(arrays, where):
            _tell(found, None, as_json, _say)
        return
    outputs = prepared.outputs(arrays)
    save_outputs(raw, outputs)
    shapes = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
    _say(f"{raw}: {shapes}", as_json)


def _tell(found: Prediction, target: Path | None, as_json: bool, say: Callable[[str, bool], None]) -> None:
    """Draw a result and print it as soon as it is there, also where it can't be drawn."""
    told = found.to_dict() if as_json else str(found)
    written: Path | None = None
    try:
        if target is not None:
            make_folder(target.parent)
            found.save(target)
            written = target
    finally:
        if isinstance(told, str):
            say(told + ("" if written is None else f"\n  written to {printable(str(written))}"), False)
        else:
            say(_json(told | ({} if written is None else {"written": str(written)})), False)


def _json(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    # A name that is no text in UTF-8 has letters that can't be written out, only escaped.
    return json.dumps(record) if _writable(text, sys.stdout) != text else text


def _writable(text: str, stream: TextIO) -> str:
    """Text as a stream can take it: letters that its encoding lacks are escaped."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _say(text: str, on_stderr: bool) -> None:
    """Print on stdout, or on stderr."""
    stream = sys.stderr if on_stderr else sys.stdout
    print(_writable(text, stream), file=stream, flush=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} pictures/s")


class _Bar(NamedTuple):
    """`one_more` is called for each picture, and `say` does what `_say` does while there is a bar."""

    one_more: Callable[[], None]
    say: Callable[[str, bool], None]


@contextmanager
def _bar(total: int) -> Iterator[_Bar]:
    """Give what moves a bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Bar(lambda: None, _say)
        return
    columns = BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    # What goes to a file or a pipe must not pass through the bar, which would print it on stderr.
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    pictures = bar.add_task("", total=total)

    def say(text: str, on_stderr: bool) -> None:
        # What passes through the bar is wrapped, so it makes way.
        if not on_stderr and not sys.stdout.isatty():
            _say(text, on_stderr)
            return
        bar.stop()
        _say(text, on_stderr)
        bar.start()

    with bar:
        yield _Bar(lambda: bar.advance(pictures), say)
