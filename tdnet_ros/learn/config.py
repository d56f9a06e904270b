"""What a training run is made of; every number has its one place here or in the run's YAML."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tdnet_ros.learn.augment import Augmentation, Motion, Scale
from tdnet_ros.nets.architecture import aligned_size
from tdnet_ros.nets.records import (
    Amount,
    Count,
    Natural,
    Range,
    Share,
    Side,
    plain,
    read_record,
    read_yaml,
)

RECIPES = Path(__file__).parent / 'recipes'
DEFAULT = 'default'
"""The recipe where none is named."""
LAST, BEST = 'last.pt', 'best.yaml'
"""In the folder of a run: where it goes on, and its model."""


@dataclass(frozen=True)
class Stage:
    """A stretch of a run with one kind of sample."""

    name: str
    """Shown while it runs; --until takes it."""
    steps: Count
    """Of the optimiser."""
    crop: tuple[Side, Side]
    """Height and width in pixels; 32 k + 1, so that the grids of all strides share corners."""
    batch: Count
    """Clips per optimiser step, over all processes and accumulated parts."""
    learning_rate: tuple[Amount, Amount]
    """At the start and at the end of the stage."""
    accumulate: Count = 1
    """Parts that a process computes one after the other for one step."""
    still_share: Share = 1.0
    """Share of clips that repeat one frame; the others move."""
    solo: bool = False
    """Only the first path learns, on single frames; the stage after starts all paths from it."""

    def __post_init__(self) -> None:
        if self.crop != aligned_size(self.crop):
            raise ValueError('crop is {} x {}, expected sides of 32 k + 1, such as {} x {}'.format(
                *self.crop, *aligned_size(self.crop)))


@dataclass(frozen=True)
class LossWeights:
    """Factors of the terms of the loss; 0: it does not count."""

    sub: Amount = 0.5
    """Prediction from a path's own features, nothing propagated."""
    agreement: Amount = 1.0
    """Divergence between the paths' outputs for the same picture."""
    distillation: Amount = 1.0
    """Divergence from the teacher; applies only with one."""
    grouped: Amount = 0.5
    """The same between the sub prediction and the teacher's channel group."""
    auxiliary: Amount = 0.0
    """Prediction from the backbone's stride 16."""


