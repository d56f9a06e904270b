"""A per-frame teacher, whole and split into the channel groups that teach single paths."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.learn.datasets import check_classes
from tdnet_ros.nets.architecture import Architecture, aligned_size
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD, find_model
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.pyramid import size_of, upsample


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
    With more than one scale it looks at the picture at each of them, at every second one
    mirrored, and teaches the mean: as good as several teachers, and costs no training.
    """

    def __init__(self, network: PerFrame, student: Architecture,
                 scales: Sequence[float] = (1.0,)) -> None:
        super().__init__()
        self.scales = scales
        self.network = network.eval().requires_grad_(False)
        channels = [group_channels(network.architecture, student, path)
                    for path in range(student.paths)]
        # Parameters only in that they move to a device with the network.
        self.channels = nn.ParameterList(nn.Parameter(c, requires_grad=False) for c in channels)

    def forward(self, image: Tensor) -> Lesson:
        """Teach about a normalised image [B, 3, h, w]."""
        whole, *groups = self._views(image, len(self.channels))
        return Lesson(whole, tuple(groups))

    def whole(self, image: Tensor) -> Tensor:
        """Return the logits of all channels [B, C, h, w] alone, at less cost."""
        return self._views(image, 0)[0]

    @torch.no_grad()
    def _views(self, image: Tensor, groups: int) -> list[Tensor]:
        """Return the logits of the whole and of the first groups, each the mean of all views."""
        height, width = image.shape[-2:]
        views: list[list[Tensor]] = []
        for number, scale in enumerate(self.scales):
            size = (height, width) if scale == 1 else aligned_size(
                (round(scale * height), round(scale * width)))
            mirrored = number % 2 == 1
            seen = upsample(image, size)
            logits = self._look(seen.flip(-1) if mirrored else seen, groups)
            views.append([one.flip(-1) if mirrored else one for one in logits])
        size = size_of(views[0][0])
        return [torch.stack([upsample(one, size) for one in parts]).mean(0)
                for parts in zip(*views, strict=True)]

    def _look(self, image: Tensor, groups: int) -> list[Tensor]:
        stages = self.network.backbone(image)
        parts = self.split(self.network.context(stages))
        scale = len(parts)
        convolved = [torch.stack(parts).sum(0), *(scale * part for part in parts[:groups])]
        return [self._logits(one, stages[1]) for one in convolved]

    def split(self, features: Tensor) -> list[Tensor]:
        """Convolve each group's share of the features [B, C, h, w]; they sum to the whole."""
        convolution = self.network.head.conv[0]
        assert isinstance(convolution, nn.Conv2d)
        return [F.conv2d(features[:, channels], convolution.weight[:, channels],
                         padding=convolution.padding) for channels in self.channels]

    def _logits(self, convolved: Tensor, detail: Tensor) -> Tensor:
        head = self.network.head
        return head.finish(head.conv[1:](convolved), detail)


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
        share = torch.arange(size).tensor_split(student.paths)[part]
        channels.append(start + share)
        start += size
    return torch.cat(channels)


def load_teacher(model: str, student: Architecture, classes: ClassSet,
                 scales: Sequence[float] = (1.0,)) -> GroupedTeacher:
    """Load a teacher by its card; ValueError if it can't teach the student."""
    card = find_model(model)
    network = load_network(card)
    if not isinstance(network, PerFrame):
        raise ValueError(f"teacher '{model}' is a TDNet: expected a per-frame network")
    if not card.trained:
        raise ValueError(f"teacher '{model}' has no weights: train it first")
    if student.paths % student.groups:
        raise ValueError(f"teacher '{model}' cannot teach {student.paths} paths in "
                         f'{student.groups} groups: expected as many paths in each')
    check_classes(f"teacher '{model}'", card.classes, classes)
    if (tuple(card.mean), tuple(card.std)) != (IMAGENET_MEAN, IMAGENET_STD):
        raise ValueError(f"teacher '{model}' wants another normalisation of its input")
    return GroupedTeacher(network, student, scales)


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Return KL(teacher || student) of logits, summed over classes, averaged over pixels."""
    teacher = upsample(teacher, size_of(student))
    logs = F.log_softmax(student.float(), 1), F.log_softmax(teacher.float(), 1)
    return F.kl_div(*logs, log_target=True, reduction='none').sum(1).mean()
