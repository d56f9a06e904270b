"""Maps and rows are views of each other, in the order that convolutions want."""
from __future__ import annotations

import torch

from tdnet_ros.stream.engines.layers import maps, tokens


def test_maps_are_rows_without_a_copy() -> None:
    rows = torch.randn(1, 15, 8)
    viewed = maps(rows, (3, 5))
    assert viewed.shape == (1, 8, 3, 5)
    assert viewed.is_contiguous(memory_format=torch.channels_last), 'or norms and kernels copy'
    assert torch.equal(viewed[0, :, 1, 2], rows[0, 7])
    assert tokens(viewed).data_ptr() == rows.data_ptr()
    assert torch.equal(tokens(viewed), rows)


def test_rows_of_every_second_position_are_packed() -> None:
    viewed = maps(torch.randn(2, 15, 8), (3, 5))[..., ::2, ::2]
    rows = tokens(viewed)
    assert rows.is_contiguous()
    assert torch.equal(rows[1, 4], viewed[1, :, 1, 1])
