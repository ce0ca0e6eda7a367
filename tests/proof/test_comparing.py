"""wtsnet/proof/comparing.py, sides.py and inputs.py: two networks on the same inputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper
from PIL import Image

import wtsnet
from tests.proof.several import write as write_several
from tests.small import lenet, lenet_file, tiny, tiny_file
from tests.small_onnx import KERNEL, conv, export, relu, two_inputs, write
from tests.upstream import upstream
from tools.yolov5_torch import DetectionModel, layout
from wtsnet.errors import RunnerError, VerifyError, WtsnetError
from wtsnet.manifest.manifest import Input
from wtsnet.pictures.resizing import letterbox
from wtsnet.proof.comparing import Comparison, Difference, compare
from wtsnet.proof.inputs import given_inputs, random_inputs, read_inputs, sample_inputs
from wtsnet.proof.sides import split


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one ResNet-18 by both routes: r.wts, r.onnx with dynamic axes, fixed.onnx for 2×3×64×96."""
    folder = tmp_path_factory.mktemp("resnet")
    module, x = upstream("resnet18")
    assert x.shape == (2, 3, 64, 96)
    wtsnet.write_wts(folder / "r.wts", {key: value.numpy() for key, value in module.state_dict().items()})
    export(module, x, folder / "fixed.onnx", input_names=["x"], output_names=["logits"])
    axes = {"images": {0: "n", 2: "h", 3: "w"}}
    export(module, x, folder / "r.onnx", input_names=["images"], output_names=["logits"], dynamic_axes=axes)
    return folder


@pytest.mark.parametrize("file", ["r.onnx", "fixed.onnx"])
def test_both_routes_of_a_resnet(resnet: Path, file: str) -> None:
    report = compare(f"resnet18:{resnet / 'r.wts'}", resnet / file, batch=2, imgsz=(64, 96))
    (row,) = report.rows
    assert (row.name, row.shape, row.dtype, row.note) == ("logits", (2, 1000), "float32", "")
    assert 0 < row.error < 2e-6  # two networks, not one: batch norms are folded by another hand
    assert 0 < row.mean < row.error
    assert (report.tolerance, report.unmatched, report.first) == (1e-5, [], None)


def test_a_changed_weight_is_found(resnet: Path, tmp_path: Path) -> None:
    arrays = {key: np.array(values, np.float32) for key, values in wtsnet.read_wts(resnet / "r.wts").items()}
    arrays["layer2.0.conv1.weight"][1000] += 0.1
    wtsnet.write_wts(tmp_path / "r.wts", arrays)
    report = compare(f"resnet18:{tmp_path / 'r.wts'}", resnet / "fixed.onnx", batch=2, imgsz=(64, 96))
    assert report.first is report.rows[0]
    assert report.rows[0].error > 1e-4


def test_both_routes_of_a_detector(tmp_path: Path) -> None:
    """Upstream's module gives a map a level too, which the decoded network does not have."""
    torch.manual_seed(0)
    module = DetectionModel(layout(3, 0.33, 0.25)).half()
    torch.save({"model": module}, tmp_path / "y.pt")
    from wtsnet.checkpoint.exporting import export as export_wts

    export_wts(tmp_path / "y.pt", tmp_path / "y.wts")
    export(module.float().eval(), torch.zeros(1, 3, 64, 96), tmp_path / "y.onnx", output_names=["out"])
    options: dict[str, Any] = {"imgsz": (64, 96), "batch": 1}
    report = compare(f"yolov5:{tmp_path / 'y.wts'}", tmp_path / "y.onnx", head="decoded", **options)
    assert [row.name for row in report.rows] == ["predictions = out"]
    assert report.rows[0].error < 1e-5
    raw = compare(f"yolov5:{tmp_path / 'y.wts'}", tmp_path / "y.onnx", head="decoded", tolerance=0, **options)
    assert raw.first is raw.rows[0]


