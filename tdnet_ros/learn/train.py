"""Train a network on labelled video."""
from __future__ import annotations

import argparse
from pathlib import Path
import shlex
import sys
import time

from lightning_fabric import Fabric
import yaml

from tdnet_ros.learn.advice import advice
from tdnet_ros.learn.catalogue import DATASETS, open_dataset
from tdnet_ros.learn.config import DEFAULT, TrainConfig, load_config, override, recipes, scaled
from tdnet_ros.learn.datasets import SPLITS, Dataset
from tdnet_ros.learn.devices import channels_last, leave_together, make_fabric, place, shares_norms
from tdnet_ros.learn.distill import GroupedTeacher, load_teacher
from tdnet_ros.learn.export import LICENCES, new_card
from tdnet_ros.learn.learner import Learner
from tdnet_ros.learn.loading import check_batches, clips, fewest_clips
from tdnet_ros.learn.losses import balance_weights
from tdnet_ros.learn.progress import Progress
from tdnet_ros.learn.start import start_from
from tdnet_ros.learn.trainer import LAST, Trainer
from tdnet_ros.learn.validator import BEST, Validator
from tdnet_ros.nets.architecture import Architecture, aligned_size
from tdnet_ros.nets.card import ModelCard, find_model, shipped_models
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.records import plain
from tdnet_ros.nets.writing import check_folder
from tdnet_ros.nets.zoo import VARIANTS, Network, build, variant
from tdnet_ros.stream.engines.allocator import is_out_of_memory, shortage

EXAMPLES = """examples:
  tdnet_train --dataset camvid --root data/camvid --model td2-bise18-half --out runs/small
  tdnet_train ... --out runs/small --resume            go on where it was stopped or killed
  tdnet_train ... --teacher runs/teacher/best.yaml     distil a per-frame network's knowledge
  torchrun --nproc-per-node 4 -m tdnet_ros.learn.train --dataset cityscapes ...

OUT/best.yaml and OUT/best.safetensors are the averaged weights of the best validation so far:
a model for every other tool. OUT/last.pt is where --resume goes on; Ctrl-C writes it, too.
"""
MORE_TO_DO = 75
"""Exit status (EX_TEMPFAIL) of a run that --max-minutes stopped before its end."""
INTERRUPTED = 130


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        'tdnet_train', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dataset', required=True, choices=list(DATASETS))
    parser.add_argument('--root', required=True, type=Path, help='folder of the data set')
    parser.add_argument('--model', help='row of the table of variants (default: that of --init)')
    parser.add_argument('--out', required=True, type=Path, help='folder for results')
    parser.add_argument('--config', metavar='FILE',
                        help='YAML of the run, or the name of a recipe: '
                             f'{", ".join(recipes())} (default: {DEFAULT}, for one GPU)')
    parser.add_argument('--teacher', metavar='CARD', help='per-frame network to distil')
    parser.add_argument('--init', metavar='CARD',
                        help='model to start from, a card or the name of a shipped one; it may '
                             'have other classes, fewer channels or paths')
    parser.add_argument('--input-size', type=int, nargs=2, metavar=('H', 'W'),
                        help="of the network's input in pixels (default: the labels'); views of "
                             'the pictures are drawn at that size')
    parser.add_argument('--seed', type=int, help="in place of the configuration's")
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE',
                        help="in place of the configuration's, such as loss.grouped=0")
    parser.add_argument('--length', type=float, default=1.0, metavar='FACTOR',
                        help='factor on the steps of all stages')
    parser.add_argument('--resume', action='store_true', help='go on from OUT/last.pt if there')
    parser.add_argument('--until', metavar='STAGE', help='end with this stage; --resume without '
                        'it goes on')
    parser.add_argument('--max-minutes', type=float, default=float('inf'), metavar='M',
                        help=f'save and stop after this time with status {MORE_TO_DO}; '
                             '--resume goes on')
    parser.add_argument('--accelerator', default='auto', choices=('auto', 'cpu', 'cuda'),
                        help='where to compute (default: %(default)s)')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = parse_arguments(arguments)
    options.command = shlex.join(['tdnet_train', *(arguments or sys.argv[1:])])
    try:
        return 0 if train(options) else MORE_TO_DO
    except (ValueError, OSError, FloatingPointError) as error:
        print(f'tdnet_train: {without_traceback(error)}', file=sys.stderr)
        return 1
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        print(f'tdnet_train: {shortage(error)}: {without_traceback(error)}; a smaller batch '
              'or crop or --input-size takes less memory, accumulate keeps the batch and takes '
              'longer', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        more = '; --resume goes on' if (options.out / LAST).exists() else ''
        print(f'tdnet_train: interrupted{more}', file=sys.stderr)
        return INTERRUPTED


def without_traceback(error: Exception) -> str:
    """Return an error's message; of one in a loader's process, without its traceback."""
    text = str(error).strip()
    if 'DataLoader worker' in text:
        return text.splitlines()[-1].partition(': ')[2]
    return text


def train(options: argparse.Namespace) -> bool:
    """Train, or go on training; return whether the run is complete."""
    check_options(options)
    deadline = time.monotonic() + 60 * options.max_minutes
    config = read_config(options)
    end = config.end_of(options.until) if options.until else config.steps
    start = find_model(options.init) if options.init else None
    wanted = architecture(options.model, start)
    last = options.out / LAST
    datasets = training, validation = [open_dataset(options.dataset, options.root, split)
                                       for split in SPLITS]
    fabric = make_fabric(options.accelerator, config.precision)
    resumed = fabric.broadcast(last.exists())  # all do what the first does, or none
    check_batches(config, fabric.world_size, fewest_clips(wanted, config, shares_norms(fabric)))
    network, teacher = load_networks(options, config, wanted, training.classes,
                                     None if resumed else start, fabric)
    contents = [dataset.check() for dataset in datasets]  # reads all labelled files: last
    size = aligned_size(options.input_size or validation.size())
    card = new_card(options.out.resolve().name, wanted, training, size, start,
                    LICENCES.get(options.dataset, ''),
                    command=options.command, config=plain(config))
    weights = balance_weights(contents[0].pixels, config.class_balance)
    learner = place(Learner(network, config, len(card.classes), weights, teacher), fabric)
    trainer = Trainer(fabric, learner, config, datasets, card, options.out)
    if resumed:
        trainer.resume(last)
    validator = Validator(validation, trainer.card, options.out, fabric)
    if resumed:
        validator.resume()
    if fabric.is_global_zero:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / 'config.yaml').write_text(yaml.safe_dump(plain(config), sort_keys=False))
        if options.resume and not resumed:
            print(f'{last} is not there: the run starts')
        if not resumed:
            print(*advice(options, config, card, datasets, contents), sep='\n')
    return run(trainer, training, size, validator, end, deadline)


