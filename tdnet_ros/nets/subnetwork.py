"""One path of TDNet: the only place where the order of its parts is written."""
from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.attention import (
    PLACE_CHANNELS,
    Encoder,
    PathFeatures,
    PropagationHop,
    with_places,
)
from tdnet_ros.nets.backbone import Backbone
from tdnet_ros.nets.bisenet import BiSeContext
from tdnet_ros.nets.fanet import FastAttentionContext
from tdnet_ros.nets.pyramid import PyramidPooling, upsample

FEATURE_STRIDE = 8
'''Input pixels per position of the features before they are subsampled.'''


class EncodedFrame(NamedTuple):
    """The current frame's own features, before anything is propagated to them."""

    query: Tensor
    '''[B, Ck, h/8, w/8]'''
    value: Tensor
    '''[B, Cv, h/8, w/8]'''
    detail: Tensor
    '''[B, D, h', w'], the backbone's first layer; a head of output stride 4 wants it at h/4.'''
    features: PathFeatures
    '''What goes into the memory.'''


def build_context(architecture: Architecture, group: int = 0) -> nn.Module:
    """Build what turns backbone stages into sub-features z at stride 8."""
    contexts = {'bise': BiSeContext, 'fa': FastAttentionContext}
    if architecture.context in contexts:
        return contexts[architecture.context](architecture)
    return PyramidPooling(architecture.stage_channels[-1], architecture.groups, group)


def grid(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return the (height, width) of the maps that a picture of `size` has at a stride."""
    return ceil(size[0] / stride), ceil(size[1] / stride)


class SubNetwork(nn.Module):
    """Backbone, context, encoder and the N-1 propagation hops of one path."""

    def __init__(self, architecture: Architecture, path: int) -> None:
        super().__init__()
        channels = architecture.head_channels
        self.architecture, self.path = architecture, path
        self.stride = architecture.memory_stride
        self.backbone = Backbone(architecture, first=architecture.shared_stages)
        self.context = build_context(architecture, group=path % architecture.groups)
        self.encoder = Encoder(architecture.feature_channels, architecture.key_channels, channels)
        self.hops = nn.ModuleList(
            PropagationHop(channels) for _ in range(architecture.paths - 1))

    def view(self, image: Tensor) -> Tensor:
        """Stretch a picture [B, 3, h, w] as this path sees it."""
        return upsample(image, self.architecture.view_size(
            (image.shape[-2], image.shape[-1]), self.path))

    def encode(self, shared: list[Tensor], size: tuple[int, int]) -> EncodedFrame:
        """Map the view and the outputs of the shared stages, if any, to this path's features.

        size: (height, width) of the picture before it was stretched; all features have its grid.

        The 1x1 encoder commutes with subsampling, so the memory takes every `stride`-th
        position of what the current frame uses; the key is needed at those only.
        """
        stages = [*shared[1:], *self.backbone(shared[-1])]
        z, detail = self.context(stages), stages[1]
        if self.architecture.stretch != 1:
            z = upsample(z, grid(size, FEATURE_STRIDE))
            detail = upsample(detail, grid(size, self.architecture.output_stride))
        query, value = self.encoder.query(z), self.encoder.value(z)
        kept = (..., slice(None, None, self.stride), slice(None, None, self.stride))
        features = PathFeatures(query[kept], self.encoder.key(z[kept]), value[kept])
        return EncodedFrame(query, value, detail, features)

    def propagate(self, frame: EncodedFrame, memory: Sequence[PathFeatures]) -> Tensor:
        """Add to the frame's value what the memory carries to it (equation 4).

        Hop i starts at the i-th oldest frame, whose path is (own path + 1 + i) mod N. With a
        memory that is not full nothing is carried, as in the authors' release.
        """
        if not self.hops or len(memory) < len(self.hops):
            return frame.value
        queries = [*((entry.query, self.stride) for entry in memory[1:]), (frame.query, 1)]
        carried = torch.zeros_like(memory[0].value)
        for hop, entry, (query, stride) in zip(self.hops, memory, queries, strict=True):
            key = entry.key
            if nearness := self.architecture.nearness:
                root = (key.shape[1] + PLACE_CHANNELS) ** 0.5  # by which the hop divides
                query = with_places(query, stride, nearness * root)
                key = with_places(key, self.stride)
            carried = hop(query, key, entry.value + carried)
        return frame.value + carried
