"""The training loop: resumable at any step, the same on one process or many."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import math
from pathlib import Path
import time
from typing import Protocol

from lightning_fabric import Fabric
import torch
from torch import Tensor, nn

from tdnet_ros.learn.config import TrainConfig, plain
from tdnet_ros.learn.ema import WeightAverage
from tdnet_ros.learn.learner import Learner, start_paths
from tdnet_ros.learn.samples import Clip
from tdnet_ros.nets.writing import replacing
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.frame import Image

LAST = 'last.pt'


class Validation(Protocol):
    """Judges averaged weights."""

    def measure(self, network: Network, solo: bool) -> dict[str, float]:
        """Return figures, 'miou' among them; solo: only the first path has learnt."""

    def pictures(self, network: Network, solo: bool) -> list[Image]:
        """Return RGB pictures to look at."""

    def keep(self, network: Network, step: int, metrics: dict[str, float]) -> None:
        """Store the best weights so far."""


class Watcher(Protocol):
    """Is told how a run goes."""

    def step(self, step: int, terms: dict[str, float], learning_rate: float) -> None:
        """Hear of a finished step."""

    def validated(self, step: int, metrics: dict[str, float], best: float,
                  pictures: list[Image]) -> None:
        """Hear of a validation."""


class Trainer:
    """A learner, its optimiser and its averaged weights, at some step of a run."""

    def __init__(self, fabric: Fabric, learner: Learner, config: TrainConfig,
                 out: Path) -> None:
        self.fabric = fabric
        self.config = config
        self.out = out
        self.step = 0
        self.best = 0.0
        self.average = WeightAverage(learner.network, config.ema_decay)
        self.average.network.to(fabric.device)
        self.network = learner.network
        self.learner, self.optimizer = fabric.setup(learner, make_optimizer(learner, config))

    def run(self, clips: Iterator[Clip], validation: Validation, watcher: Watcher,
            end: int, deadline: float = float('inf')) -> bool:
        """Train up to step `end`, or to the deadline (time.monotonic); True at the end."""
        saved = time.monotonic()
        while self.step < end:
            terms = self.take_step(clips)
            if not all(math.isfinite(value) for value in terms.values()):
                raise FloatingPointError(f'the loss is not a number at step {self.step}: {terms}')
            watcher.step(self.step, terms, self.config.learning_rate(self.step - 1))
            ended = self.step == end
            stopped = time.monotonic() > deadline
            if ended or self.step % self.config.validate_every == 0:
                self._validate(validation, watcher)
            if ended or stopped or time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                self.save(LAST)
                saved = time.monotonic()
            if stopped:
                break
        return self.step >= end

    def take_step(self, clips: Iterator[Clip]) -> dict[str, float]:
        """Take one optimiser step; return the terms of its loss."""
        stage = self.config.stages[self.config.locate(self.step)[0]]
        if self.config.paths_start(self.step):
            start_paths(self.network, self.optimizer.optimizer)
            start_paths(self.average.network)
            self.best = 0.0
        for group in self.optimizer.param_groups:
            group['lr'] = self.config.learning_rate(self.step)
        self.learner.train()
        sums: dict[str, Tensor] = {}
        for part in range(stage.accumulate):
            clip = Clip(*(self.fabric.to_device(field) for field in next(clips)))
            torch.manual_seed(self._seed(part * self.fabric.world_size + self.fabric.global_rank))
            with self.fabric.no_backward_sync(self.learner, part < stage.accumulate - 1):
                terms = self.learner(clip, self.step)
                self.fabric.backward(terms['total'] / stage.accumulate)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0) + value.detach() / stage.accumulate
        if self.config.clip_gradient:
            self._clip_gradients()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.network, self.step)
        self.step += 1
        names = sorted(sums)
        values = self.fabric.all_reduce(torch.stack([sums[name].float() for name in names]))
        assert isinstance(values, Tensor)
        return dict(zip(names, values.tolist()))

    def _clip_gradients(self) -> None:
        try:
            self.fabric.clip_gradients(self.learner, self.optimizer,
                                       max_norm=self.config.clip_gradient)
        except RuntimeError as error:
            if 'non-finite' not in str(error):
                raise
            raise FloatingPointError(f'the gradient is not a number at step {self.step}'
                                     ) from error

    def save(self, name: str) -> None:
        """Write a checkpoint; a kill at any time leaves the old or the new one, whole."""
        if self.fabric.is_global_zero:
            with replacing(self.out / name) as part, part.open('wb') as file, _disk_errors():
                torch.save({
                    'step': self.step, 'best': self.best, 'config': plain(self.config),
                    'learner': self.learner.module.state_dict(),
                    'average': self.average.network.state_dict(),
                    'optimizer': self.optimizer.state_dict()}, file)
        self.fabric.barrier()

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint; ValueError if it is none, or another model's."""
        try:
            state = torch.load(path, map_location='cpu', weights_only=True)
        except Exception as error:
            raise ValueError(f'{path} cannot be read as a checkpoint of a run') from error
        try:
            if state['config']['optimizer'] != self.config.optimizer:
                raise ValueError(state['config']['optimizer'])
            self.learner.module.load_state_dict(state['learner'])
            self.average.network.load_state_dict(state['average'])
            self.optimizer.load_state_dict(state['optimizer'])
            self.step, self.best = state['step'], state['best']
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f'{path} does not fit this run: it is of another model, of other '
                             'classes or of another optimiser') from error

    def _validate(self, validation: Validation, watcher: Watcher) -> None:
        if self.fabric.is_global_zero:
            solo = self.config.stages[self.config.locate(self.step - 1)[0]].solo
            metrics = validation.measure(self.average.network, solo)
            better = metrics['miou'] > self.best
            self.best = max(self.best, metrics['miou'])
            pictures = validation.pictures(self.average.network, solo)
            watcher.validated(self.step, metrics, self.best, pictures)
            if better:
                validation.keep(self.average.network, self.step, metrics)
        self.fabric.barrier()

    def _seed(self, part: int) -> int:
        return (self.config.seed * 1_000_003 + self.step) * 1009 + part


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Of a write that fails PyTorch raises its own error about what that left unfinished."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def make_optimizer(learner: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimiser; only matrices and filters decay, not norms and biases."""
    decayed = [p for p in learner.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in learner.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{'params': decayed, 'weight_decay': config.weight_decay},
              {'params': others, 'weight_decay': 0.0}]
    if config.optimizer == 'sgd':
        return torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    return torch.optim.AdamW(groups, lr=1.0, foreach=True)
