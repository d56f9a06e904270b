"""Encoding and attention propagation between frames (TDNet sections 3.2 and 3.3)."""
from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn


class PathFeatures(NamedTuple):
    """What one frame leaves in the memory, subsampled by the architecture's memory stride."""

    query: Tensor
    '''[B, Ck, h, w]'''
    key: Tensor
    '''[B, Ck, h, w]'''
    value: Tensor
    '''[B, Cv, h, w]'''


WAVELENGTHS = (8, 16, 32, 64)
'''Of the waves that places are written in, in positions of stride 8.'''
PLACE_CHANNELS = 4 * len(WAVELENGTHS)


@cache  # never dropped: recorded graphs read them
def places(size: tuple[int, int], stride: int, dtype: torch.dtype,
           device: torch.device) -> Tensor:
    """Return [PLACE_CHANNELS, h, w]: where the positions of a map of (h, w) lie, as waves.

    stride: by what the map was subsampled. Of each wavelength there are cosine and sine over x
    and y, so that the product of two positions is a sum of cosines of their distance: largest,
    2 * len(WAVELENGTHS), at one place.
    """
    y, x = torch.meshgrid(*(stride * torch.arange(side) for side in size), indexing='ij')
    angles = [2 * torch.pi * axis / length for length in WAVELENGTHS for axis in (y, x)]
    waves = torch.stack([wave(angle) for wave in (torch.cos, torch.sin) for angle in angles])
    return waves.to(device, dtype)


def with_places(maps: Tensor, stride: int, factor: float = 1.0) -> Tensor:
    """Append `places`, times a factor, to a query or key [B, Ck, h, w]."""
    waves = places((maps.shape[-2], maps.shape[-1]), stride, maps.dtype, maps.device)
    return torch.cat((maps, (factor * waves).expand(len(maps), -1, -1, -1)), 1)


class Encoder(nn.Module):
    """Three 1x1 branches on the sub-features z [B, C, h, w]: query, key and value."""

    def __init__(self, channels: int, key_channels: int, value_channels: int) -> None:
        super().__init__()
        self.query = _projection(channels, key_channels)
        self.key = _projection(channels, key_channels)
        self.value = nn.Conv2d(channels, value_channels, 1)


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(),
                         nn.Conv2d(outputs, outputs, 1))


class PropagationHop(nn.Module):
    """Carry the values of one frame to the positions of a later one (equation 3)."""

    def __init__(self, channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from the later frame's query to the earlier frame's key and value.

        query [B, Ck, h, w], key [B, Ck, h', w'], value [B, Cv, h', w']; returns [B, Cv, h, w].
        """
        batch, channels, height, width = query.shape
        scores = query.flatten(2).transpose(1, 2) @ key.flatten(2) / channels**0.5
        affinity = self.dropout(torch.softmax(scores, dim=-1))
        attended = value.flatten(2) @ affinity.transpose(1, 2)
        carried: Tensor = self.dropout(self.fc(attended.view(batch, -1, height, width)))
        return carried
