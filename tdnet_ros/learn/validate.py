"""Mean IoU of a network on a data set while it trains."""
from __future__ import annotations

import torch

from tdnet_ros.learn.datasets import Dataset, VideoFrame, read_image
from tdnet_ros.learn.metrics import Confusion
from tdnet_ros.nets.attention import PathFeatures
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD
from tdnet_ros.nets.pyramid import upsample
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.preprocess import Preprocessor


@torch.inference_mode()
def streaming_confusion(network: Network, dataset: Dataset, device: torch.device,
                        input_size: tuple[int, int], solo: bool = False) -> Confusion:
    """
    Label every clip from its first frame on, as a camera would deliver it.

    A lone still is fed once per path, so that the memory fills. Solo: with the first path alone, nothing propagated.
    """
    confusion = Confusion(len(dataset.classes))
    preprocessor = Preprocessor(input_size, IMAGENET_MEAN, IMAGENET_STD, device)
    for clip in dataset.clips:
        memory: list[PathFeatures] = []
        frames = clip if len(clip) > 1 else clip * network.architecture.paths
        for number, frame in enumerate(frames):
            image = preprocessor.normalise(preprocessor.upload(read_image(frame.image)))
            path = 0 if solo else number % network.architecture.paths
            logits, features = network(image, path, memory)
            if features is not None and not solo:
                memory = [*memory, features][1 - network.architecture.paths:]
            if frame.label and number >= len(frames) - len(clip):
                _count(confusion, logits, dataset, frame)
    return confusion


def _count(confusion: Confusion, logits: torch.Tensor, dataset: Dataset,
           frame: VideoFrame) -> None:
    assert frame.label is not None
    truth = dataset.read_label(frame.label)
    labels = upsample(logits, (truth.shape[0], truth.shape[1]))[0].argmax(0)
    confusion.add(labels.to(torch.uint8).cpu().numpy(), truth)
