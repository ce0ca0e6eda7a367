"""Weights whose names are not their modules' paths.

A package may rename its modules and go on publishing weights under the old names, as transformers 5 does. A `Renamed`
scope has the modules' paths of today, which `wtsnet verify` compares by, and looks weights up by the published names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wtsnet.network import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Network

    Rules = Sequence[tuple[str, str]]


class Renamed(Scope):
    """A scope whose weights go by other names than its modules: `rules` are applied to each name in turn, as
    (regular expression, what `re.sub` puts in its place)."""

    __slots__ = ("rules",)

    def __init__(self, net: Network, path: str, rules: Rules) -> None:
        super().__init__(net, path)
        self.rules = rules

    def __truediv__(self, child: str | int) -> Renamed:
        return Renamed(self.net, super().__truediv__(child).path, self.rules)

    def key(self, name: str) -> str:
        """The full name of this module's weight `name`, as it was published."""
        full = super().key(name)
        for pattern, replacement in self.rules:
            full = re.sub(pattern, replacement, full)
        return full


def as_stored(s: Scope, name: str, rules: Rules) -> Scope:
    """`s`, or where the weights lack `name` and have it as the rules call it, `s` with those names."""
    renamed = Renamed(s.net, s.path, rules)
    return renamed if not s.has(name) and renamed.has(name) else s
