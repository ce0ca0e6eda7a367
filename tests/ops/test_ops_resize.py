"""Interpolation against torch's, over modes, factors, sizes and corners."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.ops.support import OneOp, Spec, build, check, check_sizes, close, kinds, values
from wtsnet import ops
from wtsnet.errors import NetworkError
from wtsnet.network import Network

SIZES = (7, 5, 6)
MODES = [
    (rank, mode, aligned)
    for rank, modes in ((1, ("linear",)), (2, ("bilinear", "bicubic")), (3, ("trilinear",)))
    for mode in ("nearest", "nearest-exact", *modes)
    for aligned in ((None,) if mode.startswith("nearest") else (None, True))
]
ANTIALIASED = [
    (mode, aligned)
    for mode in ("bilinear", "bicubic", "lanczos")
    for aligned in ((None,) if mode == "lanczos" else (None, True))
]
ODD = (1.1, 0.7, 1.4, 0.29, 2.3, 0.9, 1.05, 41.0)  # factors that float32 does not hold, or whose inverse it does not


def resized(x: torch.Tensor, *args: Any, **given: Any) -> torch.Tensor:
    """torch's, where it is the same on CPU and GPU: which of two equally near pixels "nearest-exact" takes hangs on the
    layout, and this one gives the GPU's."""
    if given.get("mode") == "nearest-exact" and x.ndim == 4:
        x = x.expand(-1, 8, -1, -1).contiguous(memory_format=torch.channels_last)
        return F.interpolate(x, *args, **given)[:, :1].contiguous()
    return F.interpolate(x, *args, **given)


def by_channel(x: torch.Tensor, *args: Any, **given: Any) -> torch.Tensor:
    return torch.cat([resized(x[:, i : i + 1], *args, **given) for i in range(x.shape[1])], 1)


def check_interpolate(x: torch.Tensor, *args: Any, tol: float = 1e-5, **given: Any) -> OneOp:
    def twin(x: torch.Tensor) -> torch.Tensor:
        return by_channel(x, *args, **given)

    same = all(n == m for n, m in zip(x.shape, twin(x).shape, strict=True))
    named = {"named": None} if same else {}
    return check(lambda x: ops.interpolate(x, *args, **given), twin, x, tol=tol, **named)


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("factor", [2, 3, 5, 0.5, 1.5, 2.5, 0.75, 1.25, 0.3125, 1])
def test_factor(rank: int, mode: str, aligned: bool | None, factor: float) -> None:
    x = values(1, 2, *SIZES[:rank])
    made = check_interpolate(x, None, factor, mode, align_corners=aligned, tol=2e-6)
    assert kinds(made.net) == (["RESIZE"] if factor != 1 else ["IDENTITY"])  # the network's output is not its input


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("size", [1, 3, 7, 10, 13])
def test_size(rank: int, mode: str, aligned: bool | None, size: int) -> None:
    for wanted in (size, (size, size + 4, 5)[:rank]):
        check_interpolate(values(1, 2, *SIZES[:rank]), wanted, mode=mode, align_corners=aligned, tol=2e-6)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_every_whole_factor_and_length(mode: str) -> None:
    for factor in (*range(1, 12), 13, 1.5, 0.25):
        for length in (4, 9, 23):
            made = check_interpolate(values(1, 1, length, 4), scale_factor=(factor, 1.5), mode=mode, tol=4e-6)
            assert kinds(made.net) == ["RESIZE"]


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("factor", ODD)
def test_odd_factor(rank: int, mode: str, aligned: bool | None, factor: float) -> None:
    for length in (5, 12, 30, 45):
        sizes = (length, 7, 5)[:rank]
        if mode == "nearest" and int(length * factor) in (length, 2 * length):
            continue  # of which torch makes one thing of small pictures, another of large ones
        factors = (factor, 0.75, 2)[:rank]
        for recompute in (None, True):
            x = values(1, 2, *sizes)
            check_interpolate(x, None, factors, mode, align_corners=aligned, recompute_scale_factor=recompute)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_neighbours_of_every_size(mode: str) -> None:
    """Also of sizes such as 2 and 82, where float32 finds another neighbour than the numbers do."""
    for before in (1, 2, 3, 5, 6, 7, 13, 21, 40):
        for after in (*range(1, 100), 123, 164, 205):
            x = torch.arange(before * 1.0).reshape(1, 1, -1, 1).expand(-1, -1, -1, 3).contiguous()
            check_interpolate(x, (after, 3), mode=mode, tol=0)


