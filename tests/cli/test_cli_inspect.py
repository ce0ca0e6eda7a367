"""wtsnet/cli/inspect.py: `wtsnet inspect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wtsnet
from tests.engine import test_foreign as of_foreign
from tests.engine.test_planfile import PLAN
from tests.runtime.test_runtime_ports import Plans
from tests.small import lenet, lenet_file, yolo_file
from tests.small_onnx import conv, refused
from wtsnet.runtime import choosing
from wtsnet.trt.device import Driver
from wtsnet.trt.flavours import flavour, version

cuda, launch, runtime = of_foreign.cuda, of_foreign.launch, of_foreign.runtime
plan, ultralytics = of_foreign.plan, of_foreign.ultralytics


def test_a_wts_without_a_manifest(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = lenet_file(tmp_path)
    done = cli("inspect", path)
    values = sum(array.size for array in lenet().values())
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"{path}: 10 entries, {values:,} values, {path.stat().st_size:,} bytes"
    assert lines[1] == "no manifest beside it: shapes, eps and architecture are not known"
    assert lines[2].split() == ["entry", "values", "shape"]
    assert lines[3].split() == ["conv1.weight", "150"]
    assert len(lines) == 13


def test_a_wts_with_a_manifest(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = yolo_file(tmp_path, eps=0.25)
    out = cli("inspect", path).out
    assert "names: ['one', 'two']\n" in out
    assert "architecture lists: yes\n" in out
    assert "batch norm eps: 0.25\n" in out
    assert ["model.0.conv.weight", "864", "8×3×6×6"] in [line.split() for line in out.splitlines()]
    count = len(wtsnet.read_wts(path))
    assert out.endswith(f"… and {count - 12} more (--full shows them)\n")
    full = cli("inspect", path, "--full").out
    assert "more" not in full
    assert all(f"\n{name} " in full for name in wtsnet.read_wts(path))


def test_manifests(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = yolo_file(tmp_path)
    out = cli("inspect", f"{path}.yaml").out
    assert out.startswith(f"manifest of yolo.wts: {len(wtsnet.read_wts(path))} entries from yolo.pt\n")
    assert ["model.0.conv.weight", "8×3×6×6", "float32"] in [line.split() for line in out.splitlines()]


def test_a_plan(cli: Callable[..., Any], tmp_path: Path) -> None:
    plan = tmp_path / "y.plan"
    engine = wtsnet.build("yolov5", yolo_file(tmp_path), imgsz=64, batch=(1, 2, 4), target="sm89", flags="tf32")
    engine.save(plan)
    out = cli("inspect", plan).out
    assert out == cli("inspect", f"{plan}.yaml").out
    tensorrt = engine.manifest.tensorrt
    assert out.splitlines()[:4] == [
        f"plan of yolov5: {len(engine.plan):,} bytes, built by {tensorrt['flavour']} {tensorrt['version']}",
        "target: sm89; flags: tf32",
        f"weights: yolo.wts (sha256 {engine.manifest.weights['sha256'][:12]}…)",
        "input images: float32 1×3×64×64:2×3×64×64:4×3×64×64",
    ]
    assert "output boxes: float32 -1×640×4\n" in out
    assert "options: {batch: [1, 2, 4], imgsz: 64}\n" in out
    assert out.endswith("classes: one, two\n")
    plan.write_bytes(b"changed")
    assert cli("inspect", plan).out == f"{out}note: {plan} changed since its manifest was written\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.wts", None, "none.wts: no such file"),
        ("x.wts", b"\x89PNG garbage", "x.wts, line 1: expected the number of entries"),
        ("x.wts", b"", "x.wts, line 1: expected the number of entries"),
        ("x.yaml", b"a: 1", "x.yaml: kind: found None, expected 'weights' or 'plan'"),
        ("x.yaml", b"{", "x.yaml: not YAML"),
        ("x.yml", b"- 1", "x.yml: found [1], expected a mapping"),
        ("x.plan", b"plan", "x.plan: found b'plan' at its beginning, expected a TensorRT plan"),
        ("x.engine", b"", "x.engine: found b'' at its beginning, expected a TensorRT plan"),
        ("x", b"plan", "x, line 1: expected the number of entries"),
    ],
)
def test_errors(
    fails: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert fails("inspect", name).removeprefix(f"{tmp_path}/").startswith(message)


def test_a_folder_and_a_garbled_manifest(fails: Callable[..., str], tmp_path: Path) -> None:
    assert fails("inspect", tmp_path).startswith(f"{tmp_path}: ")
    path = lenet_file(tmp_path)
    Path(f"{path}.yaml").write_text("x: [")
    assert fails("inspect", path).startswith(f"{path}.yaml: not YAML")


def test_an_onnx_file(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = conv(tmp_path / "x.onnx", ("n", 3, "h", 8), external="x.data")
    done = cli("inspect", path)
    assert (done.status, done.err) == (0, "")
    size = path.stat().st_size + (tmp_path / "x.data").stat().st_size
    assert done.out.splitlines() == [
        f"{path}: {size:,} bytes in 2 files, parsed by {flavour()} {version()}",
        "input x: float32 n×3×h×8",
        "output y: float32 -1×4×-1×6",
        "weights: 108 values, 432 bytes",
        "layers: 1",
        "CONVOLUTION  1",
    ]
    full = cli("inspect", path, "--full").out.splitlines()
    assert full[:4] == done.out.splitlines()[:4]
    assert [line.split() for line in full[5:]] == [
        ["layer", "kind", "outputs"],
        ["conv", "CONVOLUTION", "float32", "-1×4×-1×6"],
    ]


def test_nodes_that_tensorrt_does_not_take(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = refused(tmp_path / "x.onnx")
    done = cli("inspect", path)
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[0] == (f"{path}: {path.stat().st_size} bytes, refused by {flavour()} {version()}")
    assert [line.split() for line in done.out.splitlines()[1:]] == [
        ["node", "operator", "TensorRT's", "words"],
        ["coin", "Bernoulli", "UNSUPPORTED_NODE"],
        ["number", "2", "Unique", "UNSUPPORTED_NODE"],
    ]


def test_a_plan_of_an_onnx_file(cli: Callable[..., Any], tmp_path: Path) -> None:
    wtsnet.build(str(conv(tmp_path / "x.onnx"))).save(tmp_path / "x.plan")
    out = cli("inspect", tmp_path / "x.plan").out
    assert out.startswith("plan of x.onnx: ")
    assert "weights: x.onnx (sha256 " in out
    assert out.endswith("output y: float32 1×4×6×6\ndecode: {task: none}\n")


def test_a_plan_without_a_manifest(cli: Callable[..., Any], runtime: Plans, plan: Path, ultralytics: Path) -> None:
    ports = [
        "input x: float32 1×3:4×3:64×3",
        "input size: int64 1:1:1",
        "output y: float32 -1",
        "output twice: int64 1",
        "options: {values: {size: [[1], [5], [9]]}}",
        "decode: {task: none}",
    ]
    for path, more in ((plan, []), (ultralytics, ["classes: one, two"])):
        done = cli("inspect", path)
        assert done.err == f"note: {path}: no manifest beside it: names, shapes and profiles are the engine's own\n"
        first, *lines = done.out.splitlines()
        size = path.stat().st_size
        assert first == f"plan of another tool: {size} bytes, opened by {flavour()} {version()} on Some GPU"
        assert lines == [*ports, *more]


def test_a_plan_without_a_manifest_and_without_a_gpu(
    fails: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "driver", lambda: Driver(None, "no CUDA device"))
    (tmp_path / "x.trt").write_bytes(PLAN)
    assert fails("inspect", tmp_path / "x.trt") == (
        f"{tmp_path / 'x.trt'}: without a manifest a plan tells what it takes only to a GPU that it fits: no CUDA "
        "device; there, `wtsnet manifest x.trt` writes the manifest (x.trt.yaml)"
    )
