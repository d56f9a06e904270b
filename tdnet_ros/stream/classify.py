"""From logits to the best class of every pixel of the camera's image."""
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from tdnet_ros.nets.pyramid import upsample

SLICE = 1 << 18
'''Elements that are interpolated at a time at full size: they stay in the processor's cache.'''


def classify(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample logits [1, C, h, w] to (H, W) and return the best classes, uint8 [H, W].

    On the CPU only pixels between corners of different classes are interpolated: where one
    class is best at all four corners it is best at every point between them, for a point's
    logits are a weighted mean of the corners'.
    """
    height, width = logits.shape[-2:]
    if (logits.device.type != 'cpu' or min(height, width) < 2
            or size[0] < height or size[1] < width):
        return dense_labels(logits, size)
    best = logits[0].argmax(0).to(torch.uint8)
    corner = best[:-1, :-1]
    mixed = (corner != best[1:, :-1]) | (corner != best[:-1, 1:]) | (corner != best[1:, 1:])
    down, across = _axis(height, size[0]), _axis(width, size[1])
    labels = corner.index_select(1, across.cell).index_select(0, down.cell)
    y, x = mixed.nonzero(as_tuple=True)
    between = _between(logits[0].flatten(1), y * width + x, width, down.within[y],
                       across.within[x]).max(0).indices
    pixels = down.pixels[y, :, None] * size[1] + across.pixels[x, None]
    labels.view(-1)[pixels.view(-1)] = between.view(-1).to(torch.uint8)
    return labels


def dense_labels(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Do what `classify` does, but interpolate every pixel: one graph of fixed shape."""
    return upsample(logits, size)[0].argmax(0).to(torch.uint8)


def with_confidence(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Labels as of `classify`, and the probability of each, 0 to 255, as uint8 [H, W].

    On a GPU, where tensors of a camera's size are large, both are of the same one.
    """
    height = logits.shape[-2]
    if logits.device.type != 'cpu':
        full = _upsampled(logits, size)
        return dense_labels(full, size), _confidence(full[0])
    labels = classify(logits, size)
    if min(height, size[0]) < 2:
        return labels, _confidence(_upsampled(logits, size)[0])
    wide, down = upsample(logits.contiguous(), (height, size[1]))[0], _axis(height, size[0])
    rows = max(1, SLICE // (len(wide) * size[1]))
    return labels, torch.cat([
        _confidence(torch.lerp(wide[:, cell], wide[:, cell + 1], fraction[:, None]))
        for cell, fraction in zip(down.cell.split(rows), down.fraction.split(rows), strict=True)])


def _upsampled(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample into a tensor that may be overwritten."""
    full = upsample(logits, size)
    return full.clone() if full is logits else full


def _confidence(logits: Tensor) -> Tensor:
    """Probability of the best class from logits [C, H, W], which it overwrites, as uint8."""
    return (255 / logits.sub_(logits.amax(0)).exp_().sum(0)).round().to(torch.uint8)


class _Axis(NamedTuple):
    """Where the pixels of one axis lie between the positions of the logits.

    `pixels` and `within` have a row for each of the `cells` between two positions, filled up
    with its last pixel.
    """

    cell: Tensor
    '''int64 [pixels]: the position before each pixel.'''
    fraction: Tensor
    '''float32 [pixels]: way from there to the next, 0 to 1.'''
    pixels: Tensor
    '''int64 [cells, most pixels in one]'''
    within: Tensor
    '''float32, of that shape: their fraction.'''


@lru_cache(maxsize=16)
def _axis(length: int, pixels: int) -> _Axis:
    """Place pixels along positions so that corners stay corners, as `upsample` does."""
    at = torch.arange(pixels, dtype=torch.float64) * ((length - 1) / (pixels - 1))
    cell = at.long().clamp_max(length - 2)
    fraction = (at - cell).float()
    counts = torch.bincount(cell, minlength=length - 1)
    first = counts.cumsum(0) - counts
    inside = torch.minimum(torch.arange(int(counts.max())), (counts - 1)[:, None])
    members = (first[:, None] + inside).clamp(0, pixels - 1)
    return _Axis(cell, fraction, members, fraction[members])


def _between(maps: Tensor, corner: Tensor, width: int, below: Tensor, right: Tensor) -> Tensor:
    """Interpolate inside cells of maps [C, h*w]: their upper left corners [M], fractions
    [M, rows] and [M, columns]; returns [C, M, rows, columns].
    """
    upper, lower = (
        (maps[:, start, None], maps[:, start + 1, None]) for start in (corner, corner + width))
    left, beside = (torch.lerp(up, down, below) for up, down in zip(upper, lower, strict=True))
    return torch.addcmul(left[..., None], (beside - left)[..., None], right[:, None])
