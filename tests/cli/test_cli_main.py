"""wtsnet/cli/__init__.py: help, usage errors, and how a process ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wtsnet
from tests.small import lenet_file
from wtsnet import cli as package
from wtsnet.cli import COMMANDS
from wtsnet.errors import warn

NAMES = [command.__name__ for command in COMMANDS]
START = [sys.executable, "-c", "from wtsnet.cli import main; main()"]


def test_the_commands_are_those_of_the_readme() -> None:
    assert [
        *("models", "ops", "export", "inspect", "build", "rebuild", "run", "record", "verify", "compare", "bench"),
        *("manifest", "doctor"),
    ] == NAMES


def test_version(cli: Callable[..., Any]) -> None:
    assert cli("--version") == (0, f"wtsnet {wtsnet.__version__}\n", "")


def test_completion() -> None:
    """What a shell asks when it completes a word."""
    asked = {"_WTSNET_COMPLETE": "complete_bash", "COMP_WORDS": "wtsnet reb", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'wtsnet'; from wtsnet.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["rebuild"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict", "latin-1"])
def test_what_the_terminal_can_not_say_is_escaped(tmp_path: Path, encoding: str) -> None:
    name = "ünö→.wts" if encoding != "utf-8:strict" else "bad\udcff.wts"
    (tmp_path / name).write_text("1\na 1 3f800000\n")
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([*START, "inspect", str(tmp_path / name)], env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"1 entries" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *START, "--version"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_warning_is_a_note_that_is_said_once(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def warned() -> None:
        """Example: wtsnet warned"""
        for text in ("without the moon", "without the moon", "without the sun"):
            warn(text)
        warnings.warn("somebody else's", UserWarning, stacklevel=1)

    monkeypatch.setattr(package, "COMMANDS", (warned, *COMMANDS))
    with pytest.warns(UserWarning, match="somebody else's"):
        done = cli("warned")
    assert (done.status, done.out, done.err) == (0, "", "note: without the moon\nnote: without the sun\n")


def test_help_lists_the_commands(cli: Callable[..., Any]) -> None:
    done = cli("--help")
    assert (done.status, done.err) == (0, "")
    assert all(re.search(rf"^\W*{name}\s", done.out, re.MULTILINE) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_an_example_that_can_be_copied(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    done = cli(name, "--help")
    assert done.status == 0
    (example,) = re.findall(r"^ *Example: (.*?) *$", done.out, re.MULTILINE)
    doc = next(command for command in COMMANDS if command.__name__ == name).__doc__
    assert f"Example: {example}\n" in (doc or "")  # the whole of it, not up to where a line is broken
    assert example.startswith(f"wtsnet {name}")


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_an_example_exist(cli: Callable[..., Any], name: str) -> None:
    doc = next(command for command in COMMANDS if command.__name__ == name).__doc__ or ""
    example = doc.partition("Example: wtsnet ")[2].split()
    help_text = cli(name, "--help").out
    assert all(re.search(rf"\s{option}\s", help_text) for option in example if option.startswith("-"))


def test_no_command_shows_the_help(cli: Callable[..., Any]) -> None:
    done = cli()
    assert done.status == 2
    assert "Commands" in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bild"], "No such command 'bild'"),
        (["build"], "Missing argument 'MODEL'"),
        (["build", "lenet"], "lenet: found no weights, expected a .wts file (--weights) or a mapping"),
        (["compare", "x.onnx"], "Missing argument 'B'"),
        (["build", "lenet", "-w", "x", "--nonsense"], "No such option: --nonsense"),
        (["build", "lenet", "-w", "x", "--level", "9"], "Invalid value for '--level': "),
        (["run"], "Missing argument 'PLAN'"),
        (["run", "x.plan"], "found no pictures, expected files, folders or globs, or --inputs"),
        (["run", "x.plan", "y.png", "--conf", "2"], "Invalid value for '--conf': "),
        (["verify", "lenet", "-w", "x"], "Missing option '--golden' / '-g'"),
        (["inspect"], "Missing argument 'FILE'"),
        (["export"], "Missing argument 'CHECKPOINT'"),
        (["export", "none.pt"], "none.pt: "),
        (["doctor", "now"], "Got unexpected extra argument"),
    ],
)
def test_usage_errors_are_one_line(fails: Callable[..., str], arguments: list[str], message: str) -> None:
    assert fails(*arguments).startswith(message)


def test_a_defect_keeps_its_traceback(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(package, "COMMANDS", (broken, *COMMANDS))
    with pytest.raises(ZeroDivisionError):
        cli("broken")


def test_ctrl_c(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(package, "COMMANDS", (stopped, *COMMANDS))
    done = cli("stopped")
    assert (done.status, done.out) == (130, "")
    assert "Traceback" not in done.err


def test_ctrl_c_in_a_process(tmp_path: Path) -> None:
    code = """
import sys, time
from wtsnet import cli
def slow(*args, **options):
    print("building", flush=True)
    time.sleep(60)
cli.build.__globals__["build_engine"] = slow
cli.main()
"""
    command = [sys.executable, "-c", code, "build", "lenet", "-w", str(lenet_file(tmp_path)), "-o", f"{tmp_path}/x"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_goes_away(tmp_path: Path, buffered: str) -> None:
    process = subprocess.Popen(
        [*START, "inspect", "--full", str(lenet_file(tmp_path))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": buffered},
    )
    assert process.stdout is not None
    process.stdout.close()  # before anything is printed
    process.stdout = None
    assert (process.communicate()[1], process.returncode) == (b"", 1)


@pytest.mark.parametrize("buffered", ["", "1"])
def test_output_that_can_not_be_written(tmp_path: Path, buffered: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*START, "inspect", str(lenet_file(tmp_path))],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
    assert done.returncode == 2
    assert done.stderr == b"error: can't write the output (No space left on device)\n"


def test_in_a_process(tmp_path: Path) -> None:
    plan = tmp_path / "x.plan"
    command = [*START, "build", "lenet", "-w", str(lenet_file(tmp_path)), "-o", str(plan)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{plan}: ")
    wrong = subprocess.run([*START, "inspect", "nothing.wts"], capture_output=True, text=True, cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "error: nothing.wts: no such file\n")


def test_the_help_loads_neither_torch_nor_tensorrt() -> None:
    code = """
import sys
from wtsnet.cli import main
try:
    main()
finally:
    print([name for name in ("torch", "tensorrt", "tensorrt_rtx", "pycuda") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_the_installed_command() -> None:
    script = Path(sys.executable).with_name("wtsnet")
    if not script.exists():
        pytest.skip("wtsnet is not installed as a command")
    done = subprocess.run([script, "models", "lenet"], capture_output=True, text=True, env=os.environ)
    assert done.stdout.startswith("lenet: classify")