def test_plans_engines_and_networks(tmp_path: Path) -> None:
    module, x = upstream("lenet")
    weights = {key: value.numpy() for key, value in module.state_dict().items()}
    onnx = export(module, x[:1], tmp_path / "l.onnx", input_names=["data"], output_names=["prob"])
    engine = wtsnet.build("lenet", weights)
    engine.save(tmp_path / "l.plan")
    wtsnet.build(str(onnx)).save(tmp_path / "o.plan")
    network = wtsnet.define("lenet", weights)
    for one in (engine, network, tmp_path / "l.plan"):
        for other in (onnx, tmp_path / "o.plan"):
            assert compare(one, other).rows[0].error < 1e-6
    assert compare(engine, wtsnet.build("lenet", lenet())).first is not None
    assert compare(tmp_path / "l.plan", network, runner="auto", device="cpu").rows[0].error == 0


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    wtsnet.write_wts(tmp_path / "tiny.wts", tiny())
    name = f"{tiny_file(tmp_path)}:{tmp_path / 'tiny.wts'}"
    assert compare(name, name, imgsz=6).rows[0].shape == (1, 4, 1, 1)
    assert compare(name, name, precision="fp16").tolerance == 1e-2


@pytest.mark.parametrize(
    ("text", "model", "weights"),
    [
        ("yolov5s:y.wts", "yolov5s", "y.wts"),
        ("mine.py:tiny:a/tiny.wts", "mine.py:tiny", "a/tiny.wts"),
        ("a:b/mine.py:tiny:c:d.wts", "a:b/mine.py:tiny", "c:d.wts"),
        ("resnet18:C:\\r.wts", "resnet18", "C:\\r.wts"),
        ("C:\\mine.py:tiny:C:\\t.wts", "C:\\mine.py:tiny", "C:\\t.wts"),
        ("mine.py:tiny:my.py:t.wts", "mine.py:tiny", "my.py:t.wts"),
        ("mine.py:tiny.wts", "mine.py", "tiny.wts"),
        ("a:b/mine.py:c/tiny.wts", "a:b/mine.py", "c/tiny.wts"),
        ("C:\\mine.py:C:\\t.wts", "C:\\mine.py", "C:\\t.wts"),
        ("mine.py:C:/t.wts", "mine.py:C", "/t.wts"),
        ("lenet", "lenet", ""),
        ("mine.py", "mine.py", ""),
        ("mine.py:tiny", "mine.py:tiny", ""),
    ],
)
def test_spellings_of_a_model(text: str, model: str, weights: str) -> None:
    assert split(text) == (model, weights)


def test_the_tolerance_is_that_of_the_less_precise(tmp_path: Path) -> None:
    shape = (1, 3, 4, 4)
    single = relu(tmp_path / "a.onnx", shape)
    half = relu(tmp_path / "b.onnx", shape, "FLOAT16")
    report = compare(half, single)
    assert report.tolerance == compare(single, half).tolerance == 1e-2
    assert report.rows == [Difference("y", shape, "float16, float32", 0, 0)]  # the inputs are what both can hold
    wtsnet.build(str(half)).save(tmp_path / "b.plan")
    assert compare(single, tmp_path / "b.plan").tolerance == 1e-2
    assert compare(half, single, tolerance=0.5).tolerance == 0.5


