"""tdnet_train: train a network on labelled video."""
from __future__ import annotations

import argparse
from dataclasses import replace
import os
from pathlib import Path
import shlex
import sys
import time

from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
import numpy as np
import torch
import yaml

from tdnet_ros.learn.catalogue import DATASETS, open_dataset
from tdnet_ros.learn.config import load_config, plain, TrainConfig, with_seed
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.learner import Learner
from tdnet_ros.learn.loading import check_batches, clips
from tdnet_ros.learn.progress import Progress
from tdnet_ros.learn.trainer import LAST, Trainer
from tdnet_ros.learn.validate import streaming_confusion
from tdnet_ros.nets.classes import UNLABELED
from tdnet_ros.nets.zoo import build, Network, variant

EXAMPLES = """examples:
  tdnet_train --dataset camvid --root data/camvid --model td2-bise18-half --out runs/small
  tdnet_train ... --out runs/small --resume           go on where it was killed
  torchrun --nproc-per-node 4 -m tdnet_ros.learn.train --dataset cityscapes ...
"""


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        'tdnet_train', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dataset', required=True, choices=list(DATASETS))
    parser.add_argument('--root', required=True, type=Path, help='folder of the data set')
    parser.add_argument('--model', required=True, help='row of the table of variants')
    parser.add_argument('--config', required=True, type=Path, help='YAML of the run')
    parser.add_argument('--out', required=True, type=Path, help='folder for results')
    parser.add_argument('--seed', type=int, help="in place of the configuration's")
    parser.add_argument('--resume', action='store_true', help='go on from OUT/last.pt if there')
    parser.add_argument('--init', type=Path, help='checkpoint (.pt) whose averaged weights to start from')
    parser.add_argument('--max-minutes', type=float, default=float('inf'),
                        help='save and stop after this time; --resume goes on')
    parser.add_argument('--accelerator', default='auto', help='cpu, cuda, ... (default: auto)')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    try:
        return train(parse_arguments(arguments))
    except (ValueError, OSError) as error:
        print(f'tdnet_train: {error}', file=sys.stderr)
        return 1


def train(options: argparse.Namespace) -> int:
    """Train, or go on training."""
    deadline = time.monotonic() + 60 * options.max_minutes
    config = with_seed(load_config(options.config), options.seed)
    architecture = variant(options.model)
    training = open_dataset(options.dataset, options.root, 'train')
    validation = open_dataset(options.dataset, options.root, 'val')
    last = options.out / LAST
    if last.exists() and not options.resume:
        raise ValueError(f'{last} is there already: add --resume to go on, or choose another --out')
    training.check()
    validation.check()

    fabric = make_fabric(options.accelerator, config)
    check_batches(config, fabric.world_size)
    network = build(architecture, len(training.classes))
    if options.init:
        network.load_state_dict(
            torch.load(options.init, map_location='cpu', weights_only=True)['average'])
    network.to(memory_format=torch.channels_last)
    learner = Learner(network, config, class_weights(training, config.class_balance))
    trainer = Trainer(fabric, learner, config, options.out)
    if fabric.is_global_zero:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / 'config.yaml').write_text(yaml.safe_dump(plain(config), sort_keys=False))
    if last.exists():
        trainer.resume(last)

    size = validation_size(validation)

    def validate(candidate: Network) -> dict[str, float]:
        confusion = streaming_confusion(candidate, validation, fabric.device, size)
        ious = dict(zip(validation.classes.names, map(float, confusion.iou())))
        return {'miou': confusion.miou(), **ious}

    data = clips(config, training, architecture.paths, trainer.step, fabric.global_rank,
                 fabric.world_size)
    with Progress(options.out, config, trainer.step, fabric.is_global_zero) as progress:
        trainer.run(data, validate, progress, deadline)
    return 0


def make_fabric(accelerator: str, config: TrainConfig) -> Fabric:
    """Set up devices; under torchrun, one process of many."""
    if 'LOCAL_RANK' in os.environ:
        strategy = DDPStrategy(find_unused_parameters=True)
        fabric = Fabric(accelerator=accelerator, strategy=strategy, precision=config.precision,
                        devices=int(os.environ['LOCAL_WORLD_SIZE']),
                        num_nodes=int(os.environ['WORLD_SIZE']) // int(os.environ['LOCAL_WORLD_SIZE']))
    else:
        fabric = Fabric(accelerator=accelerator, devices=1, precision=config.precision)
    fabric.launch()
    return fabric


def class_weights(dataset: Dataset, power: float) -> torch.Tensor | None:
    """Return the weights that lift rare classes, of mean 1 over the classes."""
    if not power:
        return None
    counts = np.zeros(256, np.int64)
    for clip, position in dataset.labelled():
        label = dataset.clips[clip][position].label
        assert label is not None
        counts += np.bincount(dataset.read_label(label).ravel(), minlength=256)
    counts = np.delete(counts, UNLABELED)[:len(dataset.classes)]
    shares = np.maximum(counts, 1) / max(counts.sum(), 1)
    weights = (np.median(shares[counts > 0]) / shares)**power * (counts > 0)
    return torch.tensor(weights / weights[counts > 0].mean(), dtype=torch.float32)


def validation_size(dataset: Dataset) -> tuple[int, int]:
    """Return the size (h, w) of the first labelled frame."""
    clip, position = dataset.labelled()[0]
    label = dataset.clips[clip][position].label
    assert label is not None
    height, width = dataset.read_label(label).shape
    return height, width


if __name__ == '__main__':
    sys.exit(main())
