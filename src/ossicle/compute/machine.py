"""Cores and memory that this process may use; importing it does not import torch."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")


def num_cores() -> int:
    """Return the number of processor cores that this process may use."""
    with suppress(AttributeError):  # only Linux has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_bytes() -> int | None:
    """Return the memory that is available now, in this container; None where it is unknown."""
    found = [_meminfo("MemAvailable:"), _container_bytes()]
    return min((one for one in found if one is not None), default=None)


def total_bytes() -> int | None:
    """Return the memory of the machine, or the limit of this container; None if it is unknown."""
    found = [_meminfo("MemTotal:"), _container_limit()]
    return min((one for one in found if one is not None), default=None)


def _meminfo(name: str) -> int | None:
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) << 10
    return None


def _container_limit() -> int | None:
    """Return the memory limit of a container (cgroup version 2); None if there is none."""
    with suppress(OSError, ValueError):
        return int((_CGROUP / "memory.max").read_text(encoding="ascii"))
    return None


def _container_bytes() -> int | None:
    """Return what the memory limit of a container leaves."""
    limit = _container_limit()
    with suppress(OSError, ValueError):
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        return None if limit is None else max(0, limit - used)
    return None
