"""Encoding and attention propagation between frames (TDNet sections 3.2 and 3.3)."""
from __future__ import annotations

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
