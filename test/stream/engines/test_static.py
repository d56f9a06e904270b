"""A step with tensors of fixed shape: what stands for frames that have not come yet."""
from __future__ import annotations

import pytest
import torch

from tdnet_ros.stream.engines.static import empty_memory, input_names, placeholder
from tdnet_ros.stream.engines.step import StepFeatures


@pytest.mark.parametrize('paths', [2, 4])
def test_a_placeholder_takes_no_memory(paths: int) -> None:
    blank = placeholder(StepFeatures(torch.ones(1, 50, 4), torch.ones(1, 50, 8), None), paths)
    parts = [part for part in blank if part is not None]
    assert [tuple(part.shape) for part in parts] == (
        [(1, 50, 4), (1, 50, 8), (1, 50, 50)] if paths > 2 else [(1, 50, 4), (1, 50, 8)])
    assert {part.untyped_storage().data_ptr() for part in parts} == {parts[0].data_ptr()}
    assert parts[0].untyped_storage().nbytes() == 4
    assert not any(part.any() for part in parts)


def test_inputs_of_a_step_share_nothing() -> None:
    blank = placeholder(StepFeatures(torch.ones(1, 50, 4), torch.ones(1, 50, 8), None), 4)
    tensors = empty_memory(blank, 4)
    assert len(tensors) == len(input_names(4)) - len(['image', 'share'])
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)
    assert all(tensor.is_contiguous() for tensor in tensors)
