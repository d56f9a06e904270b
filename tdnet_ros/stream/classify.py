"""From logits to the best class of every pixel of the camera's image."""
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
import torch.nn.functional as F

from tdnet_ros.nets.pyramid import upsample

MIXED = 255
'''Marks a cell whose corners differ in their best class.'''


def classify(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample logits [1, C, h, w] to (H, W) and return the best classes, uint8 [H, W].

    On the CPU only pixels between corners of different classes are interpolated: where one
    class is best at all four corners it is best at every point between them, for a point's
    logits are a weighted mean of the corners'.
    """
    if logits.device.type != 'cpu' or min(*logits.shape[-2:], *size) < 2:
        return dense_labels(logits, size)
    height, width = logits.shape[-2:]
    rows = logits[0].permute(1, 2, 0).reshape(height * width, -1)
    best = rows.argmax(1).to(torch.uint8).view(height, width)
    corner = best[:-1, :-1]
    mixed = (corner != best[1:, :-1]) | (corner != best[:-1, 1:]) | (corner != best[1:, 1:])
    cells = torch.where(mixed, MIXED, corner)
    down, across = _axis(height, size[0]), _axis(width, size[1])
    labels = cells.index_select(1, across.cell).index_select(0, down.cell)
    pixels = (labels.view(-1) == MIXED).nonzero()[:, 0]
    y, x = pixels // size[1], pixels % size[1]
    first = down.cell[y] * width + across.cell[x]
    corners = torch.stack((first, first + 1, first + width, first + width + 1), 1)
    below, right = down.fraction[y], across.fraction[x]
    weights = torch.stack(((1 - below) * (1 - right), (1 - below) * right,
                           below * (1 - right), below * right), 1)
    between = F.embedding_bag(corners, rows, mode='sum', per_sample_weights=weights)
    labels.view(-1)[pixels] = between.argmax(1).to(torch.uint8)
    return labels


def dense_labels(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Do what `classify` does, but interpolate every pixel: one graph of fixed shape."""
    return upsample(logits, size)[0].argmax(0).to(torch.uint8)


def confidence_of(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Probability of the best class at every pixel, 0 to 255, as uint8 [H, W]."""
    full = upsample(logits.contiguous(memory_format=torch.channels_last), size)[0]
    return (torch.softmax(full, 0).amax(0) * 255).round().to(torch.uint8)


class _Axis(NamedTuple):
    """Where the pixels of one axis lie between the positions of the logits."""

    cell: Tensor
    '''Index of the position before.'''
    fraction: Tensor
    '''Way from there to the next, 0 to 1.'''


@lru_cache(maxsize=16)
def _axis(length: int, pixels: int) -> _Axis:
    """Place pixels along positions so that corners stay corners, as `upsample` does."""
    at = torch.arange(pixels, dtype=torch.float64) * ((length - 1) / (pixels - 1))
    cell = at.long().clamp_max(length - 2)
    return _Axis(cell, (at - cell).float())
