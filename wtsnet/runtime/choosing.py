"""What every runner offers, and which one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from wtsnet import trt
from wtsnet.errors import RunnerError, nearest, warn
from wtsnet.runtime.fitting import misfit
from wtsnet.runtime.options import USUAL, asked_for
from wtsnet.trt import driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray
    from typing_extensions import Self

    from wtsnet.manifest import PlanManifest
    from wtsnet.network import Network
    from wtsnet.runtime.reference import PlanReferenceRunner
    from wtsnet.runtime.stats import Stats

KINDS = ("auto", "tensorrt", "reference")


class Runner(Protocol):
    """Executes an engine. `with engine.runner() as runner:` frees it at the end.

    Attributes:
        kind: "tensorrt" or "reference".
        reason: why this kind was taken, as one line.
    """

    kind: str
    reason: str

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """The outputs by name, for arrays by input name, from any thread.

        Raises:
            RunnerError: an input is missing, unknown, or of a shape or dtype that the engine does not take.
        """

    def run(self, inputs: Mapping[str, Any], outputs: str | None = None) -> dict[str, Any]:
        """The same for a mapping of inputs. `outputs`: "numpy"; on a GPU "device", where they then stay."""

    def submit(self, **inputs: Any) -> Future[dict[str, Any]]:
        """The same on another thread. The inputs must stay as they are until the future has its outputs."""

    def stream(self, frames: Iterable[Mapping[str, Any]], outputs: str | None = None) -> Iterator[dict[str, Any]]:
        """The outputs of each frame, in order; several frames are on their way at once."""

    def empty(self, name: str, shape: Sequence[int]) -> NDArray[Any]:
        """An uninitialized array of an input's dtype, in the memory from which the runner takes it fastest."""

    def stats(self) -> Stats:
        """What was done so far: bytes, counts and times of each stage."""

    def close(self) -> None:
        """Free what the runner holds."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def make_runner(
    plan: bytes, manifest: PlanManifest, network: Callable[[], Network], kind: str = "auto", **options: Any
) -> Runner:
    """A runner of a plan.

    Args:
        plan, manifest: the plan and what lies beside it.
        network: gives the network that the plan was built from; only the reference runner asks for it.
        kind, options: see `wtsnet.Engine.runner`.
    """
    if kind not in KINDS:
        raise RunnerError(f"runner: found {kind!r}, expected one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    _check_options(kind, options)
    if kind == "reference":
        return _reference(manifest, network, "asked for", options)
    number = _number(options.get("device", 0))
    problem = why_not_tensorrt(manifest, number or 0)
    if number is None and not problem:
        problem = f"device {options['device']!r} is not a GPU"
    if problem and (kind == "tensorrt" or not manifest.model):
        torch = "runner('reference') executes the network with torch"
        other = torch if manifest.model else "it comes without its network's definition, so only a GPU can run it"
        raise RunnerError(f"the plan can't run here: {problem}; {other}{_remedy(problem)}")
    if problem:
        return _in_its_place(manifest, network, problem, options)
    from wtsnet.runtime.tensorrt import TensorRTRunner

    number = number or 0
    gpu = driver().gpus[number]
    return TensorRTRunner.from_plan(plan, manifest, f"{gpu.name} fits the plan", **{**options, "device": number})


def _reference(
    manifest: PlanManifest, network: Callable[[], Network], reason: str, options: Mapping[str, Any]
) -> PlanReferenceRunner:
    from wtsnet.runtime.reference import PlanReferenceRunner

    return PlanReferenceRunner(network(), manifest, reason, **options)


def _in_its_place(
    manifest: PlanManifest, network: Callable[[], Network], problem: str, options: Mapping[str, Any]
) -> PlanReferenceRunner:
    """The reference runner where the plan can't run; one warning says so, and what is done without."""
    without = asked_for(options)
    own = {name: value for name, value in options.items() if name == "device"}
    if _number(options.get("device")) is not None:  # a GPU: the plan's, which it can't run on
        without = {**own, **without}
        own = {}
    made = _reference(manifest, network, problem, own)
    if without or not own:  # whoever names the CPU has asked for it
        lost = ", ".join(f"{name}={value!r}" for name, value in without.items())
        arrays = " (outputs are numpy arrays)" if "outputs" in without else ""
        where = "CPU" if made.device == "cpu" else made.device.upper()
        warn(
            f"the plan can't run here: {problem}; torch executes its network on the {where} instead"
            + (f", without {lost}{arrays}" if lost else "")
        )
    return made


def _number(device: Any) -> int | None:
    """The number of a CUDA device, given as torch names them ("cuda:1") or as a number; None for any other."""
    if isinstance(device, str):
        kind, _, number = device.partition(":")
        return int(number or 0) if kind == "cuda" and (number or "0").isdecimal() else None
    return device if isinstance(device, int) and not isinstance(device, bool) and device >= 0 else None


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    known = ("device",) if kind == "reference" else ("device", *USUAL)
    for name in options:
        if name not in known:
            taker = f"the {kind} runner" if kind != "auto" else "the tensorrt runner"
            raise RunnerError(
                f"runner: unknown option {name!r}{nearest(name, known)} ({taker} takes {', '.join(known)})"
            )


def why_not_tensorrt(manifest: PlanManifest, number: int = 0) -> str:
    """Why the plan can't run on this machine's GPU `number`; empty when it can."""
    if problem := _no_device(number):
        return problem
    if why := misfit(manifest, driver().gpus[number]):
        return why
    if manifest.tensorrt["flavour"] != trt.flavour():
        return f"the plan is for {manifest.tensorrt['flavour']}, installed is {trt.flavour()}"
    return _no_pycuda()


def why_no_gpu(number: int = 0) -> str:
    """Why no plan at all can run on this machine's GPU `number`; empty when some can."""
    return _no_device(number) or _no_pycuda()


def _no_device(number: int) -> str:
    found = driver()
    if found.problem:
        return found.problem
    if number >= len(found.gpus):
        return f"there is no CUDA device {number}, only {len(found.gpus)} from 0"
    return ""


def _no_pycuda() -> str:
    try:
        import pycuda.driver  # noqa: F401  # whether it can be imported is the question
    except ImportError as error:
        return f"pycuda can't be imported ({error}); pip install pycuda (it is built with the CUDA toolkit's nvcc)"
    return ""


def _remedy(problem: str) -> str:
    """What to install, where that is what lacks."""
    if problem.startswith("no NVIDIA driver"):
        return " (to run the plan, install NVIDIA's driver: https://www.nvidia.com/drivers)"
    if problem.startswith("no CUDA device"):
        return " (to run the plan, see that nvidia-smi lists a GPU and that CUDA_VISIBLE_DEVICES does not hide it)"
    return ""
