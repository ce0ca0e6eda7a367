"""wtsnet/definition/inputs.py and preprocessing.py: models that take more, or something else, than one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import wtsnet
from tests.small import lenet, tiny, tiny_file
from wtsnet import Image, Input, ReferenceRunner, Scope, Tensor
from wtsnet.definition import registry
from wtsnet.errors import ModelError, NetworkError
from wtsnet.ops import cat, embedding


@pytest.fixture(autouse=True)
def only_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.models()
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))


def matched(s: Scope, left: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """A picture's mean colour beside the mean of the embeddings that the mask lets through."""
    words = embedding(s / "words", tokens, 10, 5) * mask.unsqueeze(2)
    return cat((left.mean((2, 3)), words.sum(1)), 1)


INPUTS: Mapping[str, Input] = {
    "left": Input(("N", 3, 8, (4, 6, 8))),
    "tokens": Input(("N", "T"), torch.int64, sizes={"T": (1, 4, 16)}),  # type: ignore[arg-type]  # its name will do
    "mask": Input(("N", "T")),
}
WORDS = {"words.weight": np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)}


ANY: Any = 3


def fixed(*shape: int) -> Any:
    return (shape,) * 3


def registered(function: Callable[..., Any] = matched, inputs: Any = INPUTS, **more: Any) -> str:
    wtsnet.model("mine", inputs=inputs, **more)(function)
    return "mine"


@pytest.mark.parametrize(
    ("options", "tokens", "left"),
    [
        ({}, ((1, 1), (1, 4), (1, 16)), ((1, 3, 8, 4), (1, 3, 8, 6), (1, 3, 8, 8))),
        ({"batch": (1, 2, 4)}, ((1, 1), (2, 4), (4, 16)), ((1, 3, 8, 4), (2, 3, 8, 6), (4, 3, 8, 8))),
        ({"shapes": {"tokens": (2, 5)}}, fixed(2, 5), ((2, 3, 8, 4), (2, 3, 8, 6), (2, 3, 8, 8))),
        (
            {"shapes": {"mask": ((1, 8), (1, 128), (4, 512))}},
            ((1, 8), (1, 128), (4, 512)),
            ((1, 3, 8, 4), (1, 3, 8, 6), (4, 3, 8, 8)),
        ),
        ({"imgsz": 8}, ((1, 1), (1, 4), (1, 16)), fixed(1, 3, 8, 8)),
    ],
)
def test_sizes(options: dict[str, Any], tokens: Any, left: Any) -> None:
    """Axes of one name have one size, wherever it was given."""
    net = wtsnet.define(registered(), WORDS, **options)
    assert net.profile["mask"] == net.profile["tokens"]
    assert (net.profile["tokens"], net.profile["left"]) == (tokens, left)
    assert [spec["dtype"] for spec in net.inputs()] == ["float32", "int64", "float32"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"shapes": {"tokens": ((1, 8), (1, 128), (4, 512)), "left": (4, 3, 8, 7)}},
            r"^mine: input left N×3×8×4:6:8: axis 0 is 1:1:4 already; shape says 4$",
        ),
        (
            {"shapes": {"mask": (2, 5), "tokens": (2, 6)}},
            r"^mine: input tokens N×T: axis 1 is 5 already; shape says 6$",
        ),
        ({"shapes": {"left": (1, 4, 8, 8)}}, r"^mine: input left N×3×8×4:6:8: axis 1 is 3; shape says 4$"),
        ({"imgsz": (6, 8)}, r"^mine: input left N×3×8×4:6:8: axis 2 is 8; imgsz says 6$"),
        (
            {"batch": 2, "shapes": {"tokens": (1, 5)}},
            r"^mine: batch: found 2, but the inputs are left 1×3×8×4:6:8, tokens 1×5",
        ),
        ({"shapes": {"token": (1, 5)}}, r"^mine: shape: unknown input 'token'; did you mean 'tokens'\?"),
    ],
)
def test_sizes_that_contradict_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wtsnet.define(registered(), WORDS, **options)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_it_computes(precision: str) -> None:
    net = wtsnet.define(registered(), WORDS, precision=precision, batch=(1, 2, 4))
    random = np.random.default_rng(1)
    given: dict[str, Any] = {
        "left": random.random((3, 3, 8, 5), np.float32),
        "tokens": random.integers(0, 10, (3, 7)),
        "mask": random.integers(0, 2, (3, 7)).astype(np.float32),
    }
    wanted = (WORDS["words.weight"][given["tokens"]] * given["mask"][:, :, None]).sum(1)
    wanted = np.concatenate([given["left"].mean((2, 3)), wanted], 1)
    found = ReferenceRunner(net.trt).run(given)["output"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5 if precision == "fp32" else 2e-2)
    assert (net.facts["task"], net.facts["preprocess"]) == ("none", {})


