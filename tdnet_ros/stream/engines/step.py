"""One path's step with the algebra applied: the same numbers as the network, less work."""
from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.attention import Encoder, PropagationHop
from tdnet_ros.nets.head import SegmentationHead, SpatialNorm
from tdnet_ros.nets.pyramid import size_of, upsample
from tdnet_ros.nets.subnetwork import SubNetwork
from tdnet_ros.stream.engines.backbone import FusedBackbone
from tdnet_ros.stream.engines.contexts import features_conv, fused_context, subsampled
from tdnet_ros.stream.engines.layers import fuse, linear, maps, tokens


class StepFeatures(NamedTuple):
    """What one frame leaves in an engine's memory: rows of the subsampled positions."""

    key: Tensor
    '''[B, T, Ck]'''
    value: Tensor
    '''[B, T, Cv]'''
    affinity: Tensor | None
    '''[B, T, T] to the frame before it; None if there was none or nobody will ask.'''


class Attend(nn.Module):
    """value + softmax(query key^T) carried, on rows [B, T, C]."""

    def forward(self, value: Tensor, query: Tensor, key: Tensor, carried: Tensor) -> Tensor:
        """Return rows of the value's shape; the query is scaled already."""
        attended = F.scaled_dot_product_attention(  # its fused kernels want 4-D
            query.unsqueeze(1), key.unsqueeze(1), carried.unsqueeze(1), scale=1.0)
        return value + attended.squeeze(1)


class FusedHead(nn.Module):
    """Norm, convolution and classifier; in a per-frame network the context's features in."""

    def __init__(self, head: SegmentationHead, conv: nn.Module) -> None:
        super().__init__()
        self.norm: nn.Module = nn.Identity()  # a per-frame network has none
        if isinstance(head.norm, SpatialNorm):
            self.norm = FusedNorm(head.norm)
        elif isinstance(head.norm, nn.GroupNorm):
            self.norm = WholeNorm(head.norm)
        self.conv = conv
        self.detail: nn.Module | None = None
        if head.detail is not None:
            self.narrow, self.detail = fuse([head.narrow, head.detail])
        self.classifier, = fuse([head.classifier])

    def forward(self, value: Tensor, detail: Tensor) -> Tensor:
        """Map values [B, C, h/8, w/8] and maps [B, D, h/4, w/4] to logits."""
        x = self.conv(self.norm(value))
        if self.detail is not None:
            raised = upsample(self.narrow(x), size_of(detail))
            x = self.detail(torch.cat((raised, detail), 1))
        logits: Tensor = self.classifier(x.float())
        return logits


