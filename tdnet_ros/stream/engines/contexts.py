"""Sub-features, and 1x1 or 3x3 convolutions of them, without work that has no effect."""
from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.bisenet import AttentionRefinement, BiSeContext, FeatureFusion
from tdnet_ros.nets.fanet import FastAttentionContext
from tdnet_ros.nets.pyramid import BINS, PyramidPooling, size_of, upsample
from tdnet_ros.stream.engines.fanet import FusedFastAttention
from tdnet_ros.stream.engines.layers import Conv, activate, fuse, linear, maps, tokens


class Pyramid(NamedTuple):
    """Pyramid features that are never upsampled nor concatenated.

    Upsampling is linear, so a convolution of the upsampled averages is a product of their few
    bins with the interpolation weights.
    """

    features: Tensor
    '''[B, C, h, w], the channels that are kept.'''
    averages: list[Tensor]
    '''[B, bins * bins, C'] for each level.'''
    size: tuple[int, int]
    '''Height and width before subsampling.'''
    stride: int = 1
    '''What they were subsampled by.'''

    def subsample(self, stride: int) -> Pyramid:
        """Keep every `stride`-th position."""
        return self._replace(features=self.features[..., ::stride, ::stride], stride=stride)


class FusedPyramid(nn.Module):
    """PyramidPooling that computes only the channels it keeps."""

    def __init__(self, pyramid: PyramidPooling) -> None:
        super().__init__()
        self.kept = pyramid.kept
        self.levels = nn.ModuleList(
            linear(_cut(fuse([conv])[0], pyramid.kept_pooled)) for conv in pyramid.convs)

    def forward(self, stages: list[Tensor]) -> Pyramid:
        """Map the outputs of all stages (only the last is used) to pyramid features."""
        x = stages[-1]
        size = size_of(x)
        pooled = (_pooling(size, x.dtype, x.device) @ tokens(x)).split(
            [bins * bins for bins in BINS], 1)
        averages = [torch.relu(level(rows))
                    for rows, level in zip(pooled, self.levels, strict=True)]
        return Pyramid(x[:, self.kept], averages, size)


class PyramidConv(nn.Module):
    """A convolution of pyramid features that keeps their size."""

    def __init__(self, conv: Conv, context: FusedPyramid) -> None:
        super().__init__()
        self.activation = conv.activation
        self.kernel = conv.weight.shape[-1]
        outputs = conv.weight.shape[0]
        kept = context.kept.stop - context.kept.start
        sizes = [kept, *(level.out_features for level in context.levels)]
        features, *levels = conv.weight.split(sizes, 1)
        conv.weight = features.contiguous()
        conv.activation = 'none'
        self.conv = conv
        for index, level in enumerate(levels):  # [C', kernel * kernel * O]
            self.register_buffer(
                f'level{index}', level.permute(1, 2, 3, 0).reshape(level.shape[1], -1))
        self.outputs = outputs

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Return [B, O, h, w] of the (subsampled) size."""
        own: Tensor = self.conv(pyramid.features)
        batch = own.shape[0]
        bins = torch.cat([(averages @ getattr(self, f'level{index}')).view(
            batch, -1, self.outputs) for index, averages in enumerate(pyramid.averages)], 1)
        weights = _interpolation(pyramid.size, pyramid.stride, self.kernel, own.dtype, own.device)
        rows = torch.baddbmm(tokens(own), weights.expand(batch, -1, -1), bins)
        return activate(maps(rows, size_of(own)), self.activation)


class FusedRefinement(nn.Module):
    """AttentionRefinement."""

    def __init__(self, refinement: AttentionRefinement) -> None:
        super().__init__()
        self.conv, = fuse([refinement.conv])
        self.weight, = fuse([refinement.weight])

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C', h, w]."""
        out: Tensor = self.conv(x)
        return out * torch.sigmoid(self.weight(out.mean((2, 3), keepdim=True)))


class FusedBiSe(nn.Module):
    """BiSeContext."""

    def __init__(self, context: BiSeContext) -> None:
        super().__init__()
        self.average, = fuse([context.average])
        self.refine32 = FusedRefinement(context.refine32)
        self.refine16 = FusedRefinement(context.refine16)
        self.smooth16, = fuse([context.smooth16])
        self.smooth8, = fuse([context.smooth8])
        self.spatial, = fuse([context.spatial])
        fusion: FeatureFusion = context.fusion
        self.mix, = fuse([fusion.mix])
        self.squeeze, self.excite = fuse(list(fusion.weight)[:-1])

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map the outputs of all stages to z [B, C, h/8, w/8]."""
        stride8, stride16, stride32 = stages[-3:]
        average = self.average(stride32.mean((2, 3), keepdim=True))
        context = self.smooth16(upsample(self.refine32(stride32) + average, size_of(stride16)))
        context = context + self.refine16(stride16)
        context = self.smooth8(upsample(context, size_of(stride8)))
        mixed = self.mix(torch.cat((self.spatial(stride8), context), 1))
        weight = self.excite(self.squeeze(mixed.mean((2, 3), keepdim=True)))
        return mixed * (torch.sigmoid(weight) + 1)


Features = Tensor | Pyramid
FusedContext = FusedPyramid | FusedBiSe | FusedFastAttention


def fused_context(context: nn.Module) -> FusedContext:
    """Build what turns backbone stages into features that a `features_conv` takes."""
    if isinstance(context, PyramidPooling):
        return FusedPyramid(context)
    if isinstance(context, BiSeContext):
        return FusedBiSe(context)
    if isinstance(context, FastAttentionContext):
        return FusedFastAttention(context)
    raise TypeError(f'there is no engine for the context {type(context).__name__}')


def features_conv(conv: Conv, context: FusedContext) -> Conv | PyramidConv:
    """Build a convolution of a context's features."""
    return PyramidConv(conv, context) if isinstance(context, FusedPyramid) else conv


def subsampled(features: Features, stride: int) -> Features:
    """Keep every `stride`-th position in each direction."""
    if isinstance(features, Pyramid):
        return features.subsample(stride)
    return features[..., ::stride, ::stride]


def _cut(conv: Conv, kept: slice) -> Conv:
    """Keep some of the output channels."""
    conv.weight, conv.bias = conv.weight[kept].contiguous(), conv.bias[kept].contiguous()
    return conv


@cache  # never dropped: recorded graphs read them
def _pooling(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weights [bins of all levels, h*w] that average maps over the bins of the pyramid."""
    levels = []
    for bins in BINS:
        rows, columns = (F.adaptive_avg_pool1d(torch.eye(length), bins).T for length in size)
        levels.append(torch.kron(rows, columns))
    return torch.cat(levels).to(device, dtype)


@cache  # never dropped: recorded graphs read them
def _interpolation(size: tuple[int, int], stride: int, kernel: int, dtype: torch.dtype,
                   device: torch.device) -> Tensor:
    """Weights [h*w, bins of all levels * kernel * kernel] that upsample the bins.

    With a kernel above 1, one column for each of its positions: what is found there.
    """
    levels = [upsample(torch.eye(bins * bins).view(1, bins * bins, bins, bins), size)
              for bins in BINS]
    columns = torch.cat(levels, 1)[..., ::stride, ::stride]
    return F.unfold(columns, kernel, padding=kernel // 2)[0].T.contiguous().to(device, dtype)
