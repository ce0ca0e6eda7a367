"""wtsnet/engine/building.py and cache.py: how a plan is built, and that it is built once."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorrt_rtx as trt
from onnx import helper

import wtsnet
from tests.small import TINY, lenet, lenet_file, tiny, tiny_file, yolo_file
from tests.small_onnx import KERNEL, conv, relu, write
from wtsnet import trt as tensorrt
from wtsnet.definition import registry
from wtsnet.engine import building as builder
from wtsnet.engine import cache
from wtsnet.errors import EngineError, ModelError, WeightError, WtsnetError
from wtsnet.trt import device
from wtsnet.trt.device import Driver, Gpu

X = np.random.default_rng(1).random((1, 1, 32, 32), np.float32)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by the builder's configuration whenever TensorRT builds."""
    configs: list[Any] = []
    original = trt.Builder.build_serialized_network

    def count(self: Any, network: Any, config: Any) -> Any:
        configs.append(config)
        return original(self, network, config)

    monkeypatch.setattr(trt.Builder, "build_serialized_network", count)
    return configs


def capabilities(config: Any) -> list[str]:
    return [config.get_compute_capability(i).name for i in range(config.num_compute_capabilities)]


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("sm89", ["SM89"]),
        ("8.9", ["SM89"]),
        ("89", ["SM89"]),
        ("sm_89", ["SM89"]),
        ("SM_120", ["SM120"]),
        ("12.0", ["SM120"]),
        ("sm86, 8.9", ["SM86", "SM89"]),
        (["sm80", "sm86"], ["SM80", "SM86"]),
    ],
)
def test_targets(builds: list[Any], target: Any, names: list[str]) -> None:
    engine = wtsnet.build("lenet", lenet(), target=target)
    assert capabilities(builds[0]) == names
    assert engine.manifest.target == [name.lower() for name in names]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("sm98", "target: unknown 'sm98'; did you mean 'sm89'. .known: current, sm120, sm121, sm75, sm80, sm86, sm89."),
        ("9.0", "target: unknown 'sm90'"),
        ("", "target: unknown ''"),
        ("name", "target: unknown 'name'"),
        ("ampere_plus", "target: unknown 'ampere_plus'"),
        ("sm89,", "target: unknown ''"),
    ],
)
def test_targets_that_are_none(builds: list[Any], target: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        wtsnet.build("lenet", lenet(), target=target)
    assert not builds


def test_the_current_gpu_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "driver", lambda: Driver(None, "no NVIDIA driver (x)"))
    with pytest.raises(EngineError, match=r"target: current: no NVIDIA driver \(x\)"):
        wtsnet.build("lenet", lenet(), target="current")


def test_the_manifest_names_the_current_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "driver", lambda: Driver("13.0", "", (Gpu(0, "NVIDIA L4", (8, 9), 1),)))
    monkeypatch.setattr(builder, "_set_targets", lambda config, targets: None)
    manifest = wtsnet.build("lenet", lenet(), target="current").manifest
    assert manifest.target == ["sm89"]
    assert manifest.gpu == {"name": "NVIDIA L4", "compute_capability": "8.9"}


class FullConfig:
    """IBuilderConfig of full TensorRT, as far as targets go."""

    hardware_compatibility_level: Any = None


def test_targets_of_full_tensorrt() -> None:
    config = FullConfig()
    builder._set_targets(config, ["current"])
    assert config.hardware_compatibility_level is None
    builder._set_targets(config, ["ampere_plus"])
    assert config.hardware_compatibility_level == trt.HardwareCompatibilityLevel.AMPERE_PLUS
    with pytest.raises(EngineError, match=r"target: found sm89, expected current or ampere_plus: .* the GPU at hand"):
        builder._set_targets(config, ["sm89"])