def test_neighbours_that_hang_on_rounding_are_picked() -> None:
    x = values(1, 2, 2, 4)
    assert kinds(check_interpolate(x, (82, 4), tol=0).net) == ["CONSTANT", "GATHER"]
    assert kinds(check_interpolate(x, (82, 8), tol=0).net) == ["CONSTANT", "GATHER", "RESIZE"]
    assert kinds(check_interpolate(x, (6, 6), tol=0).net) == ["RESIZE"]


@pytest.mark.parametrize(("mode", "aligned"), ANTIALIASED, ids=str)
def test_antialias(mode: str, aligned: bool | None) -> None:
    given: dict[str, Any] = {"mode": mode, "align_corners": aligned, "antialias": True}
    for size in ((3, 4), (1, 2), (30, 9), (13, 40), (17, 6), (7, 11)):
        made = check_interpolate(values(2, 3, 17, 11), size, **given)
        changed = sum(n != m for n, m in zip(size, (17, 11), strict=True))
        assert kinds(made.net) == ["CONSTANT", "MATRIX_MULTIPLY"] * changed
    for factor in (*ODD[:-1], 2, 0.5, (0.3, 1.7)):
        check_interpolate(values(1, 2, 10, 23), scale_factor=factor, **given)


@pytest.mark.parametrize(("mode", "aligned"), ANTIALIASED, ids=str)
def test_antialias_of_dynamic_batch_and_halves(mode: str, aligned: bool | None) -> None:
    given: dict[str, Any] = {"mode": mode, "align_corners": aligned, "antialias": True}
    made = check_sizes(
        lambda x: ops.interpolate(x, (5, 4), **given),
        lambda x: F.interpolate(x, (5, 4), **given),
        ((1, 2, 4), 3, 9, 14),
        *((1, 3, 9, 14), (4, 3, 9, 14)),
    )
    build(made.net)
    half = values(1, 3, 9, 14).half()
    close(OneOp(lambda x: ops.interpolate(x, (5, 4), **given), half)(half)[0].float(), made(half.float())[0], 2e-3)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_area(rank: int) -> None:
    x = values(1, 2, *(12, 7, 5)[:rank])
    for size in (4, 5, 1, 24, (6, 14, 4)[:rank]):
        check_interpolate(x, size, mode="area")
    for factor in (0.5, 2, 3, 0.7, 1.4, (2, 0.5, 1.1)[:rank]):
        check_interpolate(x, scale_factor=factor, mode="area")


def test_area_of_few_layers() -> None:
    x = values(1, 2, 12, 6)
    assert kinds(check_interpolate(x, scale_factor=0.5, mode="area").net) == ["POOLING"]
    assert kinds(check_interpolate(x, scale_factor=2, mode="area").net) == ["RESIZE"]
    made = check_sizes(
        lambda x: ops.interpolate(x, scale_factor=3, mode="area"),
        lambda x: F.interpolate(x, scale_factor=3, mode="area"),
        ((1, 2, 4), 3, (2, 4, 8), (2, 4, 8)),
        *((1, 3, 2, 8), (4, 3, 5, 3)),
    )
    assert kinds(made.net) == ["RESIZE"]


@pytest.mark.parametrize(("rank", "mode", "aligned"), MODES, ids=str)
@pytest.mark.parametrize("factor", [2, 1.5])
def test_factor_of_dynamic_sizes(rank: int, mode: str, aligned: bool | None, factor: float) -> None:
    made = check_sizes(
        lambda x: ops.interpolate(x, scale_factor=factor, mode=mode, align_corners=aligned),
        lambda x: F.interpolate(x, scale_factor=factor, mode=mode, align_corners=aligned),
        ((1, 2, 4), 3, *[(4, 6, 12)] * rank),
        (4, 3, *(4, 5, 6)[:rank]),
        (1, 3, *(12, 7, 4)[:rank]),
        tol=2e-6,
    )
    assert kinds(made.net) == ["RESIZE"]
    if factor == 2 and mode in ("linear", "nearest", "bilinear"):  # the others take TensorRT seconds
        build(made.net)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [1.1, 1.7, 2.2, 0.6])