def check_options(options: argparse.Namespace) -> None:
    """Refuse what needs no look at the data."""
    if not options.max_minutes >= 0:
        raise ValueError(f'--max-minutes {options.max_minutes:g}: expected a time of at least 0')
    if options.input_size and min(options.input_size) < 1:
        raise ValueError('--input-size {} {}: expected a height and a width'.format(
            *options.input_size))
    check_folder(options.out)
    last, best = options.out / LAST, options.out / BEST
    if last.exists() and not options.resume:
        raise ValueError(f'{last} is there: add --resume to go on, or choose another --out')
    if best.exists() and not options.resume:
        raise ValueError(f'{best} is there: choose another --out')


def run(trainer: Trainer, training: Dataset, input_size: tuple[int, int], validator: Validator,
        end: int, deadline: float) -> bool:
    """Take the steps that are left up to `end` or the deadline; return whether all are done."""
    fabric, config, start = trainer.fabric, trainer.config, trainer.step
    done = start >= end
    if done and fabric.is_global_zero:
        print(f'{trainer.out} is finished: {start} of {end} steps are done')
    last = None if done else trainer.average.network
    if not done:
        data = clips(config, training, trainer.network.architecture.paths, input_size, start,
                     fabric.global_rank, fabric.world_size, pin=fabric.device.type == 'cuda')
        with Progress(trainer.out, config, start, fabric.is_global_zero) as progress:
            done = trainer.run(data, validator, progress, end, deadline)
    if fabric.is_global_zero:
        if trainer.step < config.steps:
            print(f'stopped at step {trainer.step} of {config.steps}; --resume goes on')
        finish(config, trainer.step, last, training, validator)
    leave_together()
    return done


def architecture(model: str | None, start: ModelCard | None) -> Architecture:
    """Look up a row of the table or, where none is named, the network to start from."""
    if model in shipped_models() and model not in VARIANTS:
        raise ValueError(f'--model {model}: it is trained; --init {model} starts from it')
    if model:
        return variant(model)
    if start is None:
        raise ValueError('expected --model or --init')
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


def read_config(options: argparse.Namespace) -> TrainConfig:
    """Read the configuration with the command line's changes to it."""
    settings = {}
    for setting in options.set:
        name, equals, value = setting.partition('=')
        if not equals:
            raise ValueError(f'--set {setting}: expected NAME=VALUE')
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f'--set {setting}: the value is no YAML') from error
    if options.seed is not None:
        settings['seed'] = options.seed
    if not 0 < options.length < float('inf'):
        raise ValueError(f'--length {options.length:g}: expected a number above 0')
    return scaled(override(load_config(options.config or DEFAULT), settings), options.length)


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


if __name__ == '__main__':
    sys.exit(main())