def test_flags(builds: list[Any]) -> None:
    assert wtsnet.build("lenet", lenet()).manifest.flags == []
    assert wtsnet.build("lenet", lenet(), flags=["TF32", "weight_streaming"]).manifest.flags == [
        "tf32",
        "weight_streaming",
    ]
    assert wtsnet.build("lenet", lenet(), flags="tf32").manifest.flags == ["tf32"]
    assert [config.get_flag(trt.BuilderFlag.TF32) for config in builds] == [False, True, True]
    assert [config.get_flag(trt.BuilderFlag.WEIGHT_STREAMING) for config in builds] == [False, True, False]
    with pytest.raises(EngineError, match=r"flag: unknown 'tf23'; did you mean 'tf32'\? \(known: debug, "):
        wtsnet.build("lenet", lenet(), flags=["tf23"])
    assert len(builds) == 3


def test_workspace_and_level(builds: list[Any]) -> None:
    wtsnet.build("lenet", lenet(), workspace=16, level=2)
    assert builds[0].get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 16 << 20
    assert builds[0].builder_optimization_level == 2
    for option, values in (("level", [-1, 6, 2.0, True, "2"]), ("workspace", [0, -1, 1.5, "16"])):
        for value in values:
            with pytest.raises(EngineError, match=f"^{option}: found {value!r}, expected a whole number from"):
                wtsnet.build("lenet", lenet(), **{option: value})  # type: ignore[arg-type]  # wrong on purpose
    assert len(builds) == 1


