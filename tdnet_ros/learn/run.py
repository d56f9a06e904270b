"""One run of the training command, from its data and weights to its model."""
from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
import os
from pathlib import Path
import shutil
import time

from lightning_fabric import Fabric
import yaml

from tdnet_ros.learn.advice import advice, resuming
from tdnet_ros.learn.config import LAST, TrainConfig
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.devices import channels_last, leave_together, make_fabric, place, shares_norms
from tdnet_ros.learn.distill import GroupedTeacher, load_teacher
from tdnet_ros.learn.export import LICENCES, new_card
from tdnet_ros.learn.learner import Learner
from tdnet_ros.learn.loading import check_batches, clips, fewest_clips
from tdnet_ros.learn.losses import balance_weights
from tdnet_ros.learn.progress import Progress
from tdnet_ros.learn.start import start_from
from tdnet_ros.learn.trainer import Trainer
from tdnet_ros.learn.validator import NONE_YET, Validator
from tdnet_ros.nets.architecture import Architecture, aligned_size, checked_size
from tdnet_ros.nets.card import ModelCard, find_model, shipped_models
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.records import plain
from tdnet_ros.nets.variants import VARIANTS, variant
from tdnet_ros.nets.writing import locked, replacing
from tdnet_ros.nets.zoo import Network, build

IN_CHECKPOINT = 4
"""Times the weights: they, their average, and what the optimiser keeps of each."""
LOADERS_END_S = 8.0
"""Those that load pictures look every 5 s whether their run was killed, and hold its folder."""


def train(options: argparse.Namespace, config: TrainConfig, datasets: Sequence[Dataset],
          end: int, deadline: float) -> bool:
    """
    Train, or go on training, on the data sets of SPLITS; return whether `end` is reached.

    deadline: time.monotonic() at which to save and stop.
    """
    done = _train(options, config, datasets, end, deadline)
    leave_together()  # when all that refers to the group of processes is gone
    return done


def _train(options: argparse.Namespace, config: TrainConfig, datasets: Sequence[Dataset],
           end: int, deadline: float) -> bool:
    training, validation = datasets
    start = find_model(options.init) if options.init else None
    wanted = architecture(options.model, start)
    last = options.out / LAST
    fabric = make_fabric(options.accelerator, config.precision)
    resumed = fabric.broadcast(last.exists())  # all do what the first does, or none
    check_batches(config, fabric.world_size, fewest_clips(wanted, config, shares_norms(fabric)))
    network, teacher = load_networks(options, config, wanted, training.classes,
                                     None if resumed else start, fabric)
    contents = [dataset.check() for dataset in datasets]  # reads all labelled files: last
    size = checked_size(aligned_size(options.input_size or validation.size()))
    card = new_card(options.out.resolve().name, wanted, training, size, start,
                    find_model(options.teacher) if options.teacher else None,
                    LICENCES.get(options.dataset, ''), command=options.command,
                    config=plain(config))
    weights = balance_weights(contents[0].pixels, config.class_balance)
    learner = place(Learner(network, config, len(card.classes), weights, teacher), fabric)
    trainer = Trainer(fabric, learner, config, datasets, card, options.out)
    changed = trainer.resume(last) if resumed else []
    validator = Validator(validation, trainer.card, options.out, fabric)
    if resumed:
        validator.resume()
    with claimed(options.out) if fabric.is_global_zero else nullcontext():
        if fabric.is_global_zero:
            if trainer.step < end:
                check_room(options.out, learner)
                with replacing(options.out / 'config.yaml') as part:
                    part.write_text(yaml.safe_dump(plain(config), sort_keys=False))
            for line in (resuming(options, last, changed if trainer.step < end else []) if resumed
                         else advice(options, config, card, datasets, contents)):
                print(line)
        return run(trainer, training, size, validator, end, deadline)


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Make a run's folder and hold it while the run goes on; ValueError if another one does."""
    out.mkdir(parents=True, exist_ok=True)
    held = _taken(out)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _taken(out: Path) -> int | None:
    end_s = time.monotonic() + LOADERS_END_S
    while time.monotonic() < end_s:
        try:
            return locked(out)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # of a file system without locks
            return None
    raise ValueError(f'another run writes to {out}: choose another --out')


def check_room(out: Path, learner: Learner) -> None:
    """Refuse a disk with no room for a checkpoint beside the one that it replaces."""
    weights = sum(value.nbytes for value in learner.state_dict().values())
    last = out / LAST
    needed = (1 if last.exists() else 2) * IN_CHECKPOINT * weights
    free = shutil.disk_usage(out).free
    if free < needed:
        raise ValueError(f'{out} has room for {free / 2**20:.0f} MiB: {LAST}, written anew before '
                         f'the old one goes, takes {needed / 2**20:.0f}')


def run(trainer: Trainer, training: Dataset, input_size: tuple[int, int], validator: Validator,
        end: int, deadline: float) -> bool:
    """Take the steps that are left up to `end` or the deadline; return whether all are done."""
    fabric, config, start = trainer.fabric, trainer.config, trainer.step
    done = start >= end
    if done and fabric.is_global_zero:
        print(f'{trainer.out} is finished: {start} steps are done, {end} were asked for')
        if validator.best == NONE_YET:  # it was cut short since
            trainer.judge(validator)
    last = None if done else trainer.average.network
    if not done:
        data = clips(config, training, trainer.network.architecture.paths, input_size, start,
                     fabric.global_rank, fabric.world_size, pin=fabric.device.type == 'cuda')
        with closing(data), Progress(trainer.out, config, start,
                                     fabric.is_global_zero) as progress:
            done = trainer.run(data, validator, progress, end, deadline)
    if fabric.is_global_zero:
        if trainer.step < config.steps:
            print(f'stopped at step {trainer.step} of {config.steps}; --resume goes on')
        finish(config, trainer.step, last, training, validator)
    return done


def architecture(model: str | None, start: ModelCard | None) -> Architecture:
    """Look up a row of the table or, where none is named, the network to start from."""
    if model in shipped_models() and model not in VARIANTS:
        raise ValueError(f'--model {model}: it is trained; --init {model} starts from it')
    if model:
        return variant(model)
    assert start is not None, 'main asks for one of them'
    return start.architecture


def finish(config: TrainConfig, step: int, last: Network | None, training: Dataset,
           validator: Validator) -> None:
    """Calibrate the weights of a run that is at its end; once."""
    if step < config.steps or not config.calibrate:
        return
    result = validator.calibrate(training, last, step)
    if result is None:
        return
    if result.kept:
        print('calibrated on the training split: val mIoU '
              f'{result.before:.4f} -> {result.after:.4f}')
    else:
        print(f'not calibrated: val mIoU {result.before:.4f} would be {result.after:.4f}')


def load_networks(options: argparse.Namespace, config: TrainConfig, wanted: Architecture,
                  classes: ClassSet, start: ModelCard | None,
                  fabric: Fabric) -> tuple[Network, GroupedTeacher | None]:
    """Build the network, from the weights of `start` if given, and the teacher if there is one."""
    network = build(wanted, len(classes))
    if start:
        new = start_from(network, start, classes)
        if new and fabric.is_global_zero:
            starts = 'it starts' if len(new) == 1 else 'they start'
            print(f'{options.init} does not know {", ".join(new)}: {starts} from nothing')
    teacher = None
    if options.teacher:
        teacher = load_teacher(options.teacher, wanted, classes, config.teacher_scales)
        channels_last(teacher.to(fabric.device))
    return network, teacher