def test_inputs_go_by_name_where_the_parameters_have_their_names() -> None:
    inputs = {"x": Input((1, 2)), "y": Input((1, 2))}
    given = {"x": np.full((1, 2), 5, np.float32), "y": np.full((1, 2), 3, np.float32)}
    functions: list[Any] = [
        lambda s, x, y: x - y,
        lambda s, y, x: x - y,
        lambda s, a, b: a - b,
        lambda s, *both: both[0] - both[1],
    ]
    for function in functions:
        net = wtsnet.define(registered(function, inputs), {})
        assert ReferenceRunner(net).run(given)["output"].tolist() == [[2, 2]]


def test_what_a_models_function_raises_has_its_place() -> None:
    def wrong(s: Scope, x: Tensor) -> Any:
        return s.nope(x)  # type: ignore[attr-defined]  # wrong on purpose

    with pytest.raises(
        ModelError, match=rf"^mine: {__file__}, line \d+: AttributeError: 'Scope' object has no attribute"
    ):
        wtsnet.define(registered(wrong, {"x": Input((1,))}), {})


def test_names_of_classes() -> None:
    wtsnet.model("bare", image=Image(size=4))(lambda s, x: x.mean((2, 3)))
    names: list[Any] = ["cat", "dog", 3]
    assert wtsnet.define("bare", {}, class_names=names).facts["names"] == ["cat", "dog", "3"]


def test_options_that_belong_to_the_preprocessing() -> None:
    with pytest.raises(
        ModelError, match=r"unknown option 'order'; preprocess=\{'order': …\} sets how a picture becomes"
    ):
        wtsnet.define("lenet", lenet(), order="rgb")


class Two(NamedTuple):
    scores: Tensor
    boxes: Tensor


@pytest.mark.parametrize(
    ("give", "names"),
    [
        (lambda x: x, ["output"]),
        (lambda x: (x, -x), ["output0", "output1"]),
        (lambda x: [x, -x], ["output0", "output1"]),
        (lambda x: Two(x, -x), ["scores", "boxes"]),
        (lambda x: {"b": x, "a": -x}, ["b", "a"]),
    ],
)
def test_outputs(give: Callable[[Any], Any], names: list[str]) -> None:
    net = wtsnet.define(registered(lambda s, x: give(x.exp()), {"x": Input((2, 3))}), {})
    assert [one["name"] for one in net.outputs()] == names


