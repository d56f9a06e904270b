"""The training loop: resumable at any step, the same on one process or many."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
import math
from pathlib import Path
import time

from lightning_fabric import Fabric
import torch
from torch import Tensor, nn

from tdnet_ros.learn.config import LAST, TrainConfig
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.devices import shares_norms
from tdnet_ros.learn.ema import WeightAverage
from tdnet_ros.learn.interrupt import DeferredInterrupt
from tdnet_ros.learn.learner import Learner, Passes
from tdnet_ros.learn.paths import start_paths
from tdnet_ros.learn.progress import Progress
from tdnet_ros.learn.resuming import changes, check_classes, check_data, read_checkpoint
from tdnet_ros.learn.samples import Clip
from tdnet_ros.learn.validator import Validator
from tdnet_ros.nets.card import ModelCard
from tdnet_ros.nets.records import plain
from tdnet_ros.nets.writing import replacing


class Trainer:
    """A learner, its optimiser and its averaged weights, at some step of a run on SPLITS."""

    def __init__(self, fabric: Fabric, learner: Learner, config: TrainConfig,
                 data: Sequence[Dataset], card: ModelCard, out: Path) -> None:
        self.fabric = fabric
        self.config = config
        self.classes = data[0].classes.described()
        self.data = [dataset.described() for dataset in data]
        self.options = {'--input-size': list(card.input_size), '--teacher': learner.taught}
        self.card = card
        """Of the model that the run makes: what it came from, and its licence, stay."""
        self.out = out
        self.step = 0
        self.solo = False
        """Whether the last step was of a stage in which only the first path learns."""
        self.average = WeightAverage(learner.network, config.ema_decay)
        self.average.network.to(fabric.device)
        self.network = learner.network
        self.learner, self.optimizer = fabric.setup(learner, make_optimizer(learner, config))

    def run(self, clips: Iterator[Clip], validator: Validator, progress: Progress,
            end: int, deadline: float = float('inf')) -> bool:
        """Train up to step `end`, or to the deadline (time.monotonic); True at the end.

        A signal ends the step that it meets, and raises KeyboardInterrupt once that is saved.
        """
        with DeferredInterrupt() as interrupt:
            self._run(clips, validator, progress, end, deadline, interrupt)
        if self._any_process(bool(interrupt.came))[0]:  # it came during the last save
            raise interrupt.interruption()
        return self.step >= end

    def _run(self, clips: Iterator[Clip], validator: Validator, progress: Progress, end: int,
             deadline: float, interrupt: DeferredInterrupt) -> None:
        saved = time.monotonic()
        resumable = self.step > 0
        while self.step < end:
            terms = self.take_step(clips)
            if not all(math.isfinite(value) for value in terms.values()):
                raise FloatingPointError(f'the loss is not a number at step {self.step}: {terms}')
            ended = self.step == end
            validated = ended or self.step % self.config.validate_every == 0
            metrics = self.judge(validator) if validated else {}
            with self._kept():
                progress.step(self.step, terms, self.config.learning_rate(self.step - 1))
                if metrics:
                    progress.validated(self.step, metrics, validator.best,
                                       validator.pictures(self.average.network))
            now = time.monotonic()
            interrupted, stopped, due = self._any_process(
                bool(interrupt.came), now > deadline,
                now - saved > 60 * self.config.checkpoint_minutes)
            due |= validated and not resumable  # no best without the last
            if ended or interrupted or stopped or due:
                self.save(LAST)
                saved, resumable = time.monotonic(), True
            if interrupted:
                raise interrupt.interruption()
            if stopped:
                break

    def take_step(self, clips: Iterator[Clip]) -> dict[str, float]:
        """Take one optimiser step; return the terms of its loss."""
        stage = self.config.stages[self.config.locate(self.step)[0]]
        if self.solo and not stage.solo:
            start_paths(self.network, self.learner.module.auxiliary, self.optimizer.optimizer)
            start_paths(self.average.network)
        self.solo = stage.solo
        for group in self.optimizer.param_groups:
            group['lr'] = self.config.learning_rate(self.step)
        self.learner.train()
        sums: dict[str, Tensor] = {}
        for part in range(stage.accumulate):
            clip = next(clips)
            passes = self._agree(Passes.of(clip))
            clip = Clip(*(self.fabric.to_device(field) for field in clip))
            torch.manual_seed(self._seed(part * self.fabric.world_size + self.fabric.global_rank))
            with self.fabric.no_backward_sync(self.learner, part < stage.accumulate - 1):
                terms = self.learner(clip, self.step, passes)
                self.fabric.backward(terms['total'] / stage.accumulate)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0) + value.detach() / stage.accumulate
        if self.config.clip_gradient:
            self._clip_gradients()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._average_norms()
        self.average.update(self.network, self.step)
        self.step += 1
        names = sorted(sums)
        values = self.fabric.all_reduce(torch.stack([sums[name].float() for name in names]))
        assert isinstance(values, Tensor)
        return dict(zip(names, values.tolist()))

    def _agree(self, passes: Passes) -> Passes:
        """Return the passes that any process needs, where batch norms meet in each of them."""
        if not shares_norms(self.fabric):
            return passes
        moving, *labelled = self._any_process(passes.moving, *passes.labelled)
        return Passes(moving, tuple(labelled))

    @torch.no_grad()
    def _average_norms(self) -> None:
        """Give all processes the mean of their batch norms' statistics, where each has its own."""
        if self.fabric.world_size == 1 or shares_norms(self.fabric):
            return
        statistics = [value for name, value in self.network.named_buffers()
                      if '.running_' in name]
        mean = self.fabric.all_reduce(torch.cat(statistics))
        assert isinstance(mean, Tensor)
        for value, part in zip(statistics, mean.split([len(value) for value in statistics])):
            value.copy_(part)

    def _any_process(self, *said: bool) -> list[bool]:
        """Return what any process says; their clocks differ, and all must do the same."""
        if self.fabric.world_size == 1:
            return list(said)
        counts = self.fabric.all_reduce(torch.tensor(said, dtype=torch.float32,
                                                     device=self.fabric.device))
        assert isinstance(counts, Tensor)
        return [count > 0 for count in counts.tolist()]

    def _clip_gradients(self) -> None:
        try:
            self.fabric.clip_gradients(self.learner, self.optimizer,
                                       max_norm=self.config.clip_gradient)
        except RuntimeError as error:
            if 'non-finite' not in str(error):
                raise
            raise FloatingPointError(f'the gradient is not a number at step {self.step}: try a '
                                     'lower learning rate') from error

    def save(self, name: str) -> None:
        """Write a checkpoint; a kill at any time leaves the old or the new one, whole."""
        if self.fabric.is_global_zero:
            self._write(self.out / name)
        self.fabric.barrier()

    def _write(self, path: Path) -> None:
        with replacing(path) as part, part.open('wb') as file, _disk_errors():
            torch.save({
                'step': self.step, 'solo': self.solo,
                'config': plain(self.config), 'classes': self.classes,
                'data': self.data, 'options': self.options,
                'source': self.card.source, 'licence': self.card.licence,
                'learner': self.learner.module.state_dict(),
                'average': self.average.network.state_dict(),
                'optimizer': self.optimizer.state_dict()}, file)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Save the step that is done where what is said of it goes nowhere, which ends a run."""
        try:
            yield
        except (OSError, SystemExit):
            self._write(self.out / LAST)  # who says something is the first process
            raise

    def resume(self, path: Path) -> list[str]:
        """Go on from a checkpoint, of this very model; return what differs of its settings."""
        state = read_checkpoint(path)
        if 'classes' in state:  # not in those of older versions
            check_classes(path, state['classes'], self.classes)
        if 'data' in state:
            check_data(path, state['data'], self.data)
        if 'licence' in state:
            self.card = replace(self.card, source=state['source'], licence=state['licence'])
        try:
            if state['config']['optimizer'] != self.config.optimizer:
                raise ValueError(state['config']['optimizer'])
            self.learner.module.load_state_dict(state['learner'])
            self.average.network.load_state_dict(state['average'])
            groups = self.optimizer.state_dict()['param_groups']  # with this run's settings
            self.optimizer.load_state_dict({**state['optimizer'], 'param_groups': groups})
            self.step, self.solo = state['step'], state['solo']
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{path} does not fit this run: it is of another model, of other '
                             'classes, of another optimiser, or one of them has an auxiliary '
                             'loss') from error
        before = state['config'] | state['options'] if 'options' in state else {}
        return changes(before, plain(self.config) | self.options)

    def judge(self, validator: Validator) -> dict[str, float]:
        """Judge the averaged weights, with all paths as copies while only the first learns.

        The first process does; the others wait for it where they meet next.
        """
        if not self.fabric.is_global_zero:
            return {}
        network = self.average.network
        if self.solo:
            start_paths(network)
        metrics = validator.measure(network)
        validator.keep(network, self.step, metrics)
        return metrics

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
    """Build the optimiser; only filters decay, not norms and biases."""
    decayed = [m.weight for m in learner.modules() if isinstance(m, nn.Conv2d)]
    filters = {id(weight) for weight in decayed}
    others = [p for p in learner.parameters() if id(p) not in filters]
    groups = [{'params': decayed, 'weight_decay': config.weight_decay},
              {'params': others, 'weight_decay': 0.0}]
    if config.optimizer == 'sgd':
        return torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    return torch.optim.AdamW(groups, lr=1.0, foreach=True)
