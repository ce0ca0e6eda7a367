"""The command line: one command a file. Errors are one line on stderr and exit status 2.

It reads words, calls one function of a room below and prints what that gives; it never computes anything itself.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtsnet.cli.bench import bench
from wtsnet.cli.build import build
from wtsnet.cli.compare import compare
from wtsnet.cli.doctor import doctor
from wtsnet.cli.export import export
from wtsnet.cli.inspect import inspect
from wtsnet.cli.manifest import manifest
from wtsnet.cli.models import models
from wtsnet.cli.ops import ops
from wtsnet.cli.rebuild import rebuild
from wtsnet.cli.record import record
from wtsnet.cli.run import run
from wtsnet.cli.verify import verify
from wtsnet.errors import WtsnetError, WtsnetWarning
from wtsnet.manifest import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["export", "main", "run_app"]

COMMANDS: tuple[Callable[..., Any], ...] = (
    models,
    ops,
    export,
    inspect,
    build,
    rebuild,
    run,
    record,
    verify,
    compare,
    bench,
    manifest,
    doctor,
)


def main() -> None:
    """The `wtsnet` command."""
    app = typer.Typer(
        name="wtsnet",
        help="PyTorch weights to TensorRT engines without ONNX.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for command in COMMANDS:
        app.command()(command)
    run_app(app)


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"wtsnet {VERSION}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which wtsnet this is.")
    ] = False,
) -> None:
    """What stands before a command."""


def run_app(app: typer.Typer) -> None:
    """Run a command line; its errors are one line, and it ends the process with its exit status."""
    _open_streams()
    try:
        with _notes():
            status = app(standalone_mode=False)
        sys.stdout.flush()
    except WtsnetError as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        if isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has gone
            sys.exit(1)
        _fail(f"can't write the output ({error.strerror})")
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        # Usage errors are the parser's own; they know how to put themselves in a line.
        if not hasattr(error, "format_message"):
            raise
        if not error.format_message():  # no command: the help was printed
            sys.exit(2)
        _fail(error.format_message())
    sys.exit(status if isinstance(status, int) else 0)


def _open_streams() -> None:
    """Have somewhere to print to, even what the terminal's encoding can't say or a shell has closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # until the process ends
        stream = getattr(sys, name)
        if getattr(stream, "errors", "") == "strict":
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _notes() -> Iterator[None]:
    """Inside the block each warning of wtsnet's is one line on stderr, once."""
    show, said = warnings.showwarning, set[str]()

    def note(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if not issubclass(category, WtsnetWarning):
            show(message, category, *where)
        elif str(message) not in said:
            said.add(str(message))
            print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", WtsnetWarning)
        warnings.showwarning = note  # type: ignore[assignment]  # it hands on whatever it is given
        yield


def _fail(text: str) -> None:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(2)
