"""Every op, model and step of wtsnet that calls TensorRT, once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wtsnet
from tests import small
from tests.ops.catalogue import EXAMPLES, Example
from tests.ops.support import build, weights_of
from wtsnet import Network, ReferenceRunner, Scope, Tensor, ops
from wtsnet.network.weights import Weights

# Arguments under which an op of the catalogue calls something else of TensorRT's.
MORE: dict[str, Callable[[Scope, Tensor], Tensor]] = {
    "pad reflect": lambda s, x: ops.pad(s, x, (1, 1, 1, 1), "reflect"),
    "pad replicate": lambda s, x: ops.pad(s, x, (1, 1), "replicate"),
    "pad circular": lambda s, x: ops.pad(s, x, (1, 1), "circular"),
    "upsample bilinear": lambda s, x: ops.upsample(s, x, 1.5, mode="bilinear"),
    "upsample corners": lambda s, x: ops.upsample(s, x, size=(5, 7), mode="bilinear", align_corners=True),
    "upsample bicubic": lambda s, x: ops.upsample(s, x, 2, mode="bicubic"),
    "upsample exact": lambda s, x: ops.upsample(s, x, 2, mode="nearest-exact"),
    "avg_pool ceil": lambda s, x: ops.avg_pool(s, x, 3, 2, 1, ceil_mode=True),
    "avg_pool no padding": lambda s, x: ops.avg_pool(s, x, 3, 2, 1, count_include_pad=False),
    "max_pool 3d": lambda s, x: ops.max_pool(s, ops.unsqueeze(s / "up", x, 1), 2),
    "adaptive uneven": lambda s, x: ops.adaptive_avg_pool(s, x, (3, 5)),
    "topk smallest": lambda s, x: ops.topk(s, x, 2, 3, largest=False)[0],
    "gelu tanh": lambda s, x: ops.gelu(s, x, "tanh"),
    "matmul transposed": lambda s, x: ops.matmul(s, x, x, transpose_b=True),
    "cut": lambda s, x: ops.cut(s, x, 0, -1),
    "dims": lambda s, x: ops.reshape(s, x, (x.dims[0] * 3, 2, (x.dims[0] + 64 - x.dims[0]) // 1)),
    "expand": lambda s, x: ops.expand(s, ops.cut(s / "row", x, 1, 0, 1), (-1, x.dims[0], -1, -1)),
    "half": lambda s, x: s.cast(s.cast(x, "float16"), "float32"),
    "bfloat16": lambda s, x: s.cast(s.cast(x, "bfloat16"), "float32"),
    "operators": lambda s, x: -(1.0 - x) / 2.0 + 3.0 * x,
}
# One of each kind of block.
MODELS = [
    "lenet",
    "resnet18",
    "resnext50_32x4d",
    "yolov5n",
    "yolov5n6",
    "yolov8n-seg",
    "yolov8n-obb",
    "yolo26n",
    "segformer-b0",
]


class Invented(Weights):
    """Weights for any model, made up when they are taken."""

    def __init__(self) -> None:
        super().__init__({})
        self._random = np.random.default_rng(0)

    def __contains__(self, key: object) -> bool:
        return str(key).endswith(("weight", "bias"))

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        open_size = 255 if len(shape) == 4 else 10  # what a YOLO head has, and a classifier
        low, high = (0.5, 2.0) if "running_var" in key else (-0.1, 0.1)
        sizes = [open_size if size == -1 else size for size in shape]
        return self._random.uniform(low, high, sizes).astype(np.float32)


def network() -> tuple[Network, list[tuple[str, Example]]]:
    """All examples of the catalogue side by side, each in a scope of its own, on inputs that they share."""
    examples = list(EXAMPLES.items())
    weights = {
        f"{name}.{key}": value
        for name, example in examples
        for key, value in {**example.weights, **(weights_of(example.twin, None) or {})}.items()
    }
    net = Network(weights)
    inputs: dict[Any, Tensor] = {}
    for name, example in examples:
        keys = list(zip(example.specs(), example.kinds, strict=False))
        for spec, kind in keys:
            if (spec, kind) not in inputs:
                inputs[spec, kind] = net.input(f"x{len(inputs)}", *spec)
        made = example.op(net.root / name, *(inputs[key] for key in keys))
        for i, y in enumerate(made if isinstance(made, list | tuple) else [made]):
            net.output(f"{name}:{i}", y)
    return net, examples


def run_ops() -> int:
    """Build all ops and execute them; gives how many there are."""
    net, examples = network()
    given: dict[str, Any] = {}
    names = iter(net.profile)
    seen = set()
    for _, example in examples:
        for key, value in zip(zip(example.specs(), example.kinds, strict=False), example.inputs(2), strict=False):
            if key not in seen:
                seen.add(key)
                given[next(names)] = value
    outputs = ReferenceRunner(net.trt).run(given)
    assert {name.rpartition(":")[0] for name in outputs} == set(EXAMPLES)
    build(net)
    more = Network({})
    x = more.input("x", ((1, 2, 3), 6, 8, 8))
    for name, op in MORE.items():
        more.output(name, op(more.root / name.replace(" ", "_"), x))
    ReferenceRunner(more.trt).run({"x": np.ones((2, 6, 8, 8), np.float32)})
    build(more)
    return len(EXAMPLES) + len(MORE)


def run_models(folder: Path) -> int:
    """Define each model, with its sizes fixed and dynamic, and execute it; build one of each kind."""
    for name in MODELS:
        size = 32 if name == "lenet" else 64
        for precision in ("fp32", "fp16"):
            net = wtsnet.define(name, Invented(), imgsz=size, precision=precision)
            x = np.ones(net.profile[next(iter(net.profile))][0], np.float32)
            ReferenceRunner(net.trt).run({next(iter(net.profile)): x})
        if name != "lenet":
            wtsnet.define(name, Invented(), batch=(1, 2, 4), imgsz=(64, 64, 128), fold_bn=False)
    weights = small.yolo_file(folder)
    for head in ("raw", "decoded", "topk"):
        for batch, imgsz in ((1, 64), ((1, 2, 4), (64, 64, 128))):
            wtsnet.build("yolov5", weights, batch=batch, imgsz=imgsz, head=head, precision="bf16")
    return len(MODELS) + 1


def run_engine(folder: Path) -> int:
    """Build with every option, save, load and execute; gives how often progress was told."""
    told: list[tuple[str, int, int]] = []
    engine = wtsnet.build(
        "lenet",
        small.lenet_file(folder),
        batch=(1, 2, 4),
        flags=["tf32"],
        workspace=256,
        level=2,
        progress=lambda *step: told.append(step),
    )
    engine.save(folder / "lenet.plan")
    runner = wtsnet.load(folder / "lenet.plan").runner("reference")
    assert runner(data=np.ones((3, 1, 32, 32), np.float32))["prob"].shape == (3, 10)
    return len(told)


def main() -> dict[str, Any]:
    """Everything; gives what was done."""
    from wtsnet import trt

    with tempfile.TemporaryDirectory() as folder:
        return {
            "tensorrt": f"{trt.flavour()}-{trt.version()}",
            "ops": run_ops(),
            "models": run_models(Path(folder)),
            "progress": run_engine(Path(folder)),
        }
