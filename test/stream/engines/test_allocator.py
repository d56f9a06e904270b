"""What counts as the end of the device's memory."""
from __future__ import annotations

import pytest
import torch

from tdnet_ros.stream.engines.allocator import NO_ENGINE, is_out_of_memory, shortage


@pytest.mark.parametrize('error', [
    torch.cuda.OutOfMemoryError('no room'), MemoryError(),
    RuntimeError('CUDA error: out of memory'),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp"'),
    RuntimeError('CUDA driver error: out of memory'),
    RuntimeError('onnxruntime failed: Failed to allocate memory for requested buffer of size 9'),
    RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)'),
    RuntimeError('cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED'),
    RuntimeError('GET was unable to find an engine to execute this computation')])
def test_it_is_known_in_all_its_disguises(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize('error', [
    RuntimeError('no room'), ValueError('CUDA error: out of memory'),
    RuntimeError('CUDA error: an illegal memory access was encountered')])
def test_nothing_else_is(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_what_led_to_an_error_counts() -> None:
    """A CUDA graph that cannot be ended says so in place of why it was broken off."""
    error = RuntimeError('CUDA error: operation failed due to a previous error during capture')
    error.__context__ = torch.cuda.OutOfMemoryError('no room')
    assert is_out_of_memory(error)
    error.__suppress_context__ = True  # raised from None
    assert not is_out_of_memory(error)


def test_what_cudnn_says_may_mean_something_else() -> None:
    assert shortage(torch.cuda.OutOfMemoryError('no room')) == 'out of memory'
    error = RuntimeError('operation failed due to a previous error during capture')
    error.__context__ = RuntimeError(f'GET was {NO_ENGINE}')
    assert shortage(error) == (
        'out of memory (or a GPU or precision that cuDNN does not support)')
