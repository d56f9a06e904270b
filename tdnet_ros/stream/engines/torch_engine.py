"""The default engine: PyTorch with the algebra applied at load."""
from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from tdnet_ros.nets.head import SegmentationHead
from tdnet_ros.nets.tdnet import TDNet
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.engines.allocator import keep_freed_memory
from tdnet_ros.stream.engines.backbone import FusedBackbone
from tdnet_ros.stream.engines.contexts import features_conv, fused_context
from tdnet_ros.stream.engines.cpu import use_cpu_kernels
from tdnet_ros.stream.engines.layers import Conv, fuse
from tdnet_ros.stream.engines.resample import resample_step
from tdnet_ros.stream.engines.step import FusedHead, PathStep, PerFrameStep, StepFeatures


class TorchEngine:
    """One optimised step per path."""

    launches = True

    def __init__(self, network: Network, device: torch.device,
                 precision: str = 'float32') -> None:
        self.dtype: torch.dtype = getattr(torch, precision)
        self._stride = network.architecture.memory_stride
        self.steps = build_steps(network)
        every = nn.ModuleList(self.steps)
        lower(self.steps, self.dtype)
        every.to(device)
        for module in every.modules():
            if isinstance(module, Conv):
                module.weight = module.weight.contiguous(memory_format=torch.channels_last)
        if device.type == 'cpu':
            use_cpu_kernels(every, self.dtype)
            keep_freed_memory()

    def run(self, image: Tensor, path: int,
            memory: Sequence[StepFeatures]) -> tuple[Tensor, StepFeatures | None]:
        """See Engine."""
        image = image.to(self.dtype, memory_format=torch.channels_last)
        result: tuple[Tensor, StepFeatures | None] = self.steps[path](image, memory)
        return result

    def resample(self, features: StepFeatures, old: tuple[int, int],
                 new: tuple[int, int]) -> StepFeatures:
        """See Engine."""
        return resample_step(features, old, new, self._stride)


def lower(steps: Sequence[PathStep | PerFrameStep], dtype: torch.dtype) -> None:
    """Convert steps to a precision; the classifier, and with it the logits, stays float32."""
    classifiers = {step.head: deepcopy(step.head.classifier) for step in steps}
    nn.ModuleList(steps).to(dtype)
    for head, classifier in classifiers.items():
        head.classifier = classifier


def build_steps(network: Network) -> list[PathStep | PerFrameStep]:
    """Build the steps of all paths; weights that paths share stay shared."""
    if not isinstance(network, TDNet):
        context = fused_context(network.context)
        conv = features_conv(fuse([network.head.conv])[0], context)
        return [PerFrameStep(
            FusedBackbone(network.backbone), context, FusedHead(network.head, conv))]
    trunk = FusedBackbone(network.trunk)
    heads = [FusedHead(head, fuse([head.conv])[0]) for head in network.heads
             if isinstance(head, SegmentationHead)]
    return [PathStep(network.path(path), trunk, heads[path % len(heads)])
            for path in range(network.architecture.paths)]
