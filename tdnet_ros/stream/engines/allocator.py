"""Memory of the CPU: keep what was freed for the next frame, until the network goes."""
from __future__ import annotations

import ctypes
import sys
from typing import Any

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Ask the C library not to return large freed blocks to the kernel; whether it agreed.

    By default each large tensor is mapped anew for every frame, and the kernel zeroes its
    pages: 5 to 15 % of a frame's time. This holds for the whole process; its memory stays at
    the peak of one frame. Only glibc is asked; elsewhere nothing changes.
    """
    mallopt = _of_c_library('mallopt')
    return mallopt is not None and all((
        mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, 2**31 - 1)))


def return_freed_memory() -> None:
    """Ask the C library to return to the kernel what `keep_freed_memory` made it keep."""
    trim = _of_c_library('malloc_trim')
    if trim is not None:
        trim(0)


def _of_c_library(name: str) -> Any:
    """A function of glibc, None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith('linux') else None
