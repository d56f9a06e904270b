"""TDNet: N sub-networks, one per frame in turn, joined by attention propagation."""
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.attention import PathFeatures
from tdnet_ros.nets.backbone import Backbone
from tdnet_ros.nets.head import SegmentationHead, head_norm
from tdnet_ros.nets.subnetwork import EncodedFrame, SubNetwork


class TDNet(nn.Module):
    """A pure function of an image, a path and a memory; it holds weights, never frames.

    Hu et al., Temporally Distributed Networks for Fast Video Semantic Segmentation, CVPR 2020.
    """

    def __init__(self, architecture: Architecture, classes: int) -> None:
        super().__init__()
        if architecture.paths < 2:
            raise ValueError(f'TDNet needs at least 2 paths, not {architecture.paths}')
        self.architecture = architecture
        self.trunk = Backbone(architecture, last=architecture.shared_stages)
        self.paths = nn.ModuleList(
            SubNetwork(architecture, path) for path in range(architecture.paths))
        self.heads = nn.ModuleList(
            SegmentationHead(architecture, classes, head_norm(architecture))
            for _ in range(1 if architecture.shared_head else architecture.paths))

    def encode(self, image: Tensor, path: int) -> EncodedFrame:
        """Run one path's backbone and encoder on a normalised image [B, 3, h, w]."""
        return self.path(path).encode([image, *self.trunk(image)])

    def decode(self, frame: EncodedFrame, path: int, memory: Sequence[PathFeatures]) -> Tensor:
        """Propagate the memory, oldest frame first, to the frame; return logits."""
        value = self.path(path).propagate(frame, memory)
        logits: Tensor = self.heads[path % len(self.heads)](value, frame.stages[1])
        return logits

    def forward(self, image: Tensor, path: int,
                memory: Sequence[PathFeatures]) -> tuple[Tensor, PathFeatures]:
        """Segment one frame.

        image: float32 [B, 3, h, w], normalised; path: frame number mod N; memory: the last
        N-1 frames, oldest first, or fewer after a start. Returns logits [B, C, h/s, w/s] at
        the architecture's output stride s and what this frame adds to the memory.
        """
        frame = self.encode(image, path)
        return self.decode(frame, path, memory), frame.features

    def path(self, path: int) -> SubNetwork:
        """Return the sub-network of a path; ValueError if there is none."""
        if not 0 <= path < len(self.paths):
            raise ValueError(f'path {path}, expected 0 to {len(self.paths) - 1}')
        network = self.paths[path]
        assert isinstance(network, SubNetwork)
        return network
