"""The peak memory of a run: of the GPU, or else of the process.

Linux lets a process start its peak anew. Elsewhere the peak is that of the whole process, so that
it is known for the first run alone.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch
from torch import nn

_RESET_PEAK: Final = "5"  # see proc_pid_clear_refs(5)


class PeakMemory:
    """The peak memory of this process since the last run started."""

    def __init__(self) -> None:
        self._runs = 0
        self._is_of_run = True

    def start(self) -> None:
        """Start the peak of a run, so that it does not include that of an earlier one."""
        if torch.cuda.is_initialized():
            for number in range(torch.cuda.device_count()):
                torch.cuda.reset_peak_memory_stats(number)
        self._is_of_run = _reset() or self._runs == 0
        self._runs += 1

    def mib(self, model: nn.Module) -> float | None:
        """Return the peak so far in MiB, on the device of a model.

        None on systems that do not report it, or only that of several runs together.
        """
        device = next(model.parameters()).device
        if device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
        return _process_peak_mib() if self._is_of_run else None


PEAK: Final = PeakMemory()


def _reset() -> bool:
    """Start the peak of the process anew; return whether that is possible."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
        return True
    return False


def _process_peak_mib() -> float | None:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10, 1)
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
