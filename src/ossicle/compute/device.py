"""The device and the threads of a run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import nn

from ossicle.errors import RunError

SMALL: Final = 10_000_000  # parameters; smaller models do not train faster with two threads
CHOSEN: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def pick_threads(model: nn.Module, earlier: int | None = None) -> int:
    """Return the number of torch threads for a run on a CPU.

    One for a small model, torch's default for others. The load of the machine does not count: the
    same command must give the same bits, which depend on the number of threads.

    Args:
        model: The model to train.
        earlier: The number of threads that a resumed run was started with.
    """
    if earlier is not None:
        return earlier
    parameters = list(model.parameters())
    small = parameters[0].device.type == "cpu" and sum(p.numel() for p in parameters) < SMALL
    chosen = any(name in os.environ for name in CHOSEN)
    return 1 if small and not chosen else torch.get_num_threads()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set the number of torch threads inside the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str) -> str:
    """Return the device of a name; `auto` is a GPU if there is one.

    Raises:
        RunError: torch knows no such device, or cannot use it here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()  # and back: the device 'meta' stores no values
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"device '{name}' cannot be used here: {reason}") from error
    return name


def reason_for_device() -> str:
    """Return why `pick_device("auto")` returns what it does."""
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        more = f", the first of {count} GPUs" if count > 1 else ""
        return torch.cuda.get_device_name(0) + more
    if torch.version.cuda is None and torch.version.hip is None:
        reason = f"torch {torch.__version__} is a build without GPU support"
    else:
        reason = "torch finds no GPU that it can use"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        reason += f"; CUDA_VISIBLE_DEVICES is '{os.environ['CUDA_VISIBLE_DEVICES']}'"
    if torch.backends.mps.is_available():
        reason += "; --device mps is available, but `auto` does not choose it"
    return reason


def check_compiler(device: str) -> None:
    """Raise if `torch.compile` has no C++ compiler, which it needs on a CPU.

    Raises:
        RunError: no C++ compiler is on the PATH.
    """
    if device == "cpu" and not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        raise RunError(
            "--compile needs a C++ compiler, and the PATH contains none; install g++, or leave "
            "--compile out"
        )
