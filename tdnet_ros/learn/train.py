"""Train a network on labelled video."""
from __future__ import annotations

import argparse
from pathlib import Path
import shlex
import sys
import time

import yaml

from tdnet_ros.learn.catalogue import DATASETS, open_dataset
from tdnet_ros.learn.config import (
    BEST,
    DEFAULT,
    LAST,
    TrainConfig,
    load_config,
    override,
    recipes,
    scaled,
)
from tdnet_ros.learn.datasets import SPLITS
from tdnet_ros.learn.interrupt import exit_status
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.writing import check_folder

EXAMPLES = """examples:
  tdnet_train --dataset camvid --root data/camvid --model td2-bise18-half
  tdnet_train ... --resume                             go on where it was stopped or killed
  tdnet_train ... --teacher runs/teacher/best.yaml     distil a per-frame network's knowledge
  torchrun --nproc-per-node 4 -m tdnet_ros.learn.train --dataset cityscapes ...

OUT/best.yaml and OUT/best.safetensors are the averaged weights of the best validation so far:
a model for every other tool. OUT/last.pt is where --resume goes on; Ctrl-C writes it, too.
"""
NO_SHARED_MEMORY = 'shared memory(shm)', 'out of shared memory', '</torch_'
"""What PyTorch says of it, and how it names its files there."""
MORE_TO_DO = 75
"""Exit status (EX_TEMPFAIL) of a run that --max-minutes stopped before its end."""


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        'tdnet_train', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dataset', required=True, choices=list(DATASETS))
    parser.add_argument('--root', required=True, type=Path, help='folder of the data set')
    parser.add_argument('--model', help='row of the table of variants (default: that of --init)')
    parser.add_argument('--out', type=Path,
                        help='folder for results (default: runs/MODEL)')
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
    given = sys.argv[1:] if arguments is None else arguments
    options.command = shlex.join(['tdnet_train', *given])
    deadline = time.monotonic() + 60 * options.max_minutes
    try:
        if not (options.model or options.init):
            raise ValueError('expected --model or --init')
        options.out = options.out or Path('runs', options.model or find_model(options.init).name)
        check_options(options)
        config = read_config(options)
        end = config.end_of(options.until) if options.until else config.steps
        datasets = [open_dataset(options.dataset, options.root, split) for split in SPLITS]
        from tdnet_ros.learn.run import train  # takes seconds: what is wrong above is said before
        return 0 if train(options, config, datasets, end, deadline) else MORE_TO_DO
    except (ValueError, OSError, FloatingPointError) as error:
        print(f'tdnet_train: {without_traceback(error)}', file=sys.stderr)
        return 1
    except (RuntimeError, MemoryError) as error:
        from tdnet_ros.learn.devices import has_lost_another
        from tdnet_ros.stream.engines.allocator import is_out_of_memory, shortage
        if fault := loading_fault(error):
            print(f'tdnet_train: {fault}: fewer workers (--set workers=0: none) take '
                  f'less{goes_on(options)}', file=sys.stderr)
            return 1
        if has_lost_another(error):
            print(f'tdnet_train: another process of the run has ended{goes_on(options)}',
                  file=sys.stderr)
            return 1
        if not is_out_of_memory(error):
            raise
        print(f'tdnet_train: {shortage(error)}: {without_traceback(error)}; a smaller batch '
              'or crop or --input-size takes less memory, accumulate keeps the batch and takes '
              'longer', file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f'tdnet_train: interrupted{goes_on(options)}', file=sys.stderr)
        return exit_status(interrupt)


def loading_fault(error: Exception) -> str:
    """Return what the processes that load pictures failed of; '' of another error."""
    text = str(error)
    if any(words in text for words in NO_SHARED_MEMORY):
        return ('/dev/shm has no room for the pictures that processes load (Docker gives 64 MB; '
                '--shm-size=1g is enough)')
    if text.startswith('DataLoader worker (pid'):
        return 'a process that loads pictures has ended, as for want of memory'
    return ''


def goes_on(options: argparse.Namespace) -> str:
    """Say what to do after an end before its time."""
    return '; --resume goes on' if options.out and (options.out / LAST).exists() else ''


def without_traceback(error: Exception) -> str:
    """Return an error's message; of one in a loader's process, without its traceback."""
    text = str(error).strip()
    if 'DataLoader worker' in text:
        return text.splitlines()[-1].partition(': ')[2]
    return text


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
    if best.exists() and not last.exists():
        raise ValueError(f'{best} is there{f" without {LAST} to go on from" * options.resume}: '
                         'choose another --out')


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


if __name__ == '__main__':
    sys.exit(main())
