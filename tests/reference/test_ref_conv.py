"""Convolution, transposed convolution and pooling against sums written out, over TensorRT's own output extents."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from wtsnet.trt.flavours import module

trt = module()
MODES = ("EXPLICIT_ROUND_DOWN", "EXPLICIT_ROUND_UP", "SAME_UPPER", "SAME_LOWER")


def start_padding(mode: str, extents: Any, outs: Any, window: Any, stride: Any, pre: Any) -> Any:
    """How far before the input the first window starts; SAME splits what `outs` windows need in all."""
    if mode.startswith("EXPLICIT"):
        return pre
    total = [max((o - 1) * s + k - n, 0) for n, o, k, s in zip(extents, outs, window, stride, strict=True)]
    return [t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in total]


def key(*parts: Any) -> Any:
    """An index made of several parts."""
    return parts


def convolved(x: Any, w: Any, bias: Any, outs: Any, start: Any, stride: Any, dilation: Any, groups: Any) -> Any:
    """y[n, k, o] = Σ w[k, c, r] · x[n, c, o·stride + r·dilation - start], zero outside of x."""
    spatial = x.shape[2:]
    y = np.zeros((x.shape[0], w.shape[0], *outs))
    per_in, per_out = x.shape[1] // groups, w.shape[0] // groups
    for o in itertools.product(*map(range, outs)):
        for r in itertools.product(*map(range, w.shape[2:])):
            at = tuple(a * s + b * d - p for a, s, b, d, p in zip(o, stride, r, dilation, start, strict=True))
            if not all(0 <= i < n for i, n in zip(at, spatial, strict=True)):
                continue
            for g in range(groups):
                part = x[key(slice(None), slice(g * per_in, (g + 1) * per_in), *at)]
                kernel = w[key(slice(g * per_out, (g + 1) * per_out), slice(None), *r)]
                y[key(slice(None), slice(g * per_out, (g + 1) * per_out), *o)] += part @ kernel.T
    return y + bias.reshape(-1, *(1,) * len(outs))


CONVOLUTIONS = [
    {},
    {"kernel": (1, 1)},
    {"stride": (2, 1), "dilation": (1, 2), "pre": (1, 2), "post": (1, 2)},
    {"groups": 2, "pre": (1, 1), "post": (1, 1)},
    {"groups": 4, "maps": 8, "stride": (2, 2), "pre": (0, 1), "post": (2, 0)},
    {"extents": (5, 6, 4), "kernel": (2, 3, 1), "stride": (1, 2, 1), "pre": (1, 1, 0), "post": (1, 1, 0)},
    *({"mode": mode, "stride": (2, 3), "kernel": (3, 2)} for mode in MODES),
    *(
        {"mode": mode, "stride": (2, 2), "kernel": (2, 3), "dilation": (2, 1), "pre": (1, 0), "post": (0, 1)}
        for mode in MODES
    ),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_is_the_sum(net: Any, rng: np.random.Generator, case: Any) -> None:
    extents, kernel = case.get("extents", (7, 8)), case.get("kernel", (3, 3))
    nd = len(extents)
    groups, maps, mode = case.get("groups", 1), case.get("maps", 6), case.get("mode", MODES[0])
    stride, dilation = case.get("stride", (1,) * nd), case.get("dilation", (1,) * nd)
    pre, post = case.get("pre", (0,) * nd), case.get("post", (0,) * nd)
    x = rng.standard_normal((2, 4, *extents)).astype(np.float32)
    w = net.keep(rng.standard_normal((maps, 4 // groups, *kernel)))
    b = net.keep(rng.standard_normal(maps))
    layer = net.trt.add_convolution_nd(net.input(x, dynamic=(0,)), maps, kernel, w, b)
    layer.num_groups, layer.stride_nd, layer.dilation_nd = groups, stride, dilation
    layer.pre_padding, layer.post_padding, layer.padding_mode = pre, post, getattr(trt.PaddingMode, mode)
    got = net.run(layer.get_output(0))
    window = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    start = start_padding(mode, extents, got.shape[2:], window, stride, pre)
    want = convolved(x, w, b, got.shape[2:], start, stride, dilation, groups)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_convolution_takes_its_kernel_as_a_tensor(net: Any, rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((1, 3, 5, 5)).astype(np.float32), rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    layer = net.trt.add_convolution_nd(net.input(x), 4, (3, 3), trt.Weights(trt.float32), trt.Weights(trt.float32))
    layer.set_input(1, net.input(w))
    want = convolved(x, w, np.zeros(4), (3, 3), (0, 0), (1, 1), (1, 1), 1)
    np.testing.assert_allclose(net.run(layer.get_output(0)), want, rtol=1e-4, atol=1e-5)


def test_convolution_takes_several_leading_axes(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 4, 5, 5)).astype(np.float32)
    w = net.keep(rng.standard_normal((2, 4, 3, 3)))
    got = net.run(net.trt.add_convolution_nd(net.input(x), 2, (3, 3), w).get_output(0))
    want = convolved(x.reshape(6, 4, 5, 5), w, np.zeros(2), (3, 3), (0, 0), (1, 1), (1, 1), 1)
    np.testing.assert_allclose(got, want.reshape(2, 3, 2, 3, 3), rtol=1e-4, atol=1e-5)


def test_convolution_keeps_half_precision(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 2, 4, 4)).astype(np.float16)
    w = np.ones((1, 2, 1, 1), np.float16)
    net._keep.append(w)
    got = net.run(net.trt.add_convolution_nd(net.input(x), 1, (1, 1), w).get_output(0))
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, x.sum(1, keepdims=True), rtol=2e-3, atol=2e-3)


DECONVOLUTIONS = [
    {},
    {"stride": (2, 3), "pre": (1, 1), "post": (1, 1)},
    {"stride": (2, 2), "pre": (1, 0), "post": (0, 1)},
    {"groups": 2, "stride": (2, 1), "dilation": (1, 2)},
    {"extents": (3, 4, 2), "kernel": (2, 2, 3), "stride": (2, 1, 2)},
    {"mode": "SAME_UPPER", "stride": (2, 2)},
    {"mode": "SAME_LOWER", "stride": (2, 2), "kernel": (4, 3)},
]


@pytest.mark.parametrize("case", DECONVOLUTIONS, ids=str)
def test_deconvolution_scatters_each_input(net: Any, rng: np.random.Generator, case: Any) -> None:
    extents, kernel = case.get("extents", (4, 5)), case.get("kernel", (3, 3))
    nd = len(extents)
    groups, mode = case.get("groups", 1), case.get("mode", MODES[0])
    stride, dilation = case.get("stride", (1,) * nd), case.get("dilation", (1,) * nd)
    pre, post = case.get("pre", (0,) * nd), case.get("post", (0,) * nd)
    x = rng.standard_normal((2, 4, *extents)).astype(np.float32)
    w, b = net.keep(rng.standard_normal((4, 6 // groups, *kernel))), net.keep(rng.standard_normal(6))
    layer = net.trt.add_deconvolution_nd(net.input(x), 6, kernel, w, b)
    layer.num_groups, layer.stride_nd, layer.dilation_nd = groups, stride, dilation
    layer.pre_padding, layer.post_padding, layer.padding_mode = pre, post, getattr(trt.PaddingMode, mode)
    got = net.run(layer.get_output(0))

    full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(extents, stride, dilation, kernel, strict=True)]
    y = np.zeros((2, 6, *full))
    for i in itertools.product(*map(range, extents)):
        for r in itertools.product(*map(range, kernel)):
            at = tuple(a * s + b_ * d for a, s, b_, d in zip(i, stride, r, dilation, strict=True))
            for g in range(groups):
                ins, outs = slice(g * 4 // groups, (g + 1) * 4 // groups), slice(g * 6 // groups, (g + 1) * 6 // groups)
                y[key(slice(None), outs, *at)] += x[key(slice(None), ins, *i)] @ w[key(ins, slice(None), *r)]
    if mode != MODES[0]:
        spare = [f - o for f, o in zip(full, got.shape[2:], strict=True)]
        pre = [t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in spare]
    crop = tuple(slice(p, p + o) for p, o in zip(pre, got.shape[2:], strict=True))
    want = y[key(slice(None), slice(None), *crop)] + b.reshape(-1, *(1,) * nd)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


POOLS = [
    {},
    {"stride": (1, 2), "pre": (1, 1), "post": (1, 1), "window": (3, 3)},
    {"stride": (2, 2), "pre": (0, 1), "post": (1, 0), "window": (3, 2)},
    {"extents": (5, 6, 4), "window": (2, 3, 2), "stride": (2, 2, 1), "pre": (1, 0, 1), "post": (1, 0, 1)},
    *({"mode": mode, "window": (3, 2), "stride": (2, 3), "pre": (1, 0), "post": (1, 0)} for mode in MODES),
    *({"mode": mode, "window": (3, 3), "stride": (2, 2)} for mode in MODES),
]


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("kind", ["MAX", "AVERAGE", "MAX_AVERAGE_BLEND"])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pooling_over_each_window(net: Any, rng: np.random.Generator, case: Any, kind: str, exclusive: bool) -> None:
    extents, window = case.get("extents", (7, 8)), case.get("window", (2, 2))
    nd = len(extents)
    stride, mode = case.get("stride", (2,) * nd), case.get("mode", MODES[0])
    pre, post = case.get("pre", (0,) * nd), case.get("post", (0,) * nd)
    x = rng.standard_normal((2, 3, *extents)).astype(np.float32) - 3  # a zero from padding would be the maximum
    layer = net.trt.add_pooling_nd(net.input(x), getattr(trt.PoolingType, kind), window)
    layer.stride_nd, layer.pre_padding, layer.post_padding = stride, pre, post
    layer.padding_mode, layer.average_count_excludes_padding = getattr(trt.PaddingMode, mode), exclusive
    layer.blend_factor = 0.25
    got = net.run(layer.get_output(0))
    start = start_padding(mode, extents, got.shape[2:], window, stride, pre)
    want = np.zeros_like(got)
    for o in itertools.product(*map(range, got.shape[2:])):
        first = [a * s - p for a, s, p in zip(o, stride, start, strict=True)]
        spans = [(max(f, 0), min(f + k, n)) for f, k, n in zip(first, window, extents, strict=True)]
        inside = x[key(slice(None), slice(None), *(slice(*span) for span in spans))].reshape(2, 3, -1)
        # Padded extents: what was declared; with SAME all of it, with ROUND_UP not what it adds.
        ends = [f + k if mode.startswith("SAME") else min(f + k, n + q)
                for f, k, n, q in zip(first, window, extents, post, strict=True)]  # fmt: skip
        count = np.prod([e - f for e, f in zip(ends, first, strict=True)])
        average = inside.sum(-1) / (inside.shape[-1] if exclusive else count)
        parts = {"MAX": inside.max(-1), "AVERAGE": average}
        parts["MAX_AVERAGE_BLEND"] = 0.75 * parts["MAX"] + 0.25 * average
        want[key(slice(None), slice(None), *o)] = parts[kind]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_padding_adds_zeros_and_crops(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 2, 4, 5)).astype(np.float32)
    got = net.run(net.trt.add_padding_nd(net.input(x), (1, -2), (0, 3)).get_output(0))
    np.testing.assert_array_equal(got, np.pad(x[..., 2:], ((0, 0), (0, 0), (1, 0), (0, 3))))


def test_lrn_normalizes_over_neighbouring_channels(net: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((1, 6, 2, 2)).astype(np.float32)
    got = net.run(net.trt.add_lrn(net.input(x), 3, 0.5, 0.75, 2.0).get_output(0))
    padded = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    sums = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    np.testing.assert_allclose(got, x / (2 + 0.5 / 3 * sums) ** 0.75, rtol=1e-5)