def test_odd_factor_of_dynamic_sizes(mode: str, factor: float) -> None:
    any_size = (10, 20, 90)
    made = check_sizes(
        lambda x: ops.interpolate(x, scale_factor=factor, mode=mode),
        lambda x: by_channel(x, scale_factor=factor, mode=mode),
        ((1, 2, 4), 2, any_size, any_size),
        *((1, 2, 10, 90), (4, 2, 20, 45), (2, 2, 11, 55)),
        tol=5e-5,  # float32 tells places about 88 to 1e-5
    )
    if mode == "nearest":
        build(made.net)


def test_size_again_of_dynamic_sizes() -> None:
    """`recompute_scale_factor` of sizes that are known only at run time."""
    for factor in (1.1, 1.5, 3):
        check_sizes(
            lambda x, f=factor: ops.interpolate(x, None, f, "bilinear", recompute_scale_factor=True),
            lambda x, f=factor: F.interpolate(x, None, f, "bilinear", recompute_scale_factor=True),
            ((1, 2, 4), 2, (5, 9, 20), (5, 9, 20)),
            *((1, 2, 5, 20), (2, 2, 7, 13)),
            tol=1e-5,
        )


def test_cubic_and_trilinear_build() -> None:
    for rank, mode in ((2, "bicubic"), (3, "trilinear")):
        spec: Spec = (((1, 2, 4), 2, *[3] * rank), "float32")
        build(OneOp(lambda x, m=mode: ops.interpolate(x, None, 2, m), spec).net)


@pytest.mark.parametrize(("mode", "aligned"), [("nearest", None), ("bilinear", None), ("bilinear", True)])
def test_size_of_another_tensor(mode: str, aligned: bool | None) -> None:
    """The sizes of a feature map that is known only at run time: a feature pyramid's way down."""
    made = check_sizes(
        lambda x, y: ops.interpolate(x, size=y.dims[2:], mode=mode, align_corners=aligned),
        lambda x, y: F.interpolate(x, y.shape[2:], mode=mode, align_corners=aligned),
        [((1, 2, 4), 3, (2, 4, 8), (2, 4, 8)), ((1, 2, 4), 2, (2, 8, 16), (2, 8, 16))],
        [(4, 3, 4, 6), (4, 2, 8, 11)],
        [(1, 3, 8, 2), (1, 2, 5, 16)],
        tol=2e-6,
    )
    assert made.outputs[0].shape == (-1, 3, -1, -1)
    build(made.net)


def test_one_size_known_only_at_run_time() -> None:
    """The other's neighbours are picked, since they hang on rounding."""
    made = check_sizes(
        lambda x, y: ops.interpolate(x, (82, y.dims[2])),
        lambda x, y: F.interpolate(x, (82, y.shape[2])),
        [((1, 2, 4), 3, 2, (2, 4, 8)), (1, 2, (2, 8, 16))],
        [(4, 3, 2, 6), (1, 2, 12)],
        [(1, 3, 2, 2), (1, 2, 5)],
        tol=0,
    )
    assert made.outputs[0].shape == (-1, 3, 82, -1)


def test_fixed_size_of_dynamic_sizes() -> None:
    made = check_sizes(
        lambda x: ops.interpolate(x, (6, 5), mode="bilinear"),
        lambda x: F.interpolate(x, (6, 5), mode="bilinear"),
        ((1, 2, 4), 3, (2, 4, 8), (2, 4, 8)),
        (4, 3, 4, 6),
        (1, 3, 8, 2),
    )
    assert made.outputs[0].shape == (-1, 3, 6, 5)
    build(made.net)


def test_fixed_size_of_dynamic_batch() -> None:
    """Where float32 holds the factor, no shape is needed."""
    for size, layers in (((6, 5), ["RESIZE"]), ((8, 4), None)):
        made = check_sizes(
            lambda x, size=size: ops.interpolate(x, size, mode="bilinear"),
            lambda x, size=size: F.interpolate(x, size, mode="bilinear"),
            ((1, 2, 4), 3, 3, 10),
            *((4, 3, 3, 10), (1, 3, 3, 10)),
        )
        assert made.outputs[0].shape == (-1, 3, *size)
        assert layers in (None, kinds(made.net))


