"""What runs a network under the segmenter."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.engines.resample import resample_path


class Engine(Protocol):
    """Runs one network; it keeps weights and scratch memory, never frames."""

    launches: bool
    '''Whether `run` on CUDA only launches the work, and returns before it is done.'''

    def run(self, image: Tensor, path: int, memory: Sequence[Any]) -> tuple[Tensor, Any]:
        """Segment a normalised float32 image [B, 3, h, w].

        memory: what this engine returned for the last frames, oldest first: N-1 of them, or
        fewer after a start. Returns float32 logits [B, C, h', w'] and what this frame adds to
        the memory (None in a per-frame network).
        """

    def resample(self, features: Any, old: tuple[int, int], new: tuple[int, int]) -> Any:
        """Carry what `run` returned over from one input size, (height, width), to another."""


class ReferenceEngine:
    """The network as it is written; what others are measured against."""

    launches = True

    def __init__(self, network: Network) -> None:
        self.network = network

    def run(self, image: Tensor, path: int, memory: Sequence[Any]) -> tuple[Tensor, Any]:
        """See Engine."""
        result: tuple[Tensor, Any] = self.network(image, path, memory)
        return result

    def resample(self, features: Any, old: tuple[int, int], new: tuple[int, int]) -> Any:
        """See Engine."""
        return resample_path(features, new, self.network.architecture.memory_stride)
