"""What a network makes of a data set while it trains: mean IoU and pictures."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tdnet_ros.learn.datasets import Dataset, VideoFrame
from tdnet_ros.learn.metrics import Confusion, Labels
from tdnet_ros.learn.reading import read_image
from tdnet_ros.nets.attention import PathFeatures
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD
from tdnet_ros.nets.pyramid import upsample
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.frame import Image
from tdnet_ros.stream.labels import Painter
from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Lanes

PICTURES, OPACITY = 3, 0.6


class StreamingValidation:
    """
    Labels clips as if a camera had delivered them from their first frame on.

    Clips start at each path in turn, so that none is left out where all clips are alike. Only
    labelled frames and those that their memories hold run. A lone still is fed once per path,
    so that the memory fills.
    """

    def __init__(self, dataset: Dataset, device: torch.device,
                 input_size: tuple[int, int]) -> None:
        self._dataset = dataset
        self._preprocessor = Preprocessor(input_size, IMAGENET_MEAN, IMAGENET_STD, Lanes(device))
        self._painter = Painter(dataset.classes.palette)
        self._shown = np.linspace(0, len(dataset.labelled()) - 1, PICTURES).round().astype(int)

    def confusion(self, network: Network) -> Confusion:
        """Compare all labelled frames with the truth."""
        confusion = Confusion(len(self._dataset.classes))
        for frame, logits in self.predict(network):
            assert frame.label is not None
            confusion.add(_labels(logits), self._dataset.read_label(frame.label))
        return confusion

    def predict(self, network: Network) -> Iterator[tuple[VideoFrame, Tensor]]:
        """Yield every labelled frame with its logits [1, C, H, W] at the frame's size."""
        labelled = [clip for clip in self._dataset.clips if any(frame.label for frame in clip)]
        for number, clip in enumerate(labelled):
            yield from self._predict(network, clip, number)

    def overlays(self, network: Network) -> Iterator[Image]:
        """Paint the labels of a few frames, each fed as a still."""
        labelled = self._dataset.labelled()
        for clip, position in (labelled[i] for i in self._shown):
            frame = self._dataset.clips[clip][position]
            (_, logits), = self._predict(network, (frame,))
            yield self._painter.blend(read_image(frame.image), _labels(logits), OPACITY)

    @torch.inference_mode()
    def _predict(self, network: Network, clip: tuple[VideoFrame, ...],
                 first_path: int = 0) -> Iterator[tuple[VideoFrame, Tensor]]:
        paths = network.architecture.paths
        frames = clip if len(clip) > 1 else clip * paths
        memory: list[PathFeatures] = []
        for number, frame in enumerate(frames):
            if not any(later.label for later in frames[number:number + paths]):
                memory = []
                continue
            rgb = read_image(frame.image)
            image = self._preprocessor.normalise(self._preprocessor.lanes.upload(rgb))
            logits, features = network(image, (first_path + number) % paths, memory)
            if features is not None and paths > 1:
                memory = [*memory, features][1 - paths:]
            if frame.label and number >= len(frames) - len(clip):
                yield frame, upsample(logits, (rgb.shape[0], rgb.shape[1]))


def _labels(logits: Tensor) -> Labels:
    return logits[0].argmax(0).to(torch.uint8).cpu().numpy()
