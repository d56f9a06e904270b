"""The parts of the network against formulas."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from tdnet_ros.nets.architecture import aligned_size
from tdnet_ros.nets.attention import PropagationHop
from tdnet_ros.nets.head import SpatialNorm
from tdnet_ros.nets.pyramid import PyramidPooling, upsample


def test_hop_is_attention_then_fc() -> None:
    hop = PropagationHop(6).eval()
    query, key, value = torch.randn(1, 4, 3, 5), torch.randn(1, 4, 2, 2), torch.randn(1, 6, 2, 2)
    with torch.inference_mode():
        carried = hop(query, key, value)
        for row, column in ((0, 0), (2, 4), (1, 3)):
            scores = torch.stack([query[0, :, row, column] @ key[0, :, y, x] / 2
                                  for y in range(2) for x in range(2)])
            mixed = (torch.softmax(scores, 0) * value[0].flatten(1)).sum(1)
            expected = hop.fc.weight[:, :, 0, 0] @ mixed + hop.fc.bias
            assert torch.allclose(carried[0, :, row, column], expected, atol=1e-5)


def test_spatial_norm_at_its_native_size_is_a_layer_norm() -> None:
    norm = SpatialNorm((4, 6))
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 3, 4, 6)
    assert torch.allclose(norm(x), F.layer_norm(x, (4, 6), norm.weight, norm.bias))


def test_spatial_norm_is_resampled_with_corners_kept() -> None:
    norm = SpatialNorm((4, 6))
    torch.nn.init.normal_(norm.bias)
    torch.nn.init.zeros_(norm.weight)
    out = norm(torch.randn(1, 1, 7, 11))[0, 0]
    assert torch.allclose(out[::2, ::2], norm.bias, atol=1e-6)


def test_pyramid_groups_are_cuts_of_the_whole() -> None:
    whole = PyramidPooling(16).eval()
    stages = [torch.randn(1, 16, 9, 7)]
    blocks = whole(stages).split([16, 4, 4, 4, 4], 1)
    for group in range(2):
        part = PyramidPooling(16, groups=2, group=group).eval()
        part.load_state_dict(whole.state_dict())
        expected = torch.cat([block.chunk(2, 1)[group] for block in blocks], 1)
        assert torch.equal(part(stages), expected)


def test_bilinear_upsampling_of_an_aligned_size_returns_to_where_pixels_were() -> None:
    height, width = aligned_size((360, 480))
    assert (height, width) == (353, 481)
    x = torch.arange(float(width)).expand(1, 1, height, width)
    for stride in (4, 8, 16, 32):
        centres = x[..., ::stride, ::stride]  # what a strided convolution is centred on
        assert torch.allclose(upsample(centres, (height, width)), x, atol=1e-3)
