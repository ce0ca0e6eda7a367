"""What users wrote: how it is called, so that whatever goes wrong there is one line that says where, and with what."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError, WtsnetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def call_own(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a user's function gives. `what` says what it is, as in "the decoder of 'ocr'".

    Raises:
        RunnerError: the function raised something; its file, its line and the error are told. WtsnetErrors pass.
    """
    try:
        return function(*arguments)
    except WtsnetError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is this function
        lines = [frame.lineno for frame in frames if frame.filename == frames[0].filename]
        at = f" ({frames[0].filename}, line {lines[-1]})" if lines else ""
        raise RunnerError(f"{what}{at}: {type(error).__name__}: {error}") from error


def rows_of(outputs: Mapping[str, NDArray[Any]], count: int) -> list[dict[str, NDArray[Any]]]:
    """Each of the `count` rows of a batch of outputs, without the batch axis.

    Raises:
        RunnerError: an output is not as long.
    """
    for name, array in outputs.items():
        if array.shape[:1] != (count,):
            raise RunnerError(
                f"output {name!r}: found shape {array.shape}, expected {count} along its first axis, one for each row "
                "of the batch"
            )
    return [{name: array[i] for name, array in outputs.items()} for i in range(count)]
