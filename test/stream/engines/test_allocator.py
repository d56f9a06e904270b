"""What counts as the end of the device's memory."""
from __future__ import annotations

import pytest
import torch

from tdnet_ros.stream.engines.allocator import is_out_of_memory


@pytest.mark.parametrize('error', [
    torch.cuda.OutOfMemoryError('no room'), MemoryError(),
    RuntimeError('CUDA error: out of memory'),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp"'),
    RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)')])
def test_it_is_known_in_all_its_disguises(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize('error', [
    RuntimeError('no room'), ValueError('CUDA error: out of memory'),
    RuntimeError('CUDA error: an illegal memory access was encountered')])
def test_nothing_else_is(error: Exception) -> None:
    assert not is_out_of_memory(error)
