"""The whole chain on the digit detector, with no GPU: what `make demo` runs.

    python -m tools.demo [--out demo-output]

Checkpoint to .wts, network to plan for a GPU that need not be here, reload, proof against PyTorch module by module,
and a held-out picture with boxes. Each step's files stay in the output folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from rich.console import Console
from rich.table import Table

import wtsnet
from wtsnet.checkpoint import export
from wtsnet.errors import VerifyError
from wtsnet.pictures import Preprocess, read_image
from wtsnet.predict import Predictor
from wtsnet.proof import load_module, record, verify

if TYPE_CHECKING:
    from collections.abc import Callable

DIGITS = Path(__file__).parent / "digits"
TARGET = "sm89"


class Steps:
    """Runs the steps and keeps a row of each for the table."""

    def __init__(self) -> None:
        self.table = Table("step", "result", "seconds", box=None, pad_edge=False)

    def run(self, name: str, step: Callable[[], str]) -> None:
        began = perf_counter()
        result = step()
        self.table.add_row(name, result, f"{perf_counter() - began:.2f}")


def demo(out: Path, console: Console) -> None:
    """Run every step, writing to the folder `out`, and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, picture = DIGITS / "digits.pt", DIGITS / "held_out.png"
    weights, plan, golden, found = (out / name for name in ("digits.wts", "digits.plan", "golden.npz", "found.png"))
    image = read_image(picture)
    imgsz = image.shape[:2]
    steps = Steps()

    def write_weights() -> str:
        manifest = export(checkpoint, weights)
        return f"{weights}: {len(manifest.entries)} entries, eps of {len(manifest.bn_eps)} batch norms, {weights}.yaml"

    def build_plan() -> str:
        engine = wtsnet.build("yolov5", weights, imgsz=imgsz, batch=(1, 1, 4), target=TARGET)
        engine.save(plan)
        return f"{plan}: {len(engine.plan):,} bytes for {TARGET}, by {engine.manifest.tensorrt['flavour']}"

    def reload_plan() -> str:
        manifest = wtsnet.load(plan).manifest
        return f"{', '.join(t['name'] for t in manifest.outputs)}; classes {' '.join(manifest.names)}"

    def prove() -> str:
        preprocess = Preprocess.from_dict(wtsnet.load(plan).manifest.preprocess)
        record(load_module(checkpoint), preprocess(image)[0], golden)
        report = verify("yolov5", weights, golden)
        if (first := report.first) is not None:
            raise VerifyError(f"{first.name}: differs from PyTorch by {first.error:.2e}")
        return f"{len(report.rows)} module outputs equal PyTorch's, worst {report.worst[0].error:.1e}"

    def detect() -> str:
        engine = wtsnet.load(plan)
        with catch_warnings():
            simplefilter("ignore", wtsnet.WtsnetWarning)  # the table says what ran, and why
            predictor = Predictor(engine)
        with predictor:
            result = predictor(image)
        result.save(found)
        seen = " ".join(result.names[one.index] for one in result)
        return f"{len(result)} digits ({seen}) in {found}\n{predictor.runner.reason}"

    for name, step in (
        ("export", write_weights),
        ("build offline", build_plan),
        ("reload", reload_plan),
        ("verify", prove),
        ("detect", detect),
    ):
        steps.run(name, step)
    console.print(steps.table)


def main() -> None:
    parser = argparse.ArgumentParser(description="The whole chain on the digit detector, with no GPU.")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for what the steps write")
    demo(parser.parse_args().out, Console())


if __name__ == "__main__":
    main()
