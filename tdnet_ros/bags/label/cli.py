"""The command line of `tdnet_bag label`."""
from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
import signal
import threading
from typing import TYPE_CHECKING

from tdnet_ros.bags.errors import NOT_REACHED, STOPPED, BagError, tell
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.options import not_negative, positive
from tdnet_ros.bags.report.cli import write_and_tell
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.engines import ENGINES, PRECISIONS
from tdnet_ros.ros.texts import counted

if TYPE_CHECKING:
    from tdnet_ros.bags.label.run import Outcome

LABEL_EXAMPLES = '''examples:
  tdnet_bag label drive1 --out labelled              every camera of a bag, into labelled/drive1
  tdnet_bag label bags/* --out labelled --overlay    many bags, with pictures to look at
  tdnet_bag label old.bag --out labelled --topic /front/image_raw --every 3
  tdnet_bag label drive1 --out full --copy-input     the labels and all that was in the bag

rosbag2 (sqlite3, MCAP, split or compressed) and ROS 1 bags; no ROS is needed. Interrupted work
goes on with the same command.'''


def add_label_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add('bags', nargs='+', metavar='IN',
        help='rosbag2 directory or storage file, or ROS 1 bag; a path, or a URL like s3://...')
    add('--out', required=True, metavar='DIR', help='labels go to DIR/<name of IN>')
    add('--topic', dest='topics', action='append', default=[], metavar='TOPIC',
        help='image topic to label; may be repeated (default: every camera)')
    add('--model', default=DEFAULT_MODEL, help='shipped model, card, weights or variant')
    add('--weights', default='', help="a safetensors file in place of the model's own")
    add('--device', default=LabelOptions.device, help='auto, cpu, cuda or cuda:N')
    add('--engine', default=LabelOptions.engine, choices=ENGINES,
        help='what computes the network (default: %(default)s)')
    add('--precision', default=LabelOptions.precision, choices=PRECISIONS,
        help='of the network (default: %(default)s)')
    add('--input-size', nargs=2, type=positive(int), metavar=('H', 'W'),
        help="of the network (default: the model's own)")
    add('--start', type=not_negative(float), default=0.0, metavar='S',
        help='begin S seconds into the bag')
    add('--duration', type=positive(float), metavar='S', help='label S seconds')
    add('--every', type=positive(int), default=1, metavar='N', help='label every Nth image')
    add('--max-gap', type=not_negative(float), default=LabelOptions.max_gap_s, metavar='S',
        help='a longer pause between two images empties the memory (default: %(default)g)')
    add('--no-scene-cut', action='store_true', help='keep the memory over cuts of the scene')
    add('--keep', nargs='+', default=[], metavar='CLASS', help='all other classes become 255')
    add('--remap', nargs='+', default=[], metavar='A:B', help='write class A as class B')
    add('--raw', action='store_true', help='labels (and confidence) as raw images, not as PNG')
    add('--overlay', action='store_true', help='write the overlay as JPEG')
    add('--confidence', action='store_true', help='write the confidence of the labels')
    add('--points', action='store_true', help='write points, from depth and camera_info')
    add('--depth', action='append', default=[], metavar='TOPIC',
        help='depth of an image topic, in their order (default: the only one there is)')
    add('--copy-input', action='store_true', help='copy the rest of the bag too')
    add('--no-report', action='store_true',
        help='do not show the labels in DIR/report.html, as `tdnet_bag report` does')
    add('--ray', nargs='?', const='', metavar='ADDRESS',
        help='label on a Ray cluster: the one at ADDRESS, else the one that RAY_ADDRESS names or '
             'that runs here, else one on this machine')
    add('--workers', type=positive(int), metavar='N',
        help='of --ray (default: one for each GPU, or without GPUs for each CPU)')
    add('--chunk', type=positive(int), default=LabelOptions.chunk_frames, metavar='FRAMES',
        help='images in a file of the output, which interrupted work can lose '
             '(default: %(default)s)')


def run_label(options: argparse.Namespace) -> int:
    """Label the bags; 1 if anything went wrong with any of them."""
    from tdnet_ros.bags.label.location import check_inputs, without_output
    if options.workers and options.ray is None:
        raise BagError('--workers needs --ray')
    options.bags = without_output(options.bags, options.out)
    check_inputs(options.bags, options.out)
    settings = _label_options(options)
    status, done = (_label_here if options.ray is None else _label_on_ray)(options, settings)
    return status | _reported(done, options)


def _label_on_ray(options: argparse.Namespace, settings: LabelOptions) -> tuple[int, list[str]]:
    from tdnet_ros.bags.label.cluster import Cluster, label_on_cluster
    try:
        return _told(label_on_cluster(options.bags, options.out, settings, Cluster(
            options.ray or None, options.workers)))
    except KeyboardInterrupt:
        raise BagError(STOPPED) from None


def _label_here(options: argparse.Namespace, settings: LabelOptions) -> tuple[int, list[str]]:
    try:
        find_model(settings.model, settings.weights)  # said before PyTorch is loaded
        from tdnet_ros.bags.label.chunk import Labeller
        from tdnet_ros.bags.label.remote import label_location
        from tdnet_ros.bags.label.run import Outcome
        labeller = Labeller(settings)
    except (ValueError, OSError) as error:
        raise BagError(str(error)) from error
    with labeller, _stop_on_signals() as stop:
        return _told(Outcome(bag, options.out, error=f'{bag}: {NOT_REACHED}') if stop.is_set()
                     else label_location(bag, options.out, labeller, stop)
                     for bag in options.bags)


def _told(outcomes: Iterable[Outcome]) -> tuple[int, list[str]]:
    """Print what became of each bag; 1 if anything failed, and the names of what is done."""
    status = count = frames = 0
    done = []
    for outcome in outcomes:
        if outcome.summary:
            print(outcome.summary, flush=True)
        status |= tell(outcome.problems)
        frames += outcome.frames
        count += 1
        if outcome.record and not outcome.error:
            done.append(Path(outcome.output).name)
    if count > 1:
        print(f'{len(done)} of {count} bags labelled, {counted(frames, "frame")} in all')
    return status, done


def _reported(done: Sequence[str], options: argparse.Namespace) -> int:
    """Report on all bags that are done by now, if that is wanted; 1 if anything failed.

    What is wrong with those of earlier runs was told then.
    """
    from tdnet_ros.bags.label.location import is_url
    from tdnet_ros.bags.label.output import finished_bags
    if not done or options.no_report or is_url(options.out):
        return 0
    page = Path(options.out) / 'report.html'
    try:
        told = {page.with_name(name) for name in done}
        return write_and_tell(finished_bags(page.parent), page, (), told)
    except KeyboardInterrupt:
        raise BagError(f'stopped before {page} was written: `tdnet_bag report {options.out}` '
                       'writes it') from None


def _label_options(options: argparse.Namespace) -> LabelOptions:
    size = options.input_size
    return LabelOptions(
        model=options.model, weights=options.weights, device=options.device,
        engine=options.engine, precision=options.precision,
        input_size=(size[0], size[1]) if size else None, topics=tuple(options.topics),
        start_s=options.start, duration_s=options.duration, every=options.every,
        max_gap_s=options.max_gap, scene_cut=not options.no_scene_cut,
        keep_classes=tuple(options.keep), class_remap=tuple(options.remap), raw=options.raw,
        overlay=options.overlay, confidence=options.confidence, points=options.points,
        depth=tuple(options.depth), copy_input=options.copy_input, chunk_frames=options.chunk)


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second one ends the program at once."""
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, on_signal)
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
