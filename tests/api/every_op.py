"""Every op, model and step of wtsnet that calls TensorRT, once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import wtsnet
from tests import small
from tests.ops.catalogue import EXAMPLES
from tests.ops.support import applied, as_torch, close, flat
from wtsnet import Network, ReferenceRunner, Tensor, ops
from wtsnet import trt as tensorrt
from wtsnet.errors import NetworkError
from wtsnet.network import Weights

# Arguments under which an op of the catalogue calls something else of TensorRT's. The inputs are x, (N, 6, 8, 8) with N
# dynamic, and y, (1, 6, H, W) with H and W dynamic.
MORE: dict[str, Callable[..., Any]] = {
    "arange of floats": lambda s, x, y: ops.arange(s, 0.0, 2.0, 0.5),
    "arange to a size": lambda s, x, y: ops.arange(s, 1, y.dims[3], 2, dtype="float32"),
    "attention, causal": lambda s, x, y: ops.scaled_dot_product_attention(x, x, x, is_causal=True),
    "attention, masked": lambda s, x, y: ops.scaled_dot_product_attention(x, x, x, attn_mask=x > 0.0),
    "attention, module": lambda s, x, y: ops.multihead_attention(s, *(x.flatten(2),) * 3, 4, is_causal=True),
    "avg_pool2d, ceil": lambda s, x, y: ops.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "avg_pool2d, no padding": lambda s, x, y: ops.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "batch_norm of rows": lambda s, x, y: ops.batch_norm(s, x.mean((2, 3))),
    "bfloat16": lambda s, x, y: x.bfloat16().float(),
    "conv2d, circular": lambda s, x, y: ops.conv2d(s, y, 4, 3, padding=1, padding_mode="circular"),
    "conv2d, same": lambda s, x, y: ops.conv2d(s, y, 6, (3, 2), padding="same", groups=3, bias=False),
    "conv_bn, not folded": lambda s, x, y: ops.conv_bn(s / "conv", s / "bn", x, 4, 3),
    "conv_transpose2d, more": lambda s, x, y: ops.conv_transpose2d(s, y, 4, 3, 2, padding=1, output_padding=1),
    "cumsum of integers": lambda s, x, y: x.round().int().cumsum(2),
    "cumsum of the last": lambda s, x, y: x.half().cumsum(-1).float(),
    "dims": lambda s, x, y: x.reshape(x.dims[0] * 3, 2, (x.dims[0] + 64 - x.dims[0]) // 1),
    "expand": lambda s, x, y: x[:, :1].expand(-1, x.dims[0], -1, -1),
    "fold of what overlaps": lambda s, x, y: ops.fold(x.flatten(2), (9, 8), (2, 1)),
    "gelu, tanh": lambda s, x, y: ops.gelu(x, approximate="tanh"),
    "grid_sample, bicubic": lambda s, x, y: ops.grid_sample(x, grid(x), "bicubic", "reflection", align_corners=True),
    "grid_sample, nearest": lambda s, x, y: ops.grid_sample(x, grid(x), "nearest", "border"),
    "group_norm": lambda s, x, y: ops.group_norm(s, y, 3),
    "half": lambda s, x, y: x.half().float(),
    "index, of dims": lambda s, x, y: (y[..., : y.dims[3] // 2], y[..., y.dims[2] - 1, :], x[-1]),
    "index, several": lambda s, x, y: x[:, x[0, 0, 0].argsort() % 6, :, x[0, 0, 1].argsort()],
    "index, steps": lambda s, x, y: (x[1::2, :, ::3, -1:], y[..., ::2, 1::3]),
    "interpolate, area": lambda s, x, y: ops.interpolate(x, (3, 5), mode="area"),
    "interpolate, bicubic": lambda s, x, y: ops.interpolate(x, scale_factor=2, mode="bicubic"),
    "interpolate, bilinear": lambda s, x, y: ops.interpolate(x, scale_factor=1.5, mode="bilinear"),
    "interpolate, corners": lambda s, x, y: ops.interpolate(x, (5, 7), mode="bilinear", align_corners=True),
    "interpolate, exact": lambda s, x, y: ops.interpolate(x, scale_factor=2, mode="nearest-exact"),
    "interpolate, fixed": lambda s, x, y: ops.interpolate(y[..., :4, :4], (8, 8)),
    "interpolate, smooth": lambda s, x, y: ops.interpolate(x, (5, 7), mode="bilinear", antialias=True),
    "interpolate, to a size": lambda s, x, y: ops.interpolate(x[:1], y.dims[2:]),
    "layer_norm of several": lambda s, x, y: ops.layer_norm(s, x, (6, 8, 8)),
    "linear": lambda s, x, y: ops.linear(s, x.half(), 5, bias=False).float(),
    "lstm, states": lambda s, x, y: ops.lstm(s, x[0], 4, hx=(y[:, 0, :8, :4], y[:, 1, :8, :4]))[0],
    "matmul, turned": lambda s, x, y: ops.matmul(x, x, transpose_b=True),
    "max_pool2d, ceil": lambda s, x, y: ops.max_pool2d(y, 3, 2, ceil_mode=True),
    "max_pool2d, dilated": lambda s, x, y: ops.max_pool2d(x, 3, 1, dilation=2),
    "max_pool3d": lambda s, x, y: ops.max_pool3d(x.unsqueeze(1), 2),
    "operators": lambda s, x, y: -(1.0 - x) / 2.0 + 3.0 * x // 0.5 - x % 0.3 - 2 % (x + 9.0) + 2.0**x + x**2.0,
    "pad, circular": lambda s, x, y: ops.pad(x, (1, 1), "circular"),
    "pad, of dims": lambda s, x, y: ops.pad(y, (0, y.dims[2], 1, 0), value=0.5),
    "pad, reflect": lambda s, x, y: ops.pad(x, (1, 1, 1, 1), "reflect"),
    "pad, replicate": lambda s, x, y: ops.pad(x, (1, 1), "replicate"),
    "rows": lambda s, x, y: (ops.softmax(x[0, 0, 0], 0), *x[0, 0, 0].sort(), x[0, 0, 0].argmax(), x[0, 0, 0].flip(0)),
    "put": lambda s, x, y: ops.index_put(x, (None, x[0, 0, 0].argsort() % 6), 1.5),
    "scatter of a number": lambda s, x, y: ops.scatter(x, 1, x.argsort(1), 0.0),
    "sizes of both": lambda s, x, y: (x * x.dims[0] + y[..., :1, :1], y.numel() - y.mean(), x.sum(0) / x.dims[0]),
    "topk, smallest": lambda s, x, y: ops.topk(x, 2, 3, largest=False)[0],
    "truths": lambda s, x, y: ((x > 0.0) & ~(x < 1.0) | (x == 0.0) ^ (x != 0.5)).any(1, keepdim=True),
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


def grid(x: Tensor) -> Tensor:
    """Places for `grid_sample`, some of them outside."""
    return x[:, :2].permute(0, 2, 3, 1)


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


def watched() -> set[str]:
    """What is called of TensorRT from now on by `emit` and `enum`, as "INetworkDefinition.add_unary",
    "add_slice().mode" and "UnaryOperation.EXP"."""
    seen: set[str] = set()
    emit, enum = Network.emit, tensorrt.enum

    def seen_emit(net: Network, method: str, *args: Any, **given: Any) -> Tensor:
        seen.add(f"INetworkDefinition.{method}")
        seen.update(f"{method}().{name}" for name in given if name not in ("label", "inputs"))
        return emit(net, method, *args, **given)

    def seen_enum(kind: str, member: str) -> Any:
        seen.add(f"{kind}.{member}")
        return enum(kind, member)

    Network.emit = seen_emit  # type: ignore[assignment, method-assign]
    tensorrt.enum = seen_enum
    return seen


def tried(name: str, make: Callable[[], Any], refused: list[str]) -> list[Tensor]:
    """The tensors that `make` gives; none, and the name among those refused, where this release is said to lack what
    it takes."""
    try:
        return flat(make())
    except NetworkError as error:
        if not str(error).endswith("with this TensorRT"):
            raise
        refused.append(name)
        return []


def run_examples(refused: list[str]) -> int:
    """Execute all examples of the catalogue side by side, each in a module of its own, on inputs that they share, and
    compare each with its twin; gives how many there are."""
    weights = {f"{name}.{key}": value for name, one in EXAMPLES.items() for key, value in one.all_weights().items()}
    net = Network(weights)
    inputs: dict[Any, Tensor] = {}
    given: dict[str, torch.Tensor] = {}
    made: dict[str, list[str]] = {}
    twins: dict[str, list[torch.Tensor]] = {}
    for name, example in EXAMPLES.items():
        keys = list(zip(example.specs(), example.kinds, strict=False))
        for key, value in zip(keys, example.inputs(2), strict=True):
            if key not in inputs:
                inputs[key] = net.input(f"x{len(inputs)}", *key[0])
                given[inputs[key].name] = value
        own = [inputs[key] for key in keys]
        outputs = tried(name, partial(applied, net.root / name, example.op, *own), refused)
        for i, y in enumerate(outputs):
            net.output(f"{name}:{i}", y)
        made[name] = [f"{name}:{i}" for i in range(len(outputs))]
        with torch.inference_mode():
            twins[name] = flat(example.twin(*(given[x.name] for x in own))) if outputs else []
    found = ReferenceRunner(net.trt).run(given)
    for name, results in made.items():
        for result, twin in zip(results, twins[name], strict=True):
            close(as_torch(found[result]), twin)
    return len(made)


def run_more(refused: list[str]) -> int:
    """Execute all of `MORE`; gives how many there are."""
    net = Network(Invented(), fold_bn=False)
    x, y = net.input("x", ((1, 2, 3), 6, 8, 8)), net.input("y", (1, 6, (4, 9, 9), (4, 7, 9)))
    for name, op in MORE.items():
        for i, made in enumerate(tried(name, partial(op, net.root / name, x, y), refused)):
            net.output(f"{name}:{i}", made)
    random = np.random.default_rng(0)
    given = {"x": random.normal(size=(2, 6, 8, 8)), "y": random.normal(size=(1, 6, 9, 7))}
    found = ReferenceRunner(net.trt).run({name: value.astype(np.float32) for name, value in given.items()})
    assert {name.rpartition(":")[0] for name in found} == set(MORE) - set(refused)
    assert all(np.isfinite(value.astype(np.float32)).all() for value in found.values())
    return len(MORE)


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
    seen, refused = watched(), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        return {
            "tensorrt": f"{tensorrt.flavour()}-{tensorrt.version()}",
            "ops": run_examples(refused),
            "more": run_more(refused),
            "called": sorted(seen),
            "refused": refused,
            "models": run_models(Path(folder)),
            "progress": run_engine(Path(folder)),
        }
