"""Measure a model's accuracy, steadiness and speed on labelled video."""
from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import sys
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tdnet_ros.learn.catalogue import DATASETS, open_dataset
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.evaluation import Report, evaluate
from tdnet_ros.learn.labellers import (
    CARRIED,
    KeyFrame,
    Labeller,
    PerFrame,
    Streaming,
    TemporalContext,
)
from tdnet_ros.learn.picture import check_format, save_confusion
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.writing import check_writable, naming
from tdnet_ros.stream.segmenter import VideoSegmenter

MODES = ('streaming', 'repeated', 'per-frame', 'key-frame', 'temporal-context')
COMPARED = ('streaming', 'key-frame', 'temporal-context')
EXAMPLES = """modes:
  streaming         the memory holds the real frames before
  repeated          every frame is fed N times, and the last output counts
  per-frame         nothing is remembered (of a TDNet: its first sub-network alone)
  key-frame         a per-frame network every k-th frame; its labels or features are carried by
                    optical flow between
  temporal-context  all N sub-networks on every frame
  compare           streaming, key-frame and temporal-context in one table

examples:
  tdnet_evaluate --dataset camvid --root data/camvid --split val --mode streaming
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
    parser.add_argument('--mode', default='streaming', choices=[*MODES, 'compare'])
    parser.add_argument('--model', default=DEFAULT_MODEL,
                        help=f'name or card of the model (default: {DEFAULT_MODEL})')
    parser.add_argument('--key-model', help='model of the key frames (default: the same model)')
    parser.add_argument('--key-interval', type=int, default=5, metavar='K',
                        help='frames from key frame to key frame (default: %(default)s)')
    parser.add_argument('--carry', default='labels', choices=CARRIED,
                        help='what flows from key frame to key frame (default: %(default)s)')
    parser.add_argument('--device', default='auto', help='cpu, cuda, cuda:1 (default: auto)')
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
    return 0


def run(options: argparse.Namespace) -> None:
    """Evaluate, print a table, write files."""
    dataset = open_dataset(options.dataset, options.root, options.split)
    for path in (options.json, options.confusion):
        check_writable(path)
    if options.confusion:
        check_format(options.confusion)
    dataset.check()
    segmenter = VideoSegmenter.load(options.model, options.device)
    check_classes(segmenter, dataset, options.model)
    modes = COMPARED if options.mode == 'compare' else (options.mode,)
    console = Console(stderr=True)
    if not segmenter.trained:
        console.print(f"'{options.model}' has no weights: accuracy is chance, only times count")
    reports = []
    frames = sum(map(len, dataset.clips))
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for mode in modes:
            task = progress.add_task(mode, total=frames)
            labeller, repeats = make_labeller(mode, segmenter, options)
            reports.append(evaluate(mode, labeller, repeats, dataset, advance(progress, task)))
    print_table(reports)
    summaries = [report.summary() for report in reports]
    if options.json:
        content: Any = summaries[0] if len(summaries) == 1 else summaries
        with naming(options.json):
            options.json.write_text(json.dumps(content, indent=2) + '\n')
    if options.confusion:
        with naming(options.confusion):
            save_confusion(reports[0].confusion, dataset.classes.names, options.confusion)


def advance(progress: Progress, task: Any) -> Callable[[], None]:
    """Return what moves a task's bar by one frame."""
    return lambda: progress.advance(task)


def make_labeller(mode: str, segmenter: VideoSegmenter,
                  options: argparse.Namespace) -> tuple[Labeller, int]:
    """Build what labels the frames in a mode, and how often it sees each."""
    if mode == 'key-frame':
        if options.key_model:
            segmenter = VideoSegmenter.load(options.key_model, options.device)
        return KeyFrame(segmenter, options.key_interval, options.carry), 1
    if mode == 'temporal-context':
        return TemporalContext(segmenter), 1
    if mode == 'per-frame':
        return PerFrame(segmenter), 1
    return Streaming(segmenter), segmenter.paths if mode == 'repeated' else 1


def check_classes(segmenter: VideoSegmenter, dataset: Dataset, model: str) -> None:
    """Refuse a model of other classes than the data's."""
    names = segmenter.card.classes.names
    if names != dataset.classes.names:
        raise ValueError(
            f"model '{model}' has {len(names)} classes ({', '.join(names[:3])}, ...), the data "
            f'{len(dataset.classes)} ({", ".join(dataset.classes.names[:3])}, ...)')


def print_table(reports: list[Report]) -> None:
    """Print one column per mode."""
    summaries = [report.summary() for report in reports]
    table = Table(title='fractions in %')
    table.add_column('')
    for summary in summaries:
        table.add_column(summary['mode'], justify='right')
    for key in ('miou', 'flip_rate', 'vc8', 'vc16', 'tc'):
        table.add_row(key, *(percent(summary[key]) for summary in summaries))
    for name in reports[0].names:
        table.add_row(f'  {name}', *(percent(summary['iou'][name]) for summary in summaries))
    for key in ('mean', 'p99', 'max'):
        times = (summary['latency_ms'][key] for summary in summaries)
        table.add_row(f'latency {key} (ms)', *(f'{value:.1f}' for value in times))
    table.add_row('frames', *(str(summary['frames']) for summary in summaries))
    Console().print(table)


def percent(value: float | None) -> str:
    """Write a fraction for the table."""
    return '-' if value is None else f'{100 * value:.2f}'


if __name__ == '__main__':
    sys.exit(main())
