"""Shifts of the classes' logits that make the most of the mean IoU.

Losses that favour rare classes and hard pixels teach to name a rare class too often. A shift per
class, found on the training split, takes that back; it goes into the classifier's bias, so it
costs nothing (logit adjustment, Menon et al. 2021, with the shifts searched for).
"""
from __future__ import annotations

from collections.abc import Iterator
import math

import torch
from torch import Tensor, nn

from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.metrics import Confusion
from tdnet_ros.learn.validate import StreamingValidation
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.classes import UNLABELED
from tdnet_ros.nets.head import SegmentationHead
from tdnet_ros.nets.zoo import Network

STEPS = (0.4, 0.2, 0.1)
"""By which a class's logit is moved, while that helps."""
LOOKED_AT = 1 / 25
"""Share of the labelled pixels of a frame, evenly spread, at least one."""
MOST_PIXELS = 2_000_000
"""In all; every labelled frame gives as many."""
GAIN = 1e-5
"""Least gain of the mean IoU that counts as one."""


def calibrate(network: Network, dataset: Dataset,
              streaming: StreamingValidation) -> list[float]:
    """Shift the classifiers' biases to what is best on a data set; return the shifts.

    streaming: labels the frames of that data set.
    """
    samples = list(sample_pixels(network, dataset, streaming))
    logits, labels = (torch.cat(parts) for parts in zip(*samples, strict=True))
    shift = best_shift(logits, labels)
    with torch.no_grad():
        for bias in _biases(network):
            assert bias is not None
            bias += shift.to(bias.device)
    return [round(value, 2) for value in shift.tolist()]


def best_shift(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the shift [C] of logits [P, C] that gives labels [P] the best mean IoU found.

    A search along one class after the other, from large steps to small ones.
    """
    shift = torch.zeros(logits.shape[1])
    best = _mean_iou(logits, labels)
    for step in STEPS:
        for number in range(len(shift)):
            for move in (-step, step):
                while True:
                    moved = shift.clone()
                    moved[number] += move
                    value = _mean_iou(logits + moved, labels)
                    if value < best + GAIN:
                        break
                    shift, best = moved, value
    return shift


def _mean_iou(logits: Tensor, labels: Tensor) -> float:
    confusion = Confusion(logits.shape[1])
    confusion.add(logits.argmax(1).to(torch.uint8).numpy(), labels.to(torch.uint8).numpy())
    return confusion.miou()


def sample_pixels(network: Network, dataset: Dataset, streaming: StreamingValidation,
                  most: int = MOST_PIXELS) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits [P, C] and labels [P] of some pixels of each labelled frame, `most` in all."""
    share = max(1, most // len(dataset.labelled()))
    for frame, logits in streaming.predict(network):
        assert frame.label is not None
        label = torch.from_numpy(dataset.read_label(frame.label)).flatten()
        known = (label != UNLABELED).nonzero().flatten()
        count = min(math.ceil(LOOKED_AT * len(known)), share)
        chosen = known[torch.linspace(0, len(known) - 1, count, dtype=torch.float64).long()]
        scores = logits[0].flatten(1)[:, chosen.to(logits.device)]
        yield scores.T.float().cpu(), label[chosen].long()


def has_bias(network: Network) -> bool:
    """Whether there is anything to shift."""
    return all(bias is not None for bias in _biases(network))


def _biases(network: Network) -> list[Tensor | None]:
    heads = [network.head] if isinstance(network, PerFrame) else list(network.heads)
    classifiers = [head.classifier[-1] for head in heads if isinstance(head, SegmentationHead)]
    return [layer.bias for layer in classifiers if isinstance(layer, nn.Conv2d)]
