"""One path of TDNet: the only place where the order of its parts is written."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.attention import Encoder, PathFeatures, PropagationHop
from tdnet_ros.nets.backbone import Backbone
from tdnet_ros.nets.bisenet import BiSeContext
from tdnet_ros.nets.fanet import FastAttentionContext
from tdnet_ros.nets.pyramid import PyramidPooling


class EncodedFrame(NamedTuple):
    """The current frame's own features, before anything is propagated to them."""

    query: Tensor
    '''[B, Ck, h/8, w/8]'''
    value: Tensor
    '''[B, Cv, h/8, w/8]'''
    stages: list[Tensor]
    '''Outputs of all backbone stages; a head of output stride 4 wants stages[1] at h/4.'''
    features: PathFeatures
    '''What goes into the memory.'''


def build_context(architecture: Architecture, group: int = 0) -> nn.Module:
    """Build what turns backbone stages into sub-features z at stride 8."""
    contexts = {'bise': BiSeContext, 'fa': FastAttentionContext}
    if architecture.context in contexts:
        return contexts[architecture.context](architecture)
    return PyramidPooling(architecture.stage_channels[-1], architecture.groups, group)


class SubNetwork(nn.Module):
    """Backbone, context, encoder and the N-1 propagation hops of one path."""

    def __init__(self, architecture: Architecture, path: int) -> None:
        super().__init__()
        channels = architecture.head_channels
        self.stride = architecture.memory_stride
        self.backbone = Backbone(architecture, first=architecture.shared_stages)
        self.context = build_context(architecture, group=path % architecture.groups)
        self.encoder = Encoder(architecture.feature_channels, architecture.key_channels, channels)
        self.hops = nn.ModuleList(
            PropagationHop(channels) for _ in range(architecture.paths - 1))

    def encode(self, shared: list[Tensor]) -> EncodedFrame:
        """Map the image and the outputs of the shared stages, if any, to this path's features.

        The 1x1 encoder commutes with subsampling, so the memory takes every `stride`-th
        position of what the current frame uses; the key is needed at those only.
        """
        stages = [*shared[1:], *self.backbone(shared[-1])]
        z = self.context(stages)
        query, value = self.encoder.query(z), self.encoder.value(z)
        kept = (..., slice(None, None, self.stride), slice(None, None, self.stride))
        features = PathFeatures(query[kept], self.encoder.key(z[kept]), value[kept])
        return EncodedFrame(query, value, stages, features)

    def propagate(self, frame: EncodedFrame, memory: Sequence[PathFeatures]) -> Tensor:
        """Add to the frame's value what the memory carries to it (equation 4).

        Hop i starts at the i-th oldest frame, whose path is (own path + 1 + i) mod N. With a
        memory that is not full nothing is carried, as in the authors' release.
        """
        if len(memory) < len(self.hops):
            return frame.value
        queries = [entry.query for entry in memory[1:]] + [frame.query]
        carried = torch.zeros_like(memory[0].value)
        for hop, entry, query in zip(self.hops, memory, queries, strict=True):
            carried = hop(query, entry.key, entry.value + carried)
        return frame.value + carried
