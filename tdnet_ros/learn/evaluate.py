"""Measure a model's accuracy, steadiness and speed on labelled video."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tdnet_ros.learn.catalogue import DATASETS, open_dataset
from tdnet_ros.learn.datasets import Dataset, check_classes
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.engines import ENGINES, PRECISIONS
from tdnet_ros.nets.writing import check_writable, naming

if TYPE_CHECKING:
    from tdnet_ros.learn.labellers import Labeller
    from tdnet_ros.stream.segmenter import VideoSegmenter

MODES = ('streaming', 'repeated', 'per-frame', 'key-frame', 'temporal-context')
COMPARED = ('streaming', 'key-frame', 'temporal-context')
KEY_INTERVAL = 5
CARRIED = ('labels', 'features')
"""What can flow from key frame to key frame."""
EXAMPLES = """modes:
  streaming         the memory holds the real frames before
  repeated          every labelled frame is fed N times, and the last output counts
  per-frame         nothing is remembered (of a TDNet: its first sub-network alone)
  key-frame         a per-frame network every k-th frame; its labels or features are carried by
                    optical flow between
  temporal-context  all N sub-networks on every frame
  compare           streaming, key-frame and temporal-context in one table

examples:
  tdnet_evaluate --dataset camvid --root data/camvid --split val --mode streaming
  tdnet_evaluate --dataset camvid --root data/camvid --input-size 289 385
  tdnet_evaluate --dataset camvid --root data/camvid --engine tensorrt --precision float16
  tdnet_evaluate --dataset camvid --root data/camvid --model td4-psp18.yaml --mode compare \\
      --key-model psp101.yaml --json figures.json
"""


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        'tdnet_evaluate', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dataset', required=True, choices=list(DATASETS))
    parser.add_argument('--root', required=True, type=Path, help='folder of the data set')
    parser.add_argument('--split', default='val')
    parser.add_argument('--mode', choices=[*MODES, 'compare'],
                        help='(default: streaming; repeated where there are only stills)')
    parser.add_argument('--model', default=DEFAULT_MODEL,
                        help=f'name or card of the model (default: {DEFAULT_MODEL})')
    parser.add_argument('--input-size', type=int, nargs=2, metavar=('H', 'W'),
                        help="of the model's input in pixels (default: the model's own)")
    parser.add_argument('--key-model', help='model of the key frames (default: the same model)')
    parser.add_argument('--key-interval', type=int, metavar='K',
                        help=f'frames from key frame to key frame (default: {KEY_INTERVAL})')
    parser.add_argument('--carry', choices=CARRIED, help='what flows from key frame to key frame '
                                                         f'(default: {CARRIED[0]})')
    parser.add_argument('--device', default='auto', help='cpu, cuda, cuda:1 (default: auto)')
    parser.add_argument('--engine', default='torch', choices=ENGINES,
                        help='what computes the network (default: %(default)s)')
    parser.add_argument('--precision', default='float32', choices=PRECISIONS,
                        help='of the network (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures')
    parser.add_argument('--confusion', type=Path, metavar='FILE',
                        help='draw the (first) confusion matrix as a picture')
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    try:
        run(parse_arguments(arguments))
    except (ValueError, OSError) as error:
        print(f'tdnet_evaluate: {error}', file=sys.stderr)
        return 1
    except (RuntimeError, MemoryError) as error:
        from tdnet_ros.stream.engines.allocator import is_out_of_memory, shortage
        if not is_out_of_memory(error):
            raise
        print(f'tdnet_evaluate: {shortage(error)}: {error}; a smaller --input-size takes less '
              'memory', file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Evaluate, print a table, write files."""
    dataset = open_dataset(options.dataset, options.root, options.split)
    options.mode = options.mode or default_mode(dataset)
    modes = COMPARED if options.mode == 'compare' else (options.mode,)
    check_options(options, modes)
    from tdnet_ros.learn.evaluation import evaluate, ticks  # takes seconds: after the checks
    console = Console(stderr=True, markup=False)
    labellers, paths = make_labellers(modes, options, dataset, console)
    dataset.check()
    reports = []
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for mode, labeller in labellers.items():
            task = progress.add_task(mode, total=ticks(dataset))
            reports.append(evaluate(mode, labeller, paths, dataset,
                                    partial(progress.advance, task)))
    summaries = [report.summary() for report in reports]
    print_table(summaries)
    if options.json:
        content: Any = summaries[0] if len(summaries) == 1 else summaries
        with naming(options.json):
            options.json.write_text(json.dumps(content, indent=2) + '\n')
    if options.confusion:
        from tdnet_ros.learn.picture import save_confusion
        with naming(options.confusion):
            save_confusion(reports[0].confusion, dataset.classes.names, options.confusion)


