"""One training step's forward pass: every frame of a clip is the current one once."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tdnet_ros.learn.auxiliary import AuxiliaryHeads
from tdnet_ros.learn.config import TrainConfig
from tdnet_ros.learn.distill import GroupedTeacher, divergence
from tdnet_ros.learn.losses import disagreement, ohem_cross_entropy
from tdnet_ros.learn.paths import check_copies
from tdnet_ros.learn.samples import Clip
from tdnet_ros.nets.baselines import PerFrame
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD
from tdnet_ros.nets.classes import UNLABELED
from tdnet_ros.nets.subnetwork import EncodedFrame
from tdnet_ros.nets.tdnet import TDNet
from tdnet_ros.nets.zoo import Network


class Passes(NamedTuple):
    """
    Which passes over the network a step makes.

    Batch norms that are shared wait for each other in every pass, so the processes agree on them.
    """

    moving: bool
    """Whether some clip is no still, so that all frames need the trunk."""
    labelled: tuple[bool, ...]
    """Frames that have a label in some clip: each is decoded with its history."""

    @classmethod
    def of(cls, clip: Clip) -> Passes:
        """Return what a batch of clips needs; read before it moves to a device."""
        labelled = (clip.labels != UNLABELED).flatten(2).any(2).any(0)
        return cls(not bool(clip.still.all()), tuple(labelled.tolist()))


class Learner(nn.Module):
    """A network with its losses, so that a distributed wrapper sees one module.

    A clip has as many frames as the network has paths, and each path sees one of them. Read in a
    circle, any of the frames can be the current one with the others as its history, so one pass
    over the backbones gives a loss per labelled frame. The last frame's history is in the order
    of time. The others' jump from the clip's end to its start; of two frames that is the clip
    played backwards, of more that move it is no clip.
    """

    def __init__(self, network: Network, config: TrainConfig, classes: int,
                 class_weights: Tensor | None = None,
                 teacher: GroupedTeacher | None = None) -> None:
        super().__init__()
        if any(stage.solo for stage in config.stages):
            check_copies(network.architecture)
        self.network = network
        self.config = config
        self.auxiliary = (AuxiliaryHeads(network.architecture, classes)
                          if config.loss.auxiliary else None)
        self.mean: Tensor
        self.std: Tensor
        self.class_weights: Tensor | None
        self.register_buffer('mean', torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        self.register_buffer('class_weights', class_weights, persistent=False)
        self.taught = teacher is not None
        self._teacher = (teacher,)  # a tuple hides what doesn't learn from wrappers and files

    def forward(self, clip: Clip, step: int, passes: Passes) -> dict[str, Tensor]:
        """Return the terms of the loss and their weighted sum, 'total'."""
        images = (clip.images.float() / 255 - self.mean) / self.std
        stride = self.config.label_stride
        labels = clip.labels[..., ::stride, ::stride]
        if images.shape[1] == 1:
            terms = self._single_terms(images[:, 0], labels)
        else:
            terms = self._clip_terms(images, labels, clip.still, step, passes)
        factors = {'full': 1.0, **asdict(self.config.loss)}
        terms['total'] = torch.stack([factors[name] * term for name, term in terms.items()]).sum()
        return terms

    def _single_terms(self, image: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if isinstance(self.network, PerFrame):
            stages = self.network.backbone(image)
            output = self.network.decode(stages)
        else:
            frame = self.network.encode(image, 0)
            stages = frame.stages
            output = self.network.decode(frame, 0, [])
        terms = {'full': self._mean_loss([output], labels, [0])}
        if self.auxiliary is not None:
            terms['auxiliary'] = self._mean_loss([self.auxiliary(stages, 0)], labels, [0])
        if (teacher := self._teacher[0]) is not None:
            terms['distillation'] = divergence(teacher.whole(image), output)
        return terms

    def _clip_terms(self, images: Tensor, labels: Tensor, still: Tensor, step: int,
                    passes: Passes) -> dict[str, Tensor]:
        network = self.network
        assert isinstance(network, TDNet)
        count = len(network.paths)
        paths = [(step + t) % count for t in range(count)]
        labelled = [t for t in range(count) if passes.labelled[t]] or [0]
        frames = encode_clip(network, images, paths, not passes.moving)
        outputs = [
            network.decode(frames[t], paths[t],
                           [frames[(t + i) % count].features for i in range(1, count)])
            for t in labelled]
        # The sub loss of one path a step: a path's turn comes as the step moves the paths on.
        last = labelled[-1]
        own = network.decode(frames[last], paths[last], [])
        terms = {'full': self._mean_loss(outputs, labels, labelled),
                 'sub': self._mean_loss([own], labels, [last]),
                 'agreement': disagreement(outputs, still)}
        if self.auxiliary is not None:
            predicted = [self.auxiliary(frames[t].stages, paths[t]) for t in labelled]
            terms['auxiliary'] = self._mean_loss(predicted, labels, labelled)
        if (teacher := self._teacher[0]) is not None:
            lesson = teacher(images[:, last])
            terms['distillation'] = divergence(lesson.whole, outputs[-1])
            terms['grouped'] = divergence(lesson.groups[paths[last]], own)
        return terms

    def _mean_loss(self, outputs: Sequence[Tensor], labels: Tensor,
                   frames: Sequence[int]) -> Tensor:
        """Return the mean over all labelled frames; `frames` are the positions of the outputs."""
        losses = torch.stack([
            ohem_cross_entropy(output, labels[:, t], self.class_weights,
                               self.config.ohem_threshold)
            for output, t in zip(outputs, frames)])
        clips = (labels[:, list(frames)] != UNLABELED).flatten(2).any(2).sum(0)
        return (losses * clips).sum() / clips.sum().clamp(min=1)


def encode_clip(network: TDNet, images: Tensor, paths: Sequence[int],
                still: bool) -> list[EncodedFrame]:
    """Run frame t of [B, T, 3, h, w] through paths[t]; of a still the trunk is needed once."""
    if not still:
        return [network.encode(images[:, t], path) for t, path in enumerate(paths)]
    image = images[:, 0]
    shared = [image, *network.trunk(image)]
    return [network.path(path).encode(shared) for path in paths]
