"""What users wrote: how it is called, so that whatever goes wrong there is one line that says where, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wtsnet.errors import RunnerError, WtsnetError, place_of

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
        place = place_of(error)
        raise RunnerError(f"{what}{place and f' ({place})'}: {type(error).__name__}: {error}") from error


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
