"""Memory: keep what was freed on the CPU for the next frame, and know when there is no more."""
from __future__ import annotations

from collections.abc import Iterator
import ctypes
import sys
from typing import Any

import torch

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4

NO_ENGINE = 'unable to find an engine to execute this computation'
'''A convolution of cuDNN whose algorithms all failed; it does not say why.'''
# What libraries beneath PyTorch say, PyTorch itself on a Jetson, and onnxruntime.
NO_ROOM = ('CUDA error: out of memory', 'CUDA driver error: out of memory', '_ALLOC_FAILED',
           '_ALLOCATION_FAILED', 'CUBLAS_STATUS_NOT_INITIALIZED', 'DefaultCPUAllocator',
           'NVML_SUCCESS ==', 'Failed to allocate memory for requested buffer', NO_ENGINE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device had no room; often that is said in words only, or by a cause."""
    return any(isinstance(cause, (torch.cuda.OutOfMemoryError, MemoryError)) or (
        isinstance(cause, RuntimeError) and any(words in str(cause) for words in NO_ROOM))
        for cause in causes(error))


def shortage(error: BaseException) -> str:
    """Name an error that `is_out_of_memory`."""
    if any(NO_ENGINE in str(cause) for cause in causes(error)):
        return 'out of memory (or a GPU or precision that cuDNN does not support)'
    return 'out of memory'


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, as a traceback would show."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


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


def clear_workspaces() -> None:
    """Free the workspaces of cuBLAS, of which it keeps one for every stream that there ever was.

    It makes another when it needs one.
    """
    clear = getattr(torch._C, '_cuda_clearCublasWorkspaces', None)
    if clear is not None:
        clear()


def _of_c_library(name: str) -> Any:
    """A function of glibc, None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith('linux') else None