@dataclass(frozen=True)
class TrainConfig:
    """All of a run but the data, the model and the place for results."""

    stages: tuple[Stage, ...]
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    """Of the samples and of dropout."""
    optimizer: Literal['adamw', 'sgd'] = 'adamw'
    """SGD has momentum 0.9."""
    weight_decay: Amount = 0.01
    """Of filters, not of norms and biases; 0: none."""
    warmup_steps: Natural = 200
    """Steps in which the learning rate rises to that of its stage; 0: none."""
    power: Amount = 0.9
    """Of the polynomial between a stage's learning rates."""
    clip_gradient: Amount = 5.0
    """Largest norm of the gradient; 0: no limit."""
    ema_decay: Share = 0.998
    """What the averaged weights keep of themselves in each step; 0: no average."""
    class_balance: Amount = 0.5
    """Class weights are (median share / share of the pixels) to this power; 0: none."""
    ohem_threshold: Share = 0.7
    """Losses count the pixels whose true class has a lower probability, and at least the 1/16
    with the largest loss; 1: all pixels."""
    calibrate: bool = True
    """At the end the classes' logits are shifted to what is best on the training split, where
    the validation agrees (see calibrate.py)."""
    label_stride: Count = 1
    """Losses look at every n-th label pixel in each direction, the first and last of a row among
    them."""
    loss: LossWeights = field(default_factory=LossWeights)
    teacher_scales: tuple[Scale, ...] = (1.0,)
    """The teacher sees the picture at each of these sizes, at every second one mirrored, and
    teaches the mean of what it says."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    motion: Motion = field(default_factory=Motion)
    max_gap: Count = 2
    """Real video: largest step between the frames of a clip."""
    precision: Literal['32-true', 'bf16-mixed'] = '32-true'
    """float32, or bfloat16 where it is exact enough; the weights are float32 with both."""
    workers: Natural = 0
    """Processes that prepare samples, as far as the machine has cores for them; 0: none."""
    validate_every: Count = 500
    """Steps from one validation to the next; the run's last step has one, too."""
    checkpoint_minutes: Amount = 3.0
    """Time from one checkpoint to the next; 0: one after every step."""
    log_every: Count = 10
    """Steps from one point of the curves to the next."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError('a run needs at least one stage')
        if not self.teacher_scales:
            raise ValueError('teacher_scales needs at least one scale')
        sides = [side for stage in self.stages for side in stage.crop]
        if any((side - 1) % self.label_stride for side in sides):
            raise ValueError(f'label_stride is {self.label_stride}, expected a divisor of the '
                             "crops' sides less 1")

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return sum(stage.steps for stage in self.stages)

    def end_of(self, stage: str) -> int:
        """Return the number of steps up to the end of a stage, by its name."""
        names = [entry.name for entry in self.stages]
        if stage not in names:
            raise ValueError(f"stage '{stage}', expected one of {', '.join(names)}")
        return sum(entry.steps for entry in self.stages[:names.index(stage) + 1])

    def locate(self, step: int) -> tuple[int, int]:
        """Return the stage that a step lies in, and the step's number in it."""
        for number, stage in enumerate(self.stages):
            if step < stage.steps:
                return number, step
            step -= stage.steps
        raise ValueError(f'the run has only {self.steps} steps')

    def first_sample(self, step: int) -> int:
        """Return the number of the first sample of a step."""
        number, offset = self.locate(step)
        before = sum(stage.steps * stage.batch for stage in self.stages[:number])
        return before + offset * self.stages[number].batch

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step: warm-up, then a polynomial in each stage."""
        number, offset = self.locate(step)
        start, end = self.stages[number].learning_rate
        rate = end + (start - end) * (1 - offset / self.stages[number].steps)**self.power
        return rate * min(1.0, (step + 1) / (self.warmup_steps + 1))


def recipes() -> list[str]:
    """Return the names of the configurations that come with the package."""
    return sorted(path.stem for path in RECIPES.glob('*.yaml'))


def load_config(name: str | Path) -> TrainConfig:
    """Read a run's YAML, a file or a recipe by its name; ValueError names what is wrong in it."""
    path = Path(name)
    if str(name) in recipes() and not path.is_file():
        path = RECIPES / f'{name}.yaml'
    if not path.is_file():
        raise ValueError(f'config {name}: no such file, nor one of {", ".join(recipes())}')
    try:
        return parse_config(read_yaml(path))
    except ValueError as error:
        raise ValueError(f'config {path}: {error}') from error


def parse_config(content: Any) -> TrainConfig:
    """Build a run's configuration from plain data."""
    return read_record(TrainConfig, content, 'the run')


def override(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """Replace settings by their dotted names: 'seed', 'loss.grouped', 'stages.0.steps'."""
    content = plain(config)
    for name, value in settings.items():
        *inner, last = (int(key) if key.isdigit() else key for key in name.split('.'))
        place: Any = content
        try:
            for key in inner:
                place = place[key]
            place[last]  # only what is there can be replaced
            place[last] = value
        except (KeyError, IndexError, TypeError):
            raise ValueError(f"setting '{name}': there is no such setting") from None
    return parse_config(content)


def scaled(config: TrainConfig, length: float) -> TrainConfig:
    """Multiply the steps of all stages, and the warm-up, by a factor."""
    stages = [replace(stage, steps=max(1, round(stage.steps * length)))
              for stage in config.stages]
    return replace(config, stages=tuple(stages),
                   warmup_steps=round(config.warmup_steps * length))
