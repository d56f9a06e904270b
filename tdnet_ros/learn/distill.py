"""A per-frame teacher, whole and split into the channel groups that teach single paths."""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD, find_model
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.pyramid import upsample


class Lesson(NamedTuple):
    """What a teacher says about an image, as logits [B, C, h, w]."""

    whole: Tensor
    groups: tuple[Tensor, ...]
    """One per path of the student, in the order of the paths."""


class GroupedTeacher(nn.Module):
    """
    A frozen per-frame network whose pre-head convolution is cut by its input channels.

    The convolution is linear and has no bias, so its outputs for the groups sum to that of the
    whole. A group's logits are the head's on its output times the number of groups.
    """

    def __init__(self, network: PerFrame, student: Architecture) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        channels = [group_channels(network.architecture, student, path)
                    for path in range(student.paths)]
        # Parameters only in that they move to a device with the network.
        self.channels = nn.ParameterList(nn.Parameter(c, requires_grad=False) for c in channels)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Lesson:
        """Teach about a normalised image [B, 3, h, w]."""
        stages = self.network.backbone(image)
        features = self.network.context(stages)
        parts = self.split(features)
        scale = len(parts)
        return Lesson(self._logits(torch.stack(parts).sum(0), stages[1]),
                      tuple(self._logits(scale * part, stages[1]) for part in parts))

    def split(self, features: Tensor) -> list[Tensor]:
        """Convolve each group's share of the features [B, C, h, w]; they sum to the whole."""
        convolution = self.network.head.conv[0]
        assert isinstance(convolution, nn.Conv2d)
        return [F.conv2d(features[:, channels], convolution.weight[:, channels],
                         padding=convolution.padding) for channels in self.channels]

    def _logits(self, convolved: Tensor, detail: Tensor) -> Tensor:
        head = self.network.head
        x = head.conv[1:](convolved)
        if head.detail is not None:
            x = head.detail(torch.cat((upsample(x, (detail.shape[-2], detail.shape[-1])), detail),
                                      1))
        logits: Tensor = head.classifier(x)
        return logits


def group_channels(teacher: Architecture, student: Architecture, path: int) -> Tensor:
    """
    Return the teacher's feature channels that teach a path.

    The groups are cut within each of the maps that make up the features, as the student's
    pyramid is, and go to the paths so that a path learns from a part of its own group: with four
    paths in two groups, quarters 0, 2, 1, 3.
    """
    per_group = student.paths // student.groups
    part = path % student.groups * per_group + path // student.groups
    channels = []
    start = 0
    for size in teacher.feature_parts:
        share = torch.arange(size).chunk(student.paths)[part]
        channels.append(start + share)
        start += size
    return torch.cat(channels)


def load_teacher(model: str, student: Architecture, classes: ClassSet) -> GroupedTeacher:
    """Load a teacher by its card; ValueError if it can't teach the student."""
    card = find_model(model)
    network = load_network(card)
    if not isinstance(network, PerFrame):
        raise ValueError(f"teacher '{model}' is a TDNet: expected a per-frame network")
    if not card.trained:
        raise ValueError(f"teacher '{model}' has no weights: train it first")
    if card.classes.names != classes.names:
        raise ValueError(f"teacher '{model}' knows {len(card.classes)} classes of "
                         f'{card.classes.name}, the data has {len(classes)} of {classes.name}')
    if (tuple(card.mean), tuple(card.std)) != (IMAGENET_MEAN, IMAGENET_STD):
        raise ValueError(f"teacher '{model}' wants another normalisation of its input")
    return GroupedTeacher(network, student)


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Return KL(teacher || student) of logits, summed over classes, averaged over pixels."""
    teacher = upsample(teacher, (student.shape[-2], student.shape[-1]))
    logs = F.log_softmax(student.float(), 1), F.log_softmax(teacher.float(), 1)
    return F.kl_div(*logs, log_target=True, reduction='none').sum(1).mean()
