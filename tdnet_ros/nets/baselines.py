"""Per-frame networks: the teachers, and what TDNet is compared against."""
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.attention import PathFeatures
from tdnet_ros.nets.backbone import Backbone
from tdnet_ros.nets.head import SegmentationHead
from tdnet_ros.nets.subnetwork import build_context


class PerFrame(nn.Module):
    """A backbone, its whole context and a head; same call as TDNet, but it needs no memory."""

    def __init__(self, architecture: Architecture, classes: int) -> None:
        super().__init__()
        if architecture.paths != 1:
            raise ValueError(f'a per-frame network has 1 path, not {architecture.paths}')
        self.architecture = architecture
        self.backbone = Backbone(architecture)
        self.context = build_context(architecture)
        self.head = SegmentationHead(architecture, classes, nn.Identity())

    def forward(self, image: Tensor, path: int = 0,
                memory: Sequence[PathFeatures] = ()) -> tuple[Tensor, None]:
        """Segment a normalised image [B, 3, h, w]; path and memory are ignored."""
        return self.decode(self.backbone(image)), None

    def decode(self, stages: list[Tensor]) -> Tensor:
        """Turn the outputs of all backbone stages to logits."""
        logits: Tensor = self.head(self.context(stages), stages[1])
        return logits
