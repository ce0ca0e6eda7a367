"""wtsnet/runtime/__init__.py: what runners take, and which one is made."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest
import torch

import wtsnet
from tests.small import lenet
from wtsnet.errors import RunnerError, WtsnetWarning
from wtsnet.manifest.manifest import Input
from wtsnet.runtime import choosing as runtime
from wtsnet.runtime.inputs import Inputs
from wtsnet.trt.device import Driver, Gpu
from wtsnet.trt.dtypes import numpy_dtype


def spec(name: str = "x", dtype: str = "float32", low: list[int] | None = None, high: list[int] | None = None) -> Input:
    low, high = low or [2, 3], high or low or [2, 3]
    shape = [a if a == b else -1 for a, b in zip(low, high, strict=True)]
    return {"name": name, "dtype": dtype, "shape": shape, "min": low, "opt": low, "max": high}


def check(value: Any, dtype: str = "float32", **sizes: Any) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = Inputs([spec(dtype=dtype, **sizes)], {}).checked({"x": value})["x"]
    return array


SIX = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "value",
    [
        SIX,
        SIX.astype(np.float64),
        SIX.astype(np.float16),
        SIX.astype(np.uint8),
        SIX.astype(np.int64),
        SIX.tolist(),
        torch.from_numpy(SIX),
        torch.from_numpy(SIX).bfloat16(),
        torch.from_numpy(SIX).requires_grad_(),
        np.asfortranarray(SIX),
        SIX.repeat(2, axis=1)[:, ::2],
        SIX.astype(">f4"),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_what_becomes_float32(value: Any) -> None:
    array = check(value)
    np.testing.assert_array_equal(array, SIX)
    assert array.dtype == np.float32
    assert array.dtype.isnative
    assert array.flags.c_contiguous


def test_an_array_that_fits_is_not_copied() -> None:
    assert check(SIX) is SIX


def test_integers_to_integers_that_hold_them() -> None:
    np.testing.assert_array_equal(check(SIX.astype(np.int64), "int32"), SIX)
    np.testing.assert_array_equal(check(SIX.astype(np.int32), "uint8"), SIX)
    np.testing.assert_array_equal(check(SIX > 2, "int32"), SIX > 2)
    for value, dtype in ((2**31, "int32"), (-1, "uint8"), (256, "uint8")):
        with pytest.raises(RunnerError, match=f"^input 'x': found int64, which {dtype} can't hold$"):
            check(np.full((2, 3), value), dtype)


@pytest.mark.parametrize(
    ("value", "dtype"), [(SIX, "int32"), (SIX, "bool"), (SIX.astype(int), "bool"), (SIX.astype(complex), "float32")]
)
def test_casts_that_lose_a_kind(value: Any, dtype: str) -> None:
    with pytest.raises(RunnerError, match=f"input 'x': found {value.dtype}, which {dtype} can't hold"):
        check(value, dtype)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((3, 2)), r"found shape \(3, 2\), expected \(2, 3\)"),
        (np.zeros(6), r"found shape \(6,\), expected \(2, 3\)"),
        (0.0, r"found shape \(\), expected \(2, 3\)"),
        ([[1, 2, 3], [4]], r".*inhomogeneous.*; expected float32 \(2, 3\)"),
        (None, r"found shape \(\), expected"),
        (np.array([["a", "b", "c"]] * 2), "found <U1, which float32 can't hold"),
        (np.full((2, 3), None), "found object, which float32 can't hold"),
        (torch.ones(2, 3).to_sparse(), r".*; expected float32 \(2, 3\)"),
    ],
)
def test_values_that_do_not_fit(value: Any, message: str) -> None:
    with pytest.raises(RunnerError, match=f"^input 'x': {message}") as caught:
        check(value)
    assert "\n" not in str(caught.value)


def test_the_profile_bounds_dynamic_sizes() -> None:
    for batch in (1, 2, 4):
        assert check(np.zeros((batch, 3)), low=[1, 3], high=[4, 3]).shape == (batch, 3)
    for shape in ((0, 3), (2, 4), (2, 3, 1)):
        with pytest.raises(RunnerError, match=rf"found shape {re.escape(str(shape))}, expected \(1\.\.4, 3\)"):
            check(np.zeros(shape), low=[1, 3], high=[4, 3])
    assert check(np.zeros((5, 3)), low=[1, 3], high=[4, 3]).shape == (5, 3), "it can be cut"


def test_names() -> None:
    inputs = Inputs([spec("images"), spec("scale", "int32", [1], [4])], {})
    takes = r"\(the engine takes images float32 \(2, 3\), scale int32 \(1\.\.4\)\)"
    with pytest.raises(RunnerError, match=rf"^input 'image': unknown; did you mean 'images'\? {takes}$"):
        inputs.checked({"image": SIX})
    with pytest.raises(RunnerError, match=rf"^input 'scale': missing {takes}$"):
        inputs.checked({"images": SIX})
    with pytest.raises(RunnerError, match=r"^inputs: found ndarray, expected a mapping by name \(images float32"):
        inputs.checked(SIX)  # type: ignore[arg-type]  # as someone would
    made = inputs.checked({"scale": [1, 2], "images": SIX})
    assert list(made) == ["images", "scale"]


def test_a_scalar_stays_one() -> None:
    scalar = Inputs([{"name": "x", "dtype": "float32", "shape": [], "min": [], "opt": [], "max": []}], {})
    assert scalar.checked({"x": 2})["x"].shape == ()


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn"])
def test_dtypes_of_ml_dtypes(dtype: str) -> None:
    for value in (SIX, SIX.astype(numpy_dtype(dtype)), torch.from_numpy(SIX).to(getattr(torch, dtype))):
        made = check(value, dtype)
        assert made.dtype == numpy_dtype(dtype)
        np.testing.assert_array_equal(made.astype(np.float32), SIX)
    assert check(SIX.astype(numpy_dtype(dtype))).dtype == np.float32
    with pytest.raises(RunnerError, match=f"found {dtype}, which int32 can't hold"):
        check(SIX.astype(numpy_dtype(dtype)), "int32")


@pytest.fixture(scope="module")
def engine() -> wtsnet.Engine:
    return wtsnet.build("lenet", lenet(), batch=(1, 1, 2))


def with_gpu(monkeypatch: pytest.MonkeyPatch, *capability: int) -> None:
    gpus = (Gpu(0, "Some GPU", (capability[0], capability[1]), 1),) if capability else ()
    monkeypatch.setattr(runtime, "driver", lambda: Driver("13.0", "" if gpus else "no CUDA device", gpus))


def test_auto_explains_itself(engine: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    with pytest.warns(WtsnetWarning):
        runner = engine.runner()
    assert (runner.kind, runner.reason) == ("reference", "reference on cpu: no CUDA device")
    assert engine.runner("reference").reason == "reference on cpu: asked for"
    with_gpu(monkeypatch, 9, 0)
    assert engine.runner("auto", device="cpu").reason == (
        "reference on cpu: the plan is for sm80, sm86, sm87, sm89, sm120, sm121; Some GPU is sm90"
    )
    with_gpu(monkeypatch, 8, 9)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    assert "pycuda can't be imported" in engine.runner("auto", device="cpu").reason


def test_tensorrt_without_a_gpu_is_one_clear_line(engine: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    with pytest.raises(RunnerError) as caught:
        engine.runner("tensorrt")
    assert str(caught.value) == (
        "the plan can't run here: no CUDA device; runner('reference') executes the network with torch "
        "(to run the plan, see that nvidia-smi lists a GPU and that CUDA_VISIBLE_DEVICES does not hide it)"
    )


def test_kinds_and_options_that_are_none(engine: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    with pytest.raises(RunnerError, match="runner: found 'trt', expected one of auto, tensorrt, reference"):
        engine.runner("trt")
    with pytest.raises(RunnerError, match=r"unknown option 'devise'; did you mean 'device'\? \(the reference runner"):
        engine.runner("reference", devise="cpu")
    with pytest.raises(RunnerError, match=r"unknown option 'graph' \(the reference runner takes device\)"):
        engine.runner("reference", graph=True)
    with pytest.raises(RunnerError, match=r"unknown option 'grap'; did you mean 'graph'\? \(the tensorrt"):
        engine.runner(grap=True)
    for device in ("tpu", "cuda:99", "cuda"):
        with pytest.raises(RunnerError, match=f"device: found '{device}', expected cpu or a cuda device"):
            engine.runner("reference", device=device)


def test_no_torch_is_one_clear_line(engine: wtsnet.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    monkeypatch.delitem(sys.modules, "wtsnet.reference", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RunnerError, match=r"the reference runner needs torch \(.*\); pip install torch"):
        engine.runner()


def test_the_reference_runner_keeps_to_the_profile(engine: wtsnet.Engine) -> None:
    with engine.runner("reference") as runner:
        assert runner(data=np.zeros((2, 1, 32, 32)))["prob"].shape == (2, 10)
        with pytest.raises(RunnerError, match=r"expected \(1\.\.2, 1, 32, 32\)"):
            runner(data=np.zeros((2, 1, 32, 33)))
        result = runner(data=np.zeros((1, 1, 32, 32)))
        assert {name: array.dtype.name for name, array in result.items()} == {"prob": "float32"}
    with pytest.raises(RunnerError, match="closed"):
        runner(data=np.zeros((1, 1, 32, 32)))


def test_two_runners_of_one_engine(engine: wtsnet.Engine) -> None:
    a, b = engine.runner("reference"), engine.runner("reference")
    a.close()
    assert b(data=np.zeros((1, 1, 32, 32)))["prob"].shape == (1, 10)


def test_the_reference_runner_is_used_as_the_other(engine: wtsnet.Engine) -> None:
    images = np.random.default_rng(0).random((5, 1, 32, 32), np.float32)
    with engine.runner("reference", device="cpu") as runner:
        one_by_one = np.concatenate([runner(data=image[None])["prob"] for image in images])
        whole = runner(data=images)["prob"]
        np.testing.assert_allclose(whole, one_by_one, rtol=1e-5)
        np.testing.assert_array_equal(runner.submit(data=images).result()["prob"], whole)
        outputs = list(runner.stream({"data": image[None]} for image in images))
        np.testing.assert_array_equal(np.concatenate([output["prob"] for output in outputs]), one_by_one)
        frame = runner.empty("data", (2, 1, 32, 32))
        assert (frame.shape, frame.dtype) == ((2, 1, 32, 32), np.dtype(np.float32))
        with pytest.raises(RunnerError, match="input 'date': unknown; did you mean 'data'"):
            runner.empty("date", (1,))
        stats = runner.stats()
        assert stats.compute.count == stats.total.count == 16, "5 alone, twice 5 in 3 pieces, 5 streamed"
        assert stats.total.seconds >= stats.compute.seconds > 0
    with pytest.raises(RunnerError, match="closed"):
        runner.submit(data=images)


TIED = {"left": ["N", ""], "tokens": ["N", "T"], "mask": ["T", "N"]}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"left": (3, 8), "tokens": (3, 5), "mask": (5, 3)}, None),
        ({"left": (3, 8), "tokens": (2, 5), "mask": (5, 3)}, r"^input 'tokens': found N = 2, but 'left' has N = 3$"),
        ({"left": (3, 8), "tokens": (1, 5), "mask": (5, 3)}, r"^input 'tokens': found N = 1, but 'left' has N = 3$"),
        ({"left": (3, 8), "tokens": (3, 5), "mask": (6, 3)}, r"^input 'mask': found T = 6, but 'tokens' has T = 5$"),
        ({"left": (9, 8), "tokens": (8, 5), "mask": (5, 8)}, r"^input 'tokens': found N = 8, but 'left' has N = 9$"),
        (
            {"left": (9, 8), "tokens": (9, 5), "mask": (5, 9)},
            r"^input 'mask': found shape \(5, 9\), expected \(1\.\.8, 1\.\.8\)$",
        ),
    ],
)
def test_axes_of_one_name_have_one_size(shapes: dict[str, tuple[int, ...]], message: str | None) -> None:
    specs = [spec("left", "float32", [1, 8], [8, 8]), spec("tokens", "float32", [1, 1], [8, 8])]
    engine = Inputs([*specs, spec("mask", "float32", [1, 1], [8, 8])], {"y": (-1,)}, TIED)
    given = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    if message is None:
        assert engine.checked(given).keys() == given.keys()
        return
    with pytest.raises(RunnerError, match=message):
        engine.checked(given)


def test_what_is_cut_goes_by_the_names_of_axes() -> None:
    specs = [spec("x", "float32", [1, 3], [4, 3]), spec("table", "float32", [1], [16])]
    given = {"x": np.zeros((8, 3), np.float32), "table": np.zeros(8, np.float32)}
    named: list[tuple[dict[str, list[str]], list[int]]] = [
        ({}, [4, 4]),
        ({"x": ["N", ""], "table": ["K"]}, [8, 8]),
        ({"x": ["N", ""]}, [4, 4]),
    ]
    for axes, cut in named:
        engine = Inputs(specs, {"y": (-1,)}, axes)
        pieces, sizes = engine.pieces(engine.checked(given))
        assert (sizes, [len(piece["table"]) for piece in pieces]) == ([4, 4], cut)
    specs = [spec("x", "float32", [1, 3], [4, 3]), spec("state", "float32", [1, 1], [1, 16])]
    engine = Inputs(specs, {"y": (-1,)}, {"x": ["N", ""], "state": ["", "N"]})
    given = {"x": np.zeros((8, 3), np.float32), "state": np.zeros((1, 8), np.float32)}
    with pytest.raises(RunnerError, match=r"^input 'x': found N = 8, expected at most 4: N is no first axis of"):
        engine.pieces(engine.checked(given))