class FusedNorm(nn.Module):
    """SpatialNorm that resamples its weights once per size."""

    native: Tensor

    def __init__(self, norm: SpatialNorm) -> None:
        super().__init__()
        self.register_buffer('native', torch.stack((norm.weight, norm.bias)).detach())
        self._resampled: dict[tuple[int, int], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, C, h, w]."""
        size = size_of(x)
        if size not in self._resampled:
            self._resampled[size] = upsample(self.native[None], size)[0]
        weight, bias = self._resampled[size]
        # The same for one image; instance_norm would copy channels-last maps twice.
        normal = F.batch_norm(x, None, None, training=True) if len(x) == 1 else F.instance_norm(x)
        return torch.addcmul(bias, normal, weight)


class WholeNorm(nn.Module):
    """GroupNorm of one group, each frame by the statistics of all its values.

    On the CPU by PyTorch's own kernel; that of CUDA gives a group to one block of threads, and
    wants channels first.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        assert norm.num_groups == 1
        self.norm = deepcopy(norm).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, C, h, w]."""
        normal: Tensor = self.norm(x) if x.is_cpu else self.by_moments(x)
        return normal

    def by_moments(self, x: Tensor) -> Tensor:
        """Do the same by a mean, a variance and one pass over the values."""
        var, mean = torch.var_mean(x.float(), (1, 2, 3), correction=0, keepdim=True)
        scale = self.norm.weight.float().view(-1, 1, 1) * (var + self.norm.eps).rsqrt()
        shift = self.norm.bias.float().view(-1, 1, 1) - mean * scale
        return torch.addcmul(shift.to(x.dtype), x, scale.to(x.dtype))


class PathStep(nn.Module):
    """One path of TDNet: image and memory in, logits and what goes into the memory out."""

    def __init__(self, network: SubNetwork, trunk: FusedBackbone, head: FusedHead) -> None:
        super().__init__()
        encoder: Encoder = network.encoder
        self.stride = network.stride
        self.trunk = trunk
        self.backbone = FusedBackbone(network.backbone)
        self.context = fused_context(network.context)
        (query, last_query), (key, last_key) = fuse(encoder.query), fuse(encoder.key)
        value, = fuse([encoder.value])
        # softmax(q k / sqrt(c)): the query is scaled once, at load.
        scale = last_query.weight.shape[0] ** -0.5
        last_query.weight, last_query.bias = last_query.weight * scale, last_query.bias * scale
        self.query, self.key = last_query, last_key
        self.features_query = features_conv(query, self.context)
        self.features_key = features_conv(key, self.context)
        self.value = features_conv(value, self.context)
        hops = [hop for hop in network.hops if isinstance(hop, PropagationHop)]
        self.fcs = nn.ModuleList(linear(*fuse([hop.fc])) for hop in hops)
        self.attend = Attend()
        self.head = head

    def forward(self, image: Tensor, memory: Sequence[StepFeatures],
                share: Tensor | None = None) -> tuple[Tensor, StepFeatures]:
        """Segment a normalised image [B, 3, h, w] with the last N-1 frames, or fewer.

        share: factor on what the memory adds; a graph of fixed shape that always takes N-1
        frames gets 0 while they are placeholders, then 1.
        """
        stages = [image, *self.trunk(image)]
        stages = [*stages[1:], *self.backbone(stages[-1])]
        z = self.context(stages)
        query = self.query(self.features_query(z))
        value = self.value(z)
        key = self.key(self.features_key(subsampled(z, self.stride)))
        features = self._features(query, value, key, memory)
        rows = tokens(value)
        if len(memory) == len(self.fcs):
            carried = self._carried(memory)
            carried = carried if share is None else carried * share
            rows = self.attend(rows, tokens(query), memory[-1].key, carried)
        return self.head(maps(rows, size_of(value)), stages[1]), features

    def _features(self, query: Tensor, value: Tensor, key: Tensor,
                  memory: Sequence[StepFeatures]) -> StepFeatures:
        affinity = None
        if memory and len(self.fcs) > 1:
            reduced = tokens(query[..., ::self.stride, ::self.stride])
            affinity = torch.softmax(reduced @ memory[-1].key.transpose(1, 2), -1)
        kept = tokens(value[..., ::self.stride, ::self.stride]).contiguous()
        return StepFeatures(tokens(key).contiguous(), kept, affinity)

    def _carried(self, memory: Sequence[StepFeatures]) -> Tensor:
        """Values of all frames before, at the subsampled positions of the frame before.

        fc acts on the few rows of the memory instead of on what is attended: it is linear,
        and the rows of an affinity sum to one. Affinities between frames of the memory were
        computed when the later of the two was the current frame.
        """
        first, *rest = self.fcs
        carried: Tensor = first(memory[0].value)
        for fc, entry in zip(rest, memory[1:], strict=True):
            assert entry.affinity is not None
            carried = fc(torch.baddbmm(entry.value, entry.affinity, carried))
        return carried


class PerFrameStep(nn.Module):
    """A per-frame network as a step; it has no memory."""

    def __init__(self, backbone: FusedBackbone, context: nn.Module, head: FusedHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.context = context
        self.head = head

    def forward(self, image: Tensor, memory: Sequence[StepFeatures]) -> tuple[Tensor, None]:
        """Segment a normalised image [B, 3, h, w]."""
        stages = self.backbone(image)
        return self.head(self.context(stages), stages[1]), None
