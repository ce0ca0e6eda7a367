"""One block in a network of its own, compared with its upstream twin module by module."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from tests.ops.support import Size, close
from tests.upstream.realistic import realistic
from wtsnet.blocks.yolo.lists import Architecture
from wtsnet.network import Network, Tensor
from wtsnet.reference import ReferenceRunner

PATH = "model.3"
EPS = 1e-3  # of every batch norm in an upstream model that is made of lists


def picture(channels: int, height: int = 6, width: int = 10, batch: int = 2, seed: int = 0) -> torch.Tensor:
    """A map that a block takes, always the same."""
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(seed))


def architecture(scale: str = "", **facts: Any) -> Architecture:
    """What a block is told of the lists that it is in."""
    return Architecture.read({"backbone": [], "head": [], "nc": -1, "scale": scale} | facts, "lists")


def check_block(
    op: Callable[..., Any],
    module: nn.Module,
    x: torch.Tensor,
    fused: str = "",
    hidden: str = "",
    sizes: Sequence[Size] | None = None,
    tol: float = 1e-5,
) -> None:
    """`op(scope, x)` gives what `module(x)` gives, and so does every module in it but for those without weights of
    which the network tells nothing; with batch norms folded and not, and with all weights used.

    Args:
        fused: a regular expression for the paths in the block that are gone where batch norms are folded.
        hidden: the same for paths that the network never has.
        sizes: of the network's input, where they are known only at run time.
    """
    torch.manual_seed(0)
    prepare(module, x)
    expected = recorded(module, x)
    for fold_bn in (True, False):
        state = {f"{PATH}.{key}": value for key, value in module.state_dict().items()}
        net = Network(state, fold_bn=fold_bn)
        op(net.root / "model" / 3, net.input("x", sizes or tuple(x.shape)))
        assert net.weights.unused() == []
        skipped = {name for name in expected if _is(name, hidden) or (fold_bn and _is(name, fused))}
        skipped |= {name for name in expected if fold_bn and _folds(_part(module, name))}
        made = dict(_tensors(net))
        skipped |= {name for name in expected if name not in made and _is_weightless(_part(module, name), module)}
        wanted = {name: value for name, value in expected.items() if name not in skipped}
        outputs = {name: tensor for name, tensor in made.items() if name in wanted}
        assert set(outputs) == set(wanted)
        for i, tensor in enumerate(outputs.values()):
            net.output(f"y{i}", Tensor(net, tensor))
        found = ReferenceRunner(net.trt).run({"x": x})
        for i, name in enumerate(outputs):
            close(torch.from_numpy(found[f"y{i}"]), wanted[name], tol)


def prepare(module: nn.Module, x: torch.Tensor) -> None:
    """Realistic weights, upstream's eps, and for every block an activation of its own, which is told by its path."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = EPS
        if isinstance(act := getattr(part, "act", None), nn.Module):
            part.act = copy.deepcopy(act)
    realistic(module, x)


def recorded(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What each call of each module in `module`, and of itself, returns: `path`, `path#2`, `path[0]` …"""
    made: dict[str, torch.Tensor] = {}
    calls: Counter[str] = Counter()

    def note(path: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, out: Any) -> None:
            calls[path] += 1
            name = path if calls[path] == 1 else f"{path}#{calls[path]}"
            if isinstance(out, torch.Tensor):
                made[name] = out.clone()
            else:
                made.update({f"{name}[{i}]": one.clone() for i, one in enumerate(out) if isinstance(one, torch.Tensor)})

        return hook

    hooks = [part.register_forward_hook(note(path)) for path, part in module.named_modules()]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return made


def _is(name: str, pattern: str) -> bool:
    return bool(pattern) and re.fullmatch(pattern, name) is not None


def _part(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(re.split(r"[#\[]", name)[0])


def _folds(module: nn.Module) -> bool:
    """Whether a batch norm follows: so it is wherever upstream's convolutions have no bias."""
    return isinstance(module, nn.Conv2d) and module.bias is None


def _is_weightless(part: nn.Module, whole: nn.Module) -> bool:
    """Whether it is an activation, pooling or the like inside the block."""
    return part is not whole and not part.state_dict()


def _tensors(net: Network) -> Iterator[tuple[str, Any]]:
    for path, calls in net.modules.items():
        for i, tensor in enumerate(calls):
            inside = path.removeprefix(PATH).removeprefix(".")
            yield (inside if i == 0 else f"{inside}#{i + 1}"), tensor
