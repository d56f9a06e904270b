"""What a training run is made of; every number has its one place here or in the run's YAML."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

from tdnet_ros.learn.augment import Augmentation, Motion

Record = TypeVar('Record')


@dataclass(frozen=True)
class Stage:
    """A stretch of a run with one kind of sample."""

    name: str
    steps: int
    crop: tuple[int, int]
    """Height and width in pixels; 32 k + 1, so that the grids of all strides share corners."""
    batch: int
    """Clips per optimiser step, over all processes and accumulated parts."""
    learning_rate: tuple[float, float]
    """At the start and at the end of the stage."""
    accumulate: int = 1
    """Parts that a process computes one after the other for one step."""
    still_share: float = 1.0
    """Share of clips that repeat one frame; the others move."""
    solo: bool = False
    """Only the first path learns, on single frames; the stage after starts all paths from it."""


@dataclass(frozen=True)
class LossWeights:
    """Factors of the terms of the loss."""

    sub: float = 0.5
    """Prediction from a path's own features, nothing propagated."""
    agreement: float = 1.0
    """Divergence between the paths' outputs for the same picture."""
    distillation: float = 1.0
    """Divergence from the teacher; applies only with one."""
    grouped: float = 0.5
    """The same between the sub prediction and the teacher's channel group."""
    auxiliary: float = 0.0
    """Prediction from the backbone's stride 16."""


@dataclass(frozen=True)
class TrainConfig:
    """All of a run but the data, the model and the place for results."""

    stages: tuple[Stage, ...]
    seed: int = 0
    optimizer: str = 'adamw'
    """'adamw' or 'sgd' (momentum 0.9)."""
    weight_decay: float = 0.01
    warmup_steps: int = 200
    power: float = 0.9
    """Of the polynomial between a stage's learning rates."""
    clip_gradient: float = 5.0
    ema_decay: float = 0.998
    class_balance: float = 0.5
    """Class weights are (median share / share of the pixels) to this power; 0: none."""
    ohem_threshold: float = 0.7
    label_stride: int = 1
    """Losses look at every n-th label pixel in each direction."""
    loss: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    motion: Motion = field(default_factory=Motion)
    max_gap: int = 2
    """Real video: largest step between the frames of a clip."""
    precision: str = '32-true'
    workers: int = 0
    validate_every: int = 500
    checkpoint_minutes: float = 3.0
    log_every: int = 10
    """Steps from one point of the curves to the next."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError('a run needs at least one stage')
        if self.optimizer not in ('adamw', 'sgd'):
            raise ValueError(f"optimizer '{self.optimizer}', expected 'adamw' or 'sgd'")

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return sum(stage.steps for stage in self.stages)

    def locate(self, step: int) -> tuple[int, int]:
        """Return the stage that a step lies in, and the step's number in it."""
        for number, stage in enumerate(self.stages):
            if step < stage.steps:
                return number, step
            step -= stage.steps
        raise ValueError(f'the run has only {self.steps} steps')

    def paths_start(self, step: int) -> bool:
        """Return whether the step is the first of all paths after a solo stage."""
        number, offset = self.locate(step)
        return (offset == 0 and number > 0 and self.stages[number - 1].solo
                and not self.stages[number].solo)

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


def load_config(path: Path) -> TrainConfig:
    """Read a run's YAML; ValueError names what is wrong in it."""
    if not path.is_file():
        raise ValueError(f'config {path}: no such file')
    try:
        return parse_config(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ValueError(f'config {path}: {error}') from error


def parse_config(content: Any) -> TrainConfig:
    """Build a run's configuration from plain data."""
    return _record(TrainConfig, content, 'the run')


def plain(config: Any) -> dict[str, Any]:
    """Turn a configuration to plain data for YAML and checkpoints."""
    return _lists(asdict(config))


def with_seed(config: TrainConfig, seed: int | None) -> TrainConfig:
    """Replace the seed, if one is given."""
    return config if seed is None else replace(config, seed=seed)


def _record(kind: type[Record], content: Any, where: str) -> Record:
    if not isinstance(content, Mapping):
        raise ValueError(f'{where}: expected a mapping, not {content!r}')
    hints = get_type_hints(kind)
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        raise ValueError(f'{where}: unknown {", ".join(unknown)}; expected {", ".join(known)}')
    return kind(**{key: _value(hints[key], value, key) for key, value in content.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint == tuple[Stage, ...]:
        return tuple(_record(Stage, item, f'stage {i}') for i, item in enumerate(value))
    if is_dataclass(hint):
        return _record(hint, value, where)  # type: ignore[arg-type]
    if isinstance(value, list):
        return tuple(_value(get_args(hint)[0], item, where) for item in value)
    if hint is float:
        return float(value)  # YAML reads 1e-3 as text
    return value


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, (tuple, list)) else value
