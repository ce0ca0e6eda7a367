"""The reference runtime on the CPU against PyTorch eager: YOLOv5s at 640×640.

    python -m tools.bench_reference [--repeats 10] [--json]

Both run in this process in turn, on the same input; the ratio is the median of the pairs'.
"""

from __future__ import annotations

import argparse
import json
from statistics import median
from time import perf_counter

import torch

import wtsnet
from tools.yolov5_torch import DetectionModel, layout


def compare(repeats: int) -> dict[str, float]:
    """Median seconds of each, the median of the ratio, and how far apart the results are."""
    torch.manual_seed(0)
    model = DetectionModel(layout(80, 0.33, 0.5)).eval()
    image = torch.rand(1, 3, 640, 640)
    network = wtsnet.define("yolov5s", model.state_dict(), head="decoded")
    runner = wtsnet.ReferenceRunner(network.trt)
    eager, reference = [], []
    for _ in range(repeats + 1):
        began = perf_counter()
        with torch.inference_mode():
            theirs = model(image)
        between = perf_counter()
        ours = runner(images=image)["predictions"]
        reference.append(perf_counter() - between)
        eager.append(between - began)
    theirs = (theirs if isinstance(theirs, torch.Tensor) else theirs[0]).numpy()
    return {
        "eager": median(eager[1:]),  # the first run warms up
        "reference": median(reference[1:]),
        "ratio": median(r / e for r, e in zip(reference[1:], eager[1:], strict=True)),
        "relative error": float(abs(ours - theirs).max() / abs(theirs).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The reference runtime against PyTorch eager, on the CPU.")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = compare(options.repeats)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"eager {figures['eager'] * 1e3:.0f} ms, reference {figures['reference'] * 1e3:.0f} ms")
    print(f"{figures['ratio']:.2f} of eager's time; relative error {figures['relative error']:.1e}")


if __name__ == "__main__":
    main()
