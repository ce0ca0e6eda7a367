"""wtsnet/errors.py: the tree is as its docstring draws it, and each error is public or found below one that is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
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
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
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


def test_a_warning_is_said_once_where_nobody_says_otherwise() -> None:
    code = "from wtsnet.errors import warn\nfor _ in range(3):\n    warn('moon')\nwarn('moon')\nwarn('sun')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [done.stderr.count(word) for word in ("moon", "sun")] == [1, 1]


def test_the_place_of_an_error_is_in_nobodys_package() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        json.loads("1.5", parse_float=lambda text: 1 / 0)
    line = (place := errors.place_of(caught.value)).rpartition(" ")[2]
    assert place.startswith(f"{__file__}, line ")
    assert "parse_float" in Path(__file__).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    with pytest.raises(SyntaxError) as wrong:
        compile("def f(:", "some.py", "exec")
    assert errors.place_of(wrong.value) == "some.py, line 1"


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