def test_the_profile_is_that_of_the_options(builds: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    original = trt.IOptimizationProfile.set_shape

    def note(profile: Any, *args: Any) -> Any:
        shapes.append(args)
        return original(profile, *args)

    monkeypatch.setattr(trt.IOptimizationProfile, "set_shape", note)
    engine = wtsnet.build("lenet", lenet(), batch=(1, 4, 8))
    assert shapes == [("data", (1, 1, 32, 32), (4, 1, 32, 32), (8, 1, 32, 32))]
    assert engine.manifest.inputs[0]["shape"] == [-1, 1, 32, 32]
    assert engine.manifest.inputs[0]["max"] == [8, 1, 32, 32]
    assert engine.manifest.options == {"batch": [1, 4, 8]}


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_lower_precisions_build(precision: str) -> None:
    engine = wtsnet.build("lenet", lenet(), precision=precision)
    full = wtsnet.build("lenet", lenet())
    assert engine.plan != full.plan
    assert engine.network().modules["fc1"][0].dtype.name == {"fp16": "HALF", "bf16": "BF16"}[precision]
    assert engine.manifest.options == {"precision": precision}
    assert engine.manifest.inputs == full.manifest.inputs
    assert engine.manifest.outputs == full.manifest.outputs


NON_ZERO = """
import wtsnet

@wtsnet.model("tiny", image=wtsnet.Image(size=4))
def tiny(s, x):
    return s.emit("add_non_zero", x)
"""


def test_tensorrts_own_words_are_in_the_error(tmp_path: Path) -> None:
    name = tiny_file(tmp_path, NON_ZERO)
    with pytest.raises(EngineError) as caught:
        wtsnet.build(name, {})
    text = str(caught.value)
    assert text.startswith(f"{name}: TensorRT can't build it: ")
    assert "non_zero has no runners" in text
    assert "\n" not in text


def test_errors_come_before_the_work(tmp_path: Path, builds: list[Any]) -> None:
    with pytest.raises(ModelError, match="unknown model 'lenett'; did you mean 'lenet'"):
        wtsnet.build("lenett", tmp_path / "not there.wts")
    with pytest.raises(ModelError, match="batch"):
        wtsnet.build("lenet", lenet(), batch=0)
    with pytest.raises(WeightError, match=r"conv1.bias"):
        wtsnet.build("lenet", {"conv1.weight": lenet()["conv1.weight"]})
    assert not builds


def test_progress() -> None:
    calls: list[tuple[str, int, int]] = []
    wtsnet.build("lenet", lenet(), progress=lambda *call: calls.append(call))
    assert calls[0][1] == 0
    assert all(0 <= done <= steps for _, done, steps in calls)
    finished = {phase for phase, done, steps in calls if done == steps}
    assert finished == {phase for phase, _, _ in calls}


@pytest.mark.parametrize("error", [ValueError("from the callback"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_what_progress_raises_ends_the_build(error: BaseException, at: int, capfd: pytest.CaptureFixture[str]) -> None:
    calls = 0

    def progress(*call: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise error

    with pytest.raises(type(error)) as caught:
        wtsnet.build("lenet", lenet(), progress=progress)
    assert caught.value is error
    assert calls == at
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_ends_the_build(builds: list[Any]) -> None:
    calls = 0

    def progress(*call: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        wtsnet.build("lenet", lenet(), progress=progress)
    assert signal.getsignal(signal.SIGINT) is before
    finished: list[int] = []
    wtsnet.build("lenet", lenet(), progress=lambda *call: finished.append(1))
    assert calls < len(finished)


def test_ctrl_c_is_not_lost_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    add = tensorrt.log.add
    raised: list[str] = []

    def noisy(severity: Any, text: str) -> None:
        if not raised and "Cuda Runtime" not in text and tensorrt.log.lines is not None:
            raised.append(text)
            signal.raise_signal(signal.SIGINT)
        add(severity, text)

    monkeypatch.setattr(tensorrt.log, "add", noisy)
    original = builder._config

    def listen(*args: Any) -> Any:
        monkeypatch.setattr(tensorrt.log, "lines", [])
        return original(*args)

    monkeypatch.setattr(builder, "_config", listen)
    with pytest.raises(KeyboardInterrupt):
        wtsnet.build("lenet", lenet())
    assert raised


def test_a_build_in_a_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wtsnet.build, "lenet", lenet()).result().plan


def test_builds_once(tmp_path: Path, builds: list[Any]) -> None:
    first = wtsnet.build("lenet", lenet(), cache=tmp_path)
    again = wtsnet.build("lenet", lenet(), cache=tmp_path)
    assert len(builds) == 1
    assert again.plan == first.plan
    assert again.manifest == first.manifest
    assert again.path is None
    np.testing.assert_array_equal(again.runner("reference")(data=X)["prob"], first.runner("reference")(data=X)["prob"])
    (tmp_path / "out").mkdir()
    again.save(tmp_path / "out/x.plan")
    np.testing.assert_array_equal(
        wtsnet.load(tmp_path / "out/x.plan").runner("reference")(data=X)["prob"],
        first.runner("reference")(data=X)["prob"],
    )


def test_the_same_weights_in_another_file(tmp_path: Path, builds: list[Any]) -> None:
    wtsnet.build("lenet", lenet_file(tmp_path), cache=tmp_path / "cache")
    (tmp_path / "b").mkdir()
    other = (tmp_path / "lenet.wts").rename(tmp_path / "b/other.wts")
    engine = wtsnet.build("lenet", other, cache=tmp_path / "cache")
    assert len(builds) == 1
    engine.save(tmp_path / "x.plan")
    assert wtsnet.load(tmp_path / "x.plan").manifest.weights["file"] == "b/other.wts"
    wtsnet.load(tmp_path / "x.plan").runner("reference")


@pytest.mark.parametrize(
    "change",
    [
        {"weights": lenet(seed=1)},
        {"batch": 2},
        {"precision": "fp16"},
        {"fold_bn": False},
        {"target": "sm89"},
        {"flags": "tf32"},
        {"level": 1},
        {"workspace": 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_makes_another_engine(change: dict[str, Any]) -> None:
    assert key_of() == key_of()
    assert key_of(**change) != key_of()


def key_of(model: str = "lenet", weights: Any = None, **options: Any) -> str:
    """The cache's key for the arguments of a build."""
    keys: list[str] = []

    def stop(*args: Any) -> Any:
        keys.append(cache.key(*args))
        raise StopIteration

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "key", stop)
        with pytest.raises(StopIteration):
            wtsnet.build(model, weights if weights is not None else lenet(), cache="unused", **options)
    return keys[0]


def test_facts_of_the_manifest_make_another_engine(tmp_path: Path) -> None:
    keys = set()
    for eps in (1e-3, 1e-5):
        keys.add(key_of("yolov5", yolo_file(tmp_path, eps)))
    for letter in ("x", "y"):
        text = (tmp_path / "yolo.wts.yaml").read_text()
        (tmp_path / "yolo.wts.yaml").write_text(text.replace("one", f"one{letter}"))
        keys.add(key_of("yolov5", tmp_path / "yolo.wts"))
    (tmp_path / "yolo.wts.yaml").unlink()
    keys.add(key_of("yolov5", tmp_path / "yolo.wts"))
    assert len(keys) == 5


def test_what_is_in_a_file_that_an_option_names_makes_another_engine(tmp_path: Path) -> None:
    cfg = tmp_path / "lists.yaml"
    keys = set()
    for text in ("nc: 1", "nc: 2"):
        cfg.write_text(text)
        keys |= {key_of("yolov5", yolo_file(tmp_path), cfg=str(cfg)) for _ in range(2)}
    assert len(keys) == 2


def test_tensorrt_and_gpu_make_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {key_of()}
    for name, capability in (("A", (8, 9)), ("B", (8, 9)), ("A", (8, 6))):
        found = Driver("13.0", "", (Gpu(0, name, capability, 1),))
        monkeypatch.setattr(cache, "driver", lambda found=found: found)
        keys.add(key_of())
    monkeypatch.setattr(tensorrt, "version", lambda: "1.4.0.1")
    keys.add(key_of())
    assert len(keys) == 5


def test_the_source_of_a_model_and_of_what_it_uses_make_another_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    helper = tmp_path / "helper_of_the_test.py"
    helper.write_text("from wtsnet.ops import relu\n\ndef act(x):\n    return relu(x)\n")
    source = "from helper_of_the_test import act\n" + TINY.replace("relu(x", "act(x")
    name = tiny_file(tmp_path, source)
    keys = [key_of(name, tiny())]
    helper.write_text(helper.read_text() + "# changed\n")
    keys.append(key_of(name, tiny()))
    tiny_file(tmp_path, source + "# changed\n")
    keys.append(key_of(name, tiny()))
    assert len(set(keys)) == 3
    assert key_of(name, tiny()) == keys[2]


def test_wtsnets_own_source_makes_another_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = importlib.import_module("wtsnet.models")
    before = key_of()
    (tmp_path / "x.py").write_text("")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    assert key_of() != before


def test_a_model_without_a_file_can_not_be_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MODELS", dict(registry.models()))
    scope: dict[str, Any] = {"__name__": "notebook"}
    monkeypatch.setitem(sys.modules, "notebook", type(sys)("notebook"))
    exec(TINY, scope)
    wtsnet.build("tiny", tiny())
    with pytest.raises(EngineError, match="cache: tiny is defined in no file"):
        wtsnet.build("tiny", tiny(), cache=tmp_path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: _cut(entry / "engine.plan"),
        lambda entry: (entry / "engine.plan").unlink(),
        lambda entry: (entry / "engine.plan.yaml").unlink(),
        lambda entry: (entry / "engine.plan.yaml").write_text("kind: plan\n"),
        lambda entry: [file.unlink() for file in entry.iterdir()],
    ],
)
def test_a_damaged_entry_is_built_again(tmp_path: Path, builds: list[Any], damage: Callable[[Path], Any]) -> None:
    wtsnet.build("lenet", lenet(), cache=tmp_path)
    (entry,) = tmp_path.iterdir()
    damage(entry)
    wtsnet.build("lenet", lenet(), cache=tmp_path)
    assert len(builds) == 2
    wtsnet.build("lenet", lenet(), cache=tmp_path)
    assert len(builds) == 2
    assert list(tmp_path.iterdir()) == [entry]


def test_a_cache_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"file: can't be used as a cache \(File exists\)"):
        wtsnet.build("lenet", lenet(), cache=tmp_path / "file")


def test_a_failed_build_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    name = tiny_file(tmp_path, NON_ZERO)
    with pytest.raises(WtsnetError):
        wtsnet.build(name, {}, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_another_process_is_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_now = builder._build
    theirs: list[int] = []

    def build_twice(*args: Any) -> Any:
        monkeypatch.setattr(builder, "_build", build_now)
        wtsnet.build("lenet", lenet(), cache=tmp_path)
        theirs.extend(entry.stat().st_ino for entry in tmp_path.iterdir())
        return build_now(*args)

    monkeypatch.setattr(builder, "_build", build_twice)
    engine = wtsnet.build("lenet", lenet(), cache=tmp_path)
    engine.runner("reference")(data=X)
    (entry,) = tmp_path.iterdir()
    assert entry.stat().st_ino == theirs[0]


def test_two_processes_at_once(tmp_path: Path) -> None:
    weights = lenet_file(tmp_path)
    code = f"""
import hashlib, wtsnet
for i in range(3):
    engine = wtsnet.build("lenet", {str(weights)!r}, cache={str(tmp_path / "cache")!r}, level=i)
    assert hashlib.sha256(engine.plan).hexdigest() == engine.manifest.plan["sha256"]
print("done")
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate() for process in processes] == [("done\n", "")] * 2
    entries = list((tmp_path / "cache").iterdir())
    assert len(entries) == 3
    for entry in entries:
        wtsnet.load(entry / "engine.plan")


def test_no_gpu_is_needed() -> None:
    if device.driver().gpus:
        pytest.skip("there is a GPU here")
    assert wtsnet.build("lenet", lenet()).manifest.gpu is None


def test_an_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    conv(tmp_path / "x.onnx", ("n", 3, "h", "w"))
    phases = []
    engine = wtsnet.build(
        "x.onnx", batch=(1, 2, 4), imgsz=8, target="sm89", progress=lambda *step: phases.append(step[0])
    )
    manifest = engine.manifest
    assert (manifest.model, manifest.target) == (str(tmp_path / "x.onnx"), ["sm89"])
    assert manifest.options == {"batch": [1, 2, 4], "imgsz": 8}
    assert (manifest.preprocess, manifest.decode, manifest.names) == ({}, {"task": "none"}, [])
    assert manifest.inputs[0]["max"] == [4, 3, 8, 8]
    assert len(phases) > 2


def test_sizes_of_an_onnx_file_are_its_engines(tmp_path: Path) -> None:
    """TensorRT gets the profile: a plan for another range has another."""
    path = str(relu(tmp_path / "x.onnx"))
    with pytest.raises(ModelError, match="axis 0 is dynamic and was given no size; give --batch and --imgsz, or"):
        wtsnet.build(path)
    plans = {wtsnet.build(path, shapes={"x": [(1, 3, 4, 4), (1, 3, 4, 4), (n, 3, 4, 4)]}).plan for n in (2, 1000)}
    assert len(plans) == 2


def test_an_input_whose_values_are_a_shape(tmp_path: Path) -> None:
    """No profile of values is made for it."""
    node = helper.make_node("Expand", ["x", "size"], ["y"])
    path = write(tmp_path / "x.onnx", [node], {"x": (1, 3), "size": (2,)}, dtype="INT64")
    with pytest.raises(
        EngineError, match=rf"^{path}: TensorRT can't build it: .*missing values for shape input .*size"
    ):
        wtsnet.build(str(path))


def test_an_onnx_file_is_cached_by_its_content(tmp_path: Path, builds: list[Any]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        conv(tmp_path / name / "x.onnx", external="x.data")
    first = wtsnet.build(str(tmp_path / "a/x.onnx"), cache=tmp_path / "cache")
    again = wtsnet.build(str(tmp_path / "b/x.onnx"), cache=tmp_path / "cache")
    assert (len(builds), again.plan) == (1, first.plan)
    assert again.manifest.model == again.manifest.weights["file"] == str(tmp_path / "b/x.onnx")
    x = np.ones((1, 3, 8, 8), np.float32)
    before = again.runner("reference")(x=x)["y"]
    (tmp_path / "b/x.data").write_bytes((2 * KERNEL).tobytes())
    changed = wtsnet.build(str(tmp_path / "b/x.onnx"), cache=tmp_path / "cache")
    assert len(builds) == 2
    np.testing.assert_allclose(changed.runner("reference")(x=x)["y"], 2 * before, rtol=1e-5)
    wtsnet.build(str(tmp_path / "a/x.onnx"), batch=1, cache=tmp_path / "cache")
    assert len(builds) == 3  # other options
