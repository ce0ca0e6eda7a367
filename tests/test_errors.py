"""wtsnet/errors.py: the tree is as its docstring draws it, and each error is public or found below one that is."""

from __future__ import annotations

import re
from typing import Any

import pytest

import wtsnet
from wtsnet import errors


def drawn() -> dict[str, str]:
    """Each class in the docstring's drawing, with the one that it hangs below."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"[ │├└─]*(\w+Error)\b", line):
            depth, name = match.start(1), match[1]
            above = [one for one in above if one[0] < depth]
            parents[name] = above[-1][1] if above else "Exception"
            above.append((depth, name))
    return parents


def test_the_drawing_is_the_tree() -> None:
    classes = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    assert classes.pop("WtsnetWarning").__bases__ == (UserWarning,)
    assert drawn() == {name: value.__bases__[0].__name__ for name, value in classes.items()}
    assert all(value.__doc__ for value in classes.values())


def test_the_public_ones() -> None:
    assert issubclass(wtsnet.WtsError, wtsnet.WtsnetError)
    assert wtsnet.WtsnetError is errors.WtsnetError


def test_a_warning_is_about_the_users_line() -> None:
    room: dict[str, Any] = {"__name__": "wtsnet.x"}
    exec("from wtsnet.errors import warn\ndef inner(): warn('without the moon')", room)
    with pytest.warns(wtsnet.WtsnetWarning, match="^without the moon$") as caught:
        room["inner"]()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("resnet81", ["resnet18", "lenet"], "; did you mean 'resnet18'?"),
        ("xyz", ["resnet18"], ""),
        ("a", [], ""),
    ],
)
def test_nearest(name: str, known: list[str], text: str) -> None:
    assert errors.nearest(name, known) == text
    assert errors.nearest(name, iter(known)) == text
