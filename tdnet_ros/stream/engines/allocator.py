"""Memory of the CPU: keep what was freed for the next frame."""
from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Ask the C library not to return large freed blocks to the kernel; whether it agreed.

    By default each large tensor is mapped anew for every frame, and the kernel zeroes its
    pages: 5 to 15 % of a frame's time. This holds for the whole process; its memory stays at
    the peak of one frame. Only glibc is asked; elsewhere nothing changes.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all((
        mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, 2**31 - 1)))