def test_what_stays_as_it_is() -> None:
    net = Network({})
    x = net.input("x", ((1, 2, 3), 3, 6, 5))
    for given in ({"size": (6, 5)}, {"scale_factor": 1}, {"size": (6, 5), "mode": "bicubic"}, {"scale_factor": 1.0}):
        assert ops.interpolate(x, **given) is x
    assert ops.interpolate(x, scale_factor=1.1, mode="bilinear") is x  # 6.6 and 5.5 rows are 6 and 5
    assert net.trt.num_layers == 0


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)], ids=str)
def test_half_precision(dtype: torch.dtype, tol: float) -> None:
    x = values(1, 2, 5, 4).to(dtype)
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        for given in ({"scale_factor": 2}, {"size": (7, 6)}, {"scale_factor": (41, 1.4)}):
            made = OneOp(lambda x, mode=mode, given=given: ops.interpolate(x, mode=mode, **given), x)
            close(made(x)[0].float(), F.interpolate(x.float(), mode=mode, **given), tol)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"scale_factor": 2, "mode": "cubic"},
            "mode: found 'cubic', expected one of nearest, nearest-exact, area, linear, bilinear, trilinear, bicubic, "
            "lanczos",
        ),
        ({}, "found size=None and scale_factor=None, expected one of the two"),
        ({"scale_factor": 2, "size": 4}, "found size=4 and scale_factor=2, expected one of the two"),
        (
            {"scale_factor": 2, "align_corners": True},
            "align_corners: found True with mode 'nearest', expected None",
        ),
        (
            {"scale_factor": 2, "align_corners": False, "mode": "area"},
            "align_corners: found False with mode 'area', expected None",
        ),
        ({"scale_factor": -2}, "scale_factor: found -2, expected a positive number or 2 of them"),
        ({"scale_factor": (1, 2, 3)}, "scale_factor: found (1, 2, 3), expected a positive number or 2 of them"),
        ({"scale_factor": 0.2}, "scale_factor: found 0.2 for size 4, expected one that leaves something"),
        ({"size": (4, 4, 4)}, "size: found (4, 4, 4), expected a positive number or 2 of them"),
        ({"size": 0}, "size: found 0, expected a positive number or 2 of them"),
        ({"size": (4, 0)}, "size: found (4, 0), expected a positive number or 2 of them"),
        (
            {"size": 3, "recompute_scale_factor": True},
            "recompute_scale_factor: found True with size=3, expected it with scale_factor",
        ),
        (
            {"scale_factor": 2, "mode": "linear"},
            "mode: found 'linear' for shape (1, 2, 5, 4), expected 1 spatial dimensions",
        ),
        (
            {"size": 2, "antialias": True},
            "antialias: found True with mode 'nearest', expected one of bilinear, bicubic, lanczos",
        ),
        ({"size": 2, "mode": "lanczos"}, "antialias: found False with mode 'lanczos', expected True"),
        (
            {"size": 2, "mode": "lanczos", "antialias": True, "align_corners": True},
            "align_corners: found True with mode 'lanczos', expected None or False",
        ),
    ],
    ids=str,
)
def test_errors(given: dict[str, Any], text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda x: ops.interpolate(x, **given), values(1, 2, 5, 4))
    assert str(caught.value) == f"a.b: interpolate: {text}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"scale_factor": 1.4, "mode": "bilinear"},
            "scale_factor: found 1.4 for shape (1, 2, -1, 4), expected fixed sizes, or a factor for which float32 "
            "rounds them as float64 does, such as 1.5",
        ),
        (
            {"scale_factor": 1.4},
            "scale_factor: found 1.4 for shape (1, 2, -1, 4), expected fixed sizes, or a factor for which float32 "
            "rounds them as float64 does, such as 1.5",
        ),
        (
            {"size": 3, "mode": "bilinear", "antialias": True},
            "antialias: found True for shape (1, 2, -1, 4), expected fixed sizes",
        ),
        (
            {"size": 3, "mode": "area"},
            "mode: found 'area' for shape (1, 2, -1, 4), expected fixed sizes or whole factors",
        ),
    ],
    ids=str,
)
def test_what_dynamic_sizes_do_not_have(given: dict[str, Any], text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        OneOp(lambda x: ops.interpolate(x, **given), ((1, 2, (2, 3, 4), 4), "float32"))
    assert str(caught.value) == f"a.b: interpolate: {text}"
