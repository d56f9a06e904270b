"""What a memory holds, carried over to another size of the network's input."""
from __future__ import annotations

from math import ceil

import torch
from torch import Tensor

from tdnet_ros.nets.attention import PathFeatures
from tdnet_ros.nets.pyramid import upsample
from tdnet_ros.stream.engines.layers import maps, tokens
from tdnet_ros.stream.engines.step import StepFeatures

FEATURE_STRIDE = 8
'''Input pixels per position of the features before they are subsampled.'''
Size = tuple[int, int]


def resample_step(features: StepFeatures, old: Size, new: Size, stride: int) -> StepFeatures:
    """Resample rows from one input size, (height, width), to another.

    stride: by what the memory subsamples. An affinity is resampled on both sides; its rows
    still sum to one.
    """
    grids = _grid(old, stride), _grid(new, stride)
    key, value = (_rows(rows, *grids) for rows in (features.key, features.value))
    if features.affinity is None:
        return StepFeatures(key, value, None)
    affinity = _rows(_rows(features.affinity, *grids).transpose(1, 2), *grids).transpose(1, 2)
    return StepFeatures(key, value, (affinity / affinity.sum(-1, keepdim=True)).contiguous())


def resample_path(features: PathFeatures, new: Size, stride: int) -> PathFeatures:
    """Resample maps to another input size, (height, width)."""
    return PathFeatures(*(upsample(part, _grid(new, stride)) for part in features))


def _rows(rows: Tensor, old: Size, new: Size) -> Tensor:
    resampled: Tensor = upsample(maps(rows, old), new)
    return tokens(resampled.contiguous(memory_format=torch.channels_last)).contiguous()


def _grid(size: Size, stride: int) -> Size:
    """Height and width of what is kept of an input."""
    height, width = (ceil(ceil(side / FEATURE_STRIDE) / stride) for side in size)
    return height, width
