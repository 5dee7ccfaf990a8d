"""The memory that is free now, as the system and its control group state it."""

from __future__ import annotations

import os
import sys

__all__ = ["free_memory"]

MEMORY_INFO = "/proc/meminfo"
GROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files with the limit and the use of a container, in version 2 and 1 of control groups."""


def free_memory() -> int | None:
    """Return the bytes that programs can still take without swapping; None where the system does not say.

    A container's limit counts too. Its use includes files that the system can drop, so that the result may be low.
    """
    free = [bytes_ for bytes_ in (_of_system(), _of_group()) if bytes_ is not None]
    return min(free) if free else None


def _of_system() -> int | None:
    if sys.platform == "win32":
        return _of_windows()
    try:
        with open(MEMORY_INFO, encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):  # another system than Linux
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _of_windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "free", *(f"unused_{n}" for n in range(5)))),
        )

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  other systems' type stubs lack it
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def _of_group() -> int | None:
    for limit_file, used_file in GROUP_LIMITS:
        try:
            with open(limit_file, encoding="ascii") as limit, open(used_file, encoding="ascii") as used:
                return max(int(limit.read()) - int(used.read()), 0)
        except (OSError, ValueError):  # no group of this version, or "max": no limit
            continue
    return None