def default_mode(dataset: Dataset) -> str:
    """Return the mode in which the memory fills: a still has no frames before it."""
    return 'streaming' if any(len(clip) > 1 for clip in dataset.clips) else 'repeated'


def check_options(options: argparse.Namespace, modes: Sequence[str]) -> None:
    """Refuse options that don't apply, and files that can't be written."""
    for name in ('key_model', 'key_interval', 'carry'):
        if getattr(options, name) is not None and 'key-frame' not in modes:
            raise ValueError(f'--{name.replace("_", "-")} is of the modes key-frame and compare, '
                             f'not of {options.mode}')
    for path in (options.json, options.confusion):
        check_writable(path)
    if options.confusion:
        from tdnet_ros.learn.picture import check_format
        check_format(options.confusion)


def make_labellers(modes: Sequence[str], options: argparse.Namespace, dataset: Dataset,
                   console: Console) -> tuple[dict[str, Labeller], int]:
    """Build what labels the frames in each mode; return the number of the model's paths, too."""
    from tdnet_ros.learn.labellers import KeyFrame, PerFrame, Streaming, TemporalContext
    model = load(options.model, options, dataset, console, options.input_size)
    labellers: dict[str, Labeller] = {}
    for mode in modes:
        if mode == 'key-frame':
            key = (load(options.key_model, options, dataset, console) if options.key_model
                   else model)
            interval = KEY_INTERVAL if options.key_interval is None else options.key_interval
            labellers[mode] = KeyFrame(key, interval, options.carry or CARRIED[0])
        elif mode == 'temporal-context':
            labellers[mode] = TemporalContext(model)
        elif mode == 'per-frame':
            labellers[mode] = PerFrame(model)
        else:
            labellers[mode] = Streaming(model)
    return labellers, model.paths


def load(model: str, options: argparse.Namespace, dataset: Dataset, console: Console,
         size: Sequence[int] | None = None) -> VideoSegmenter:
    """Load a model; ValueError if its classes are others than the data's."""
    from tdnet_ros.stream.segmenter import VideoSegmenter
    segmenter = VideoSegmenter.load(model, options.device, (size[0], size[1]) if size else None,
                                    engine=options.engine, precision=options.precision)
    check_classes(f"model '{model}'", segmenter.card.classes, dataset.classes)
    if not segmenter.trained:
        console.print(f"'{model}' has no weights: accuracy is chance, only times count")
    return segmenter


def print_table(summaries: Sequence[dict[str, Any]]) -> None:
    """Print one column per mode."""
    table = Table(title='fractions in %')
    table.add_column('')
    for summary in summaries:
        table.add_column(summary['mode'], justify='right')
    for key in ('miou', 'flip_rate', 'vc8', 'vc16', 'tc'):
        table.add_row(key, *(percent(summary[key]) for summary in summaries))
    for name in summaries[0]['iou']:
        table.add_row(f'  {name}', *(percent(summary['iou'][name]) for summary in summaries))
    for key in ('mean', 'p99', 'max'):
        times = (summary['latency_ms'][key] for summary in summaries)
        table.add_row(f'latency {key} (ms)', *(f'{value:.1f}' for value in times))
    table.add_row('frames', *(str(summary['frames']) for summary in summaries))
    Console(markup=False).print(table)  # names may have brackets


def percent(value: float | None) -> str:
    """Write a fraction for the table."""
    return '-' if value is None else f'{100 * value:.2f}'


if __name__ == '__main__':
    sys.exit(main())