@pytest.mark.parametrize(
    "dtype", ["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "UINT8", "INT32", "INT64", "BOOL", "FLOAT8E4M3FN"]
)
def test_every_dtype(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "x.onnx", [helper.make_node("Identity", ["x"], ["y"])], {"x": (2, 3)}, dtype=dtype)
    assert compare(path, path).rows[0].error == 0


def test_outputs_by_name_then_by_order(tmp_path: Path) -> None:
    """`a` by its name; then the first of the same shape; what is left is said."""

    def model(name: str, outputs: dict[str, tuple[str, str]]) -> Path:
        nodes = [helper.make_node(op, [x], [y]) for y, (op, x) in outputs.items()]
        return write(tmp_path / name, nodes, {"x": (1, 4), "z": (2, 3)}, list(outputs))

    one = model("1.onnx", {"b": ("Relu", "x"), "c": ("Relu", "z"), "a": ("Exp", "x"), "lonely": ("Tanh", "z")})
    two = model("2.onnx", {"a": ("Exp", "x"), "q": ("Relu", "z"), "p": ("Relu", "x"), "more": ("Tanh", "x")})
    report = compare(one, two)
    assert [row.name for row in report.rows] == ["b = p", "c = q", "a"]
    assert all(row.error == 0 for row in report.rows)
    assert report.unmatched == [f"lonely (2, 3) of {one}", f"more (1, 4) of {two}"]


def test_a_shape_that_differs(tmp_path: Path) -> None:
    report = compare(conv(tmp_path / "a.onnx"), conv(tmp_path / "b.onnx", kernel=KERNEL[:2]))
    assert report.first == Difference(
        "y", (1, 4, 6, 6), "float32", np.inf, np.inf, "found shape (1, 4, 6, 6), expected (1, 2, 6, 6)"
    )


def test_the_error_is_relative_to_the_second(tmp_path: Path) -> None:
    x = np.array([[1, -2, 4]], np.float32)
    paths = []
    for factor in (1, 2):
        node = helper.make_node("Mul", ["x", "w"], ["y"])
        weights = {"w": np.array([factor, factor, 1], np.float32)}
        paths.append(write(tmp_path / f"{factor}.onnx", [node], {"x": (1, 3)}, weights=weights))
    row = compare(paths[0], paths[1], inputs={"x": x}).rows[0]
    assert (row.error, row.mean) == (2 / 4, 1 / 4)
    assert Comparison(0.5, [row]).first is None
    zero = compare(paths[0], paths[1], inputs={"x": 0 * x}).rows[0]
    assert (zero.error, zero.mean) == (0, 0)
    infinite = compare(paths[0], paths[1], inputs={"x": x + np.float32(3e38)}).rows[0]
    assert (infinite.error, infinite.mean) == (np.inf, np.inf)


def spec(name: str, dtype: str, shape: tuple[int, ...], most: tuple[int, ...] | None = None) -> Input:
    low = list(shape)
    high = list(most or shape)
    return {"name": name, "dtype": dtype, "shape": low, "min": low, "opt": low, "max": high}


def test_random_inputs() -> None:
    picture, vector, ids = (1, 3, 50, 50), (200, 50), (40, 40)
    pairs = [
        (spec("a", "float32", picture), spec("x", "float32", picture)),
        (spec("b", "float32", vector), spec("y", "float16", vector)),
        (spec("c", "int64", ids), spec("z", "int32", ids)),
        (spec("d", "float32", ids), spec("w", "uint8", ids)),
        (spec("e", "bool", ids), spec("v", "bool", ids)),
        (spec("f", "bfloat16", ids), spec("u", "float32", ids)),
    ]
    made = random_inputs(pairs, 3)
    for (a, b), (x, y) in zip(pairs, made, strict=True):
        assert (x.dtype.name, y.dtype.name) == (a["dtype"], b["dtype"])
        assert list(x.shape) == a["opt"]
        np.testing.assert_array_equal(x.astype(np.float64), y.astype(np.float64))
    assert 0 <= made[0][0].min() < 0.01
    assert 0.99 < made[0][0].max() < 1
    assert made[1][0].min() < -2
    assert abs(made[1][0].std() - 1) < 0.05
    assert set(made[2][0].flat) == {0, 1}
    assert set(made[3][1].flat) >= {0, 255}
    assert set(made[4][0].flat) == {False, True}
    again, other = random_inputs(pairs, 3), random_inputs(pairs, 4)
    assert all(np.array_equal(x[0], y[0]) for x, y in zip(made, again, strict=True))
    assert not np.array_equal(made[0][0], other[0][0])


def test_sampled_inputs() -> None:
    shapes = [
        ((50, 3), "float32"),
        ((), "float32"),
        *(((40, 40), name) for name in ("bool", "int32", "int64", "uint8")),
    ]
    made = sample_inputs(shapes, 7)
    assert [(array.shape, array.dtype.name) for array in made] == shapes
    np.testing.assert_array_equal(made[0], np.random.default_rng(7).random((50, 3), dtype=np.float32))
    assert [set(array.flat) for array in made[2:5]] == [{0, 1}] * 3
    assert set(made[5].flat) >= {0, 255}
    assert not np.array_equal(sample_inputs(shapes, 8)[0], made[0])
    for dtype in ("float16", "int4", "text"):
        with pytest.raises(VerifyError, match=f"^dtype: found '{dtype}', expected float32 or one of bool, int8, "):
            sample_inputs([((1,), dtype)], 0)


def test_the_shape_is_one_that_both_take() -> None:
    ranged, fixed = spec("a", "float32", (1, 2), (8, 2)), spec("b", "float32", (4, 2))
    for pair in ((ranged, fixed), (fixed, ranged)):
        assert random_inputs([pair], 0)[0][0].shape == (4, 2)
    with pytest.raises(
        VerifyError, match=r"^no shape fits both networks: they take b 4×2 to 4×2 and c 4×3 to 4×3; see"
    ):
        random_inputs([(fixed, spec("c", "float32", (4, 3)))], 0)


def test_shapes_of_two_files(tmp_path: Path) -> None:
    """Each takes those of its own inputs."""
    one = relu(tmp_path / "1.onnx", ("n", "m"))
    two = write(tmp_path / "2.onnx", [helper.make_node("Relu", ["ids"], ["y"])], {"ids": ("n", 4)})
    report = compare(one, two, shapes={"x": (2, 4), "ids": ((1, 4), (2, 4), (3, 4))})
    assert (report.rows[0].shape, report.rows[0].error) == ((2, 4), 0)


def test_shapes_of_models(resnet: Path, tmp_path: Path) -> None:
    """Of a model as of a file, alone and with another, each those of its own inputs."""
    file, wts = write_several(tmp_path), tmp_path / "several.wts"
    name = f"{file}:{wts}"  # the only model of the file
    shapes: dict[str, Any] = {"tokens": (1, 4), "left": (1, 3, 6, 5)}
    ranged: dict[str, Any] = {**shapes, "tokens": ((1, 1), (1, 4), (1, 8))}
    network = wtsnet.define(f"{file}:matcher", wts, shapes=shapes)
    for other in (name, f"{file}:matcher:{wts}", network):
        for wanted in (shapes, ranged):
            report = compare(name, other, shapes=wanted)
            assert [(row.name, row.shape, row.error) for row in report.rows] == [
                ("picture", (1, 4), 0), ("count", (1,), 0), ("text", (1, 4), 0)
            ]  # fmt: skip
    both = {"input": (2, 3, 64, 96), "images": (2, 3, 64, 96)}
    assert 0 < compare(f"resnet18:{resnet / 'r.wts'}", resnet / "r.onnx", shapes=both).rows[0].error < 2e-6
    with pytest.raises(VerifyError, match=r"^shape: unknown input 'tokns'; did you mean 'tokens'\? "):
        compare(name, name, shapes={**shapes, "tokns": (1, 4)})


def test_inputs_by_the_names_of_either(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sub", ["p", "bias"], ["total"])]
    one = two_inputs(tmp_path / "1.onnx")
    two = write(tmp_path / "2.onnx", nodes, {"p": ("n", 3, "h", "w"), "bias": (1, 1, 1, "k")}, ["total"])
    options: dict[str, Any] = {"batch": 2, "imgsz": (4, 5), "shapes": {"bias": (1, 1, 1, 5)}}
    given = {"p": np.ones((2, 3, 4, 5)), "bias": np.full((1, 1, 1, 5), 0.5)}
    assert compare(one, two, inputs=given, **options).rows[0].error == 2  # 1.5 and 0.5
    np.savez(tmp_path / "given.npz", p=given["p"], bias=given["bias"])
    report = compare(one, two, inputs=tmp_path / "given.npz", **options)
    assert report.rows[0].error == 2
    assert report.unmatched == [f"product (2, 3, 4, 5) of {one}"]
    for changed, message in (
        ({"p": given["p"]}, "input bias: not given (given are p)"),
        (
            {**given, "bais": 1},
            "input bais: given, but unknown; did you mean 'bias'? (the networks take images, p, bias)",
        ),
    ):
        with pytest.raises(VerifyError, match=f"^{re.escape(message)}$"):
            compare(one, two, inputs=changed, **options)
    with pytest.raises(RunnerError, match=r"input 'images': got float64\[2, 3, 4, 4\], expected"):
        compare(one, two, inputs={**given, "p": np.ones((2, 3, 4, 4))}, **options)


def test_a_picture_for_networks_that_take_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    pair = (spec("images", "uint8", (2, 64, 96, 3)),) * 2
    preprocess = {"kind": "letterbox", "size": [32, 32], "dtype": "uint8"}
    ((x, _),) = given_inputs([pair], tmp_path / "x.png", preprocess)
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(x, np.stack([letterbox(noise, (64, 96))[0]] * 2))


def test_a_picture(resnet: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (70, 110, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    name, onnx = f"resnet18:{resnet / 'r.wts'}", resnet / "r.onnx"
    options: dict[str, Any] = {"batch": 2, "imgsz": (64, 96)}
    for a, b in ((name, onnx), (onnx, name)):  # the .wts build says how, whichever it is
        assert 0 < compare(a, b, inputs=tmp_path / "x.png", **options).rows[0].error < 2e-6
    with pytest.raises(VerifyError, match=r"x.png: neither network says how a picture becomes its input; give an .npz"):
        compare(onnx, resnet / "fixed.onnx", inputs=tmp_path / "x.png", **options)
    pair = (spec("a", "float32", (2, 3, 8, 8)),) * 2
    preprocess = {"kind": "crop", "size": [4, 4], "resize": 8}
    ((x, y),) = given_inputs([pair], tmp_path / "x.png", preprocess)
    assert x is y
    assert x.shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(x[0], x[1])


def test_files_of_inputs_that_can_not_be_read(tmp_path: Path) -> None:
    path = relu(tmp_path / "x.onnx", (1, 2))
    for content in (b"", b"PK\x03\x04 cut", b"text"):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(VerifyError, match=rf"^{tmp_path}/x.npz: can't be read as an .npz of inputs \("):
            compare(path, path, inputs=tmp_path / "x.npz")
    with open(tmp_path / "x.npz", "wb") as file:
        np.save(file, np.ones(2))
    with pytest.raises(
        VerifyError, match=r"can't be read as an .npz of inputs \(it holds a single array without a name"
    ):
        read_inputs(tmp_path / "x.npz")
    with pytest.raises(VerifyError, match=r"none.npz: can't be read as an .npz .*No such file"):
        compare(path, path, inputs=tmp_path / "none.npz")


def test_what_can_not_be_compared(tmp_path: Path) -> None:
    wts, one, two = lenet_file(tmp_path), relu(tmp_path / "1.onnx", (1, 2)), tmp_path / "2.onnx"
    write(two, [helper.make_node("Add", ["p", "q"], ["y"])], {"p": (1, 2), "q": (1, 2)})
    wtsnet.build("lenet", wts).save(tmp_path / "l.plan")
    plan = tmp_path / "l.plan"
    tiny_file(tmp_path)
    other = write(tmp_path / "3.onnx", [helper.make_node("ReduceSum", ["x"], ["s"])], {"x": (1, 2)}, ["s"])
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (wts, one, {}, f"{wts}: a .wts does not say which network it is of; expected MODEL:{wts}"),
        ("none.plan", one, {}, "none.plan: no such file; expected an .onnx file, a plan, or MODEL:FILE.wts"),
        ("lenet", one, {}, "lenet: no such file; expected an .onnx file"),
        ("lennet:x.wts", one, {}, "unknown model 'lennet'; did you mean 'lenet'?"),
        (one, tmp_path / "none.onnx", {}, f"{tmp_path}/none.onnx: can't be read (No such file"),
        (one, two, {}, f"input q of {two}: the other has no such input ({one} takes x and {two} takes p, q)"),
        (two, one, {}, f"input q of {two}: the other has no such input ({two} takes p, q and {one} takes x)"),
        (one, other, {}, f"no output to compare; there are y (1, 2) of {one}, s (1, 1) of {other}"),
        (one, two, {"precision": "fp32"}, f"precision: found 'fp32', which {one} and {two} do not take"),
        (plan, plan, {"batch": 1}, f"batch: found 1, which {plan} and {plan} do not take"),
        (plan, plan, {"shapes": {}}, f"shapes: found {{}}, which {plan} and {plan} do not take"),
        (f"lenet:{wts}", plan, {"shapes": {"dta": (1,)}}, "lenet: shape: unknown input 'dta'; did you mean 'data'?"),
        (f"lenet:{wts}", one, {"shapes": {"dta": (1,)}}, "shape: unknown input 'dta'; did you mean 'data'? (lenet:"),
        (
            tmp_path / "mine.py",
            one,
            {},
            f"{tmp_path}/mine.py: found no weights, expected {tmp_path}/mine.py:FILE.wts",
        ),
        (wtsnet.load(plan), two, {"imgsz": 8}, f"{two}: imgsz: found 8×8, but the inputs are p 1×2, q 1×2"),
        (wtsnet.define("lenet", wts), plan, {"imgsz": 8}, f"imgsz: found 8, which a Network and {plan} do not take"),
        (one, two, {"shapes": {"z": (1,)}}, f"shape: unknown input 'z' ({one} and {two} have x, p, q)"),
        (one, two, {"runner": "auto"}, f"runner: found 'auto', which is for plans; {one} and {two} are none"),
        (plan, one, {"runner": "fast"}, "input data of"),
        (plan, plan, {"runner": "fast"}, "runner: found 'fast', expected one of auto, tensorrt, reference"),
        (plan, plan, {"device": "tpu"}, "device: found 'tpu', expected cpu or a cuda device"),
        (one, one, {"batch": 3}, f"{one}: batch: found 3, but the inputs are x 1×2"),
    ]
    for a, b, options, message in cases:
        with pytest.raises(WtsnetError) as caught:
            compare(a, b, **options)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
