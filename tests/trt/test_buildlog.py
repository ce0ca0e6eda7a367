"""wtsnet/trt/buildlog.py: what the builder's log says of an engine."""

from __future__ import annotations

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network.network import Network
from wtsnet.ops import conv2d, relu
from wtsnet.trt.buildlog import BuildLog

CHANNELS, K = 64, 3
WEIGHT = CHANNELS * CHANNELS * K * K
LINES = """Original: 225 layers
After dead-layer removal: 224 layers
After scale fusion: 2 layers
After reformat layers: 3 layers
Layer: {ForeignNode[a...b]} Host Persistent: 80 bytes Device Persistent: 0 bytes Scratch Memory: 999 bytes
Skipped printing memory information for 0 layers with 0 memory size i.e. Host Persistent + Scratch Memory == 0.
Total Host Persistent Memory: 80 bytes
Total Device Persistent Memory: 7 bytes
Max Scratch Memory: 100 bytes
Total Activation Memory: 300 bytes
Total Weights Memory: 500 bytes"""


def network(batch: int | tuple[int, int, int] = 1) -> Network:
    generator = np.random.default_rng(0)
    weights = {
        f"{i}.{name}": generator.standard_normal(shape).astype(np.float32)
        for i in range(2)
        for name, shape in (("weight", (CHANNELS, CHANNELS, K, K)), ("bias", (CHANNELS,)))
    }
    net = Network(weights)
    x = net.input("x", (batch, CHANNELS, 32, 32))
    for i in range(2):
        x = relu(conv2d(net.root / i, x, CHANNELS, K, padding=1))
    net.output("y", x)
    return net


def logged(net: Network, *profiles: int) -> BuildLog:
    """The log of a build with an optimization profile for each largest batch."""
    config = net.builder.create_builder_config()
    for batch in profiles:
        profile = net.builder.create_optimization_profile()
        profile.set_shape("x", *((n, CHANNELS, 32, 32) for n in (1, 1, batch)))
        config.add_optimization_profile(profile)
    with tensorrt.log.listening() as lines:
        assert net.builder.build_serialized_network(net.trt, config) is not None
    return BuildLog.of(lines)


def test_a_build() -> None:
    net = network()
    found = logged(net)
    assert found.layers == net.trt.num_layers == 4
    assert found.engine_layers is not None
    assert 1 <= found.engine_layers <= 4
    assert found.weights is not None
    assert 2 * 4 * (WEIGHT + CHANNELS) <= found.weights < 2.2 * 4 * WEIGHT
    assert found.scratch is not None
    assert found.activation is not None
    assert found.activation >= 4 * CHANNELS * 32 * 32  # what lies between the two convolutions
    assert 0 <= found.scratch <= found.activation


def test_the_largest_of_several_profiles_counts() -> None:
    batches = [(1,), (8,), (1, 8), (8, 1)]
    small, large, both, reverse = (logged(network((1, 1, 8)), *sizes).activation for sizes in batches)
    assert small is not None
    assert large is not None
    assert small < large == both == reverse


def test_the_lines_that_count() -> None:
    assert BuildLog.of(LINES.splitlines()) == BuildLog(225, 3, 100, 300, 500)


def test_the_words_of_older_releases() -> None:
    lines = [
        "Total Scratch Memory: 4608",
        "Total Activation Memory: 3120566272",
        " Total Weights Memory: 14483464192\n",
    ]
    assert BuildLog.of(lines) == BuildLog(scratch=4608, activation=3120566272, weights=14483464192)


def test_what_is_not_logged_is_none() -> None:
    assert BuildLog.of([]) == BuildLog(None, None, None, None, None)
    assert BuildLog.of(["Total Weights Memory: unknown"]).weights is None