@pytest.mark.parametrize(
    ("function", "inputs", "message"),
    [
        (
            lambda s, x: x,
            {"a": Input((1,)), "b": Input((1,))},
            r"^mine: found <lambda>\(s, x\), expected what takes a scope, 2 inputs \(too many positional arguments\)$",
        ),
        (
            lambda s, x, y: x,
            {"a": Input((1,))},
            r"^mine: found <lambda>\(s, x, y\), expected what takes a scope, 1 input \(missing a required",
        ),
        (lambda s, x: x, {"a": Input(("N", "T"))}, r"^mine: input a N×T: axis 1 is dynamic .*; give --shape a=NxT$"),
    ],
)
def test_functions_and_sizes_that_do_not_fit(function: Any, inputs: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wtsnet.define(registered(function, inputs), {})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Input((1, 0)), r"^Input: shape: found 0, expected a number or \(min, opt, max\)"),
        (lambda: Input("NT"), r"^Input: found shape 'NT', expected sizes, as in"),
        (lambda: Input((1,), "int46"), r"^Input: dtype: found int46, expected .*; did you mean 'int4'"),
        (
            lambda: Input(("N",), sizes={"M": 3}),
            r"^Input: sizes: unknown axis 'M'; did you mean|^Input: sizes: unknown axis 'M'",
        ),
        (lambda: wtsnet.model("m"), r"^model 'm': found neither of image and inputs, expected one$"),
        (
            lambda: wtsnet.model("m", image=Image(), inputs=INPUTS),
            r"^model 'm': found both of image and inputs, expected",
        ),
        (
            lambda: wtsnet.model("m", inputs={"x": ANY}),
            r"^model 'm': found inputs .*, expected a mapping of names to Input",
        ),
    ],
)
def test_declarations_that_are_none(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_pixels_are_of_pictures() -> None:
    with pytest.raises(ModelError, match=r"^input: found 'uint8', expected none: mine takes left, tokens, mask, not a"):
        wtsnet.define(registered(), WORDS, input="uint8")


def test_the_shape_of_a_picture() -> None:
    net = wtsnet.define("lenet", lenet(), shapes={"data": (3, 1, 32, 32)})
    assert net.profile["data"] == fixed(3, 1, 32, 32)
    for shapes, message in (
        ({"data": (1, 3, 32, 32)}, "axis 1 is 1; shape says 3"),
        ({"x": (1,)}, "unknown input 'x' (it has data)"),
    ):
        with pytest.raises(ModelError) as caught:
            wtsnet.define("lenet", lenet(), shapes=shapes)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (None, {"kind": "crop", "resize": 10, "size": [8, 8]}),
        ("stretch", {"kind": "stretch", "size": [8, 8]}),
        ("stretch,antialias=false", {"kind": "stretch", "antialias": False, "size": [8, 8]}),
        (
            "stretch, mean=[0.5, 0.5, 0.25],order=BGR",
            {"kind": "stretch", "mean": [0.5, 0.5, 0.25], "order": "BGR", "size": [8, 8]},
        ),
        ("fill=3,kind=letterbox", {"kind": "letterbox", "fill": 3, "size": [8, 8]}),
        ("crop", {"kind": "crop", "resize": 10, "size": [8, 8]}),
        ("keep", {"kind": "keep"}),
        (
            {"mean": [0.5] * 3, "order": "BGR"},
            {"kind": "crop", "resize": 10, "mean": [0.5] * 3, "order": "BGR", "size": [8, 8]},
        ),
        ({"resize": 12}, {"kind": "crop", "resize": 12, "size": [8, 8]}),
        ({"kind": "letterbox", "fill": 0}, {"kind": "letterbox", "fill": 0, "size": [8, 8]}),
    ],
)
def test_another_way_from_a_picture_to_the_input(tmp_path: Any, given: Any, made: dict[str, Any]) -> None:
    net = wtsnet.define(tiny_file(tmp_path), tiny(), preprocess=given)
    assert net.facts["preprocess"] == made


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("strech", r"mine.py:tiny: preprocess: kind is 'strech', expected .*; did you mean 'stretch'"),
        ("stretch,antialias=[", r"^preprocess: found 'stretch,antialias=\[', expected KIND,KEY=VALUE, as in"),
        ({"size": 9}, r"mine.py:tiny: preprocess: size: found 9, expected none: it is that of the input"),
        ("stretch,channels=1", r"mine.py:tiny: preprocess: channels: found 1, expected none: it is that of the input"),
        ("stretch,dtype=uint8", r"mine.py:tiny: preprocess: dtype: found 'uint8', expected none"),
        (
            "stretch,layout=NHWC",
            r"mine.py:tiny: preprocess: layout: found 'NHWC', but the input is images \[1, 3, 8, 8\]",
        ),
        ("gray", r"mine.py:tiny: preprocess: kind: found 1 channel in the layout NCHW, expected those of the input"),
        ({"fil": 3}, r"mine.py:tiny: preprocess: unknown key 'fil' for kind 'crop'"),
        ({"kind": "stretch", "mean": [0.5]}, r"mine.py:tiny: preprocess: mean is \[0.5\], expected 3 finite numbers"),
    ],
)
def test_ways_that_are_none(tmp_path: Any, given: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wtsnet.define(tiny_file(tmp_path), tiny(), preprocess=given)
    wtsnet.model("bare", image=Image(size=4))(lambda s, x: -x)
    with pytest.raises(ModelError, match=r"^bare: preprocess: found mean, but kind is missing: give one, such as"):
        wtsnet.define("bare", {}, preprocess={"mean": [0.5] * 3})


def test_channels_of_a_picture_as_small_as_they_are_many() -> None:
    wtsnet.model("bare", image=Image(channels=5, size=4))(lambda s, x: -x)
    made = wtsnet.define("bare", {}, preprocess="stretch").facts["preprocess"]
    assert made == {"kind": "stretch", "size": [4, 4], "channels": 5}


def test_a_crop_where_the_model_says_nothing_of_it() -> None:
    wtsnet.model("bare", image=Image(size=112))(lambda s, x: -x)
    assert wtsnet.define("bare", {}, preprocess="crop").facts["preprocess"]["resize"] == 128


def test_pixels_in_the_order_that_the_model_wants() -> None:
    """BGR pixels for a model of BGR pictures are not turned round."""
    wtsnet.model("bare", image=Image(size=4))(lambda s, x: x.exp())
    given = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), np.uint8)
    for order, kind, flipped in (("RGB", "uint8", False), ("BGR", "uint8", True), ("BGR", "uint8-bgr", False)):
        net = wtsnet.define("bare", {}, input=kind, preprocess={"kind": "stretch", "order": order})
        found = ReferenceRunner(net.trt)(images=given)["output"]
        values = given[..., ::-1] if flipped else given
        np.testing.assert_allclose(found, np.exp(values.transpose(0, 3, 1, 2) / np.float32(255)), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "task"), [((1, 5), "classify"), ((1, 5, 2), "none")], ids=["scores of classes", "something else"]
)
def test_the_task_of_a_model_that_does_not_say(shape: tuple[int, ...], task: str) -> None:
    wtsnet.model("bare", image=Image(size=4))(
        lambda s, x: x.mean((1, 2, 3)).reshape(1, *[1] * (len(shape) - 1)).expand(*shape)
    )
    assert wtsnet.define("bare", {}).facts["task"] == task
    assert wtsnet.define("bare", {}, task="ocr").facts["task"] == "ocr"


@pytest.mark.parametrize("dtype", [torch.int64, np.int64, "int64", np.dtype("int64")])
def test_dtypes_of_a_networks_input(dtype: Any) -> None:
    assert wtsnet.Network({}).input("x", [1, 3], dtype).dtype == "int64"


def test_a_dtype_that_is_none() -> None:
    with pytest.raises(NetworkError, match=r"^input x: dtype: found <class 'str'>, expected one such as \"float32\""):
        wtsnet.Network({}).input("x", [1, 3], str)
