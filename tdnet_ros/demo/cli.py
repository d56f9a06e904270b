"""Camera in, labels out: plays real video at the node and shows what comes out of it."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import signal
import sys
from typing import TYPE_CHECKING

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.paths import is_bag
from tdnet_ros.bags.options import positive
from tdnet_ros.demo.environment import prepare
from tdnet_ros.demo.processes import DemoError, Ending
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.engines import ENGINES, PRECISIONS

if TYPE_CHECKING:
    from tdnet_ros.demo.plan import Plan

EXAMPLES = '''examples:
  script/demo                                    the street video that comes with it
  script/demo --video drive.mp4 --rate 10        a video of yours, 10 frames a second
  script/demo --images frames/ --frames 100      a folder of images
  script/demo --bag drive_bag/                   the first image topic of a rosbag
  script/demo --camera 0 --view                  a V4L2 camera, live, until Ctrl-C

It leaves in out/: bag/ (MCAP), overlay.mp4, overlay.png, latency.png, latency.json, log/.'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status is 0, or 1 after a message that says what went wrong."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, Ending.ask)
        options = _parser().parse_args(arguments)
        shared_domain = 'ROS_DOMAIN_ID' in os.environ
        prepare(os.environ)
        _demo(options, shared_domain)
    except (BagError, DemoError, OSError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='script/demo', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    for name, metavar, text in (('--video', 'FILE', 'video file to play'),
                                ('--images', 'DIR', 'folder of images to play'),
                                ('--bag', 'DIR', 'rosbag to play'),
                                ('--camera', 'N', 'V4L2 camera /dev/videoN')):
        source.add_argument(name, dest='source', metavar=metavar, help=text)
    add = parser.add_argument
    add('--model', default=DEFAULT_MODEL,
        help=f'model card, weights, shipped model or variant (default: {DEFAULT_MODEL})')
    add('--engine', default='torch', choices=ENGINES, help='default: %(default)s')
    add('--precision', default='float32', choices=PRECISIONS, help='default: %(default)s')
    add('--input-size', nargs=2, type=positive(int), metavar=('H', 'W'),
        help="network input in pixels; smaller is faster (default: the model's own)")
    add('--frames', type=positive(int), metavar='N', help='stop after N images')
    add('--rate', type=positive(float), metavar='HZ',
        help="images per second (default: the source's own)")
    add('--out', type=Path, default=Path('out'), metavar='DIR', help='default: out')
    add('--view', action='store_true', help='show the overlay live in a window')
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    from tdnet_ros.bags.sources import camera_number
    from tdnet_ros.demo.plan import Plan, default_video, image_topic_of
    source = str(default_video()) if options.source is None else options.source
    topic, compressed = image_topic_of(source) if is_bag(Path(source)) else (None, False)
    return Plan(source=source, out=options.out,
                model=options.model, engine=options.engine, precision=options.precision,
                input_size=options.input_size and tuple(options.input_size),
                frames=options.frames, rate_hz=options.rate,
                live=camera_number(source) is not None, bag_topic=topic, compressed=compressed)


def _demo(options: argparse.Namespace, shared_domain: bool) -> None:
    from rich.console import Console

    from tdnet_ros.demo.output import claim
    from tdnet_ros.demo.run import run
    plan = _plan(options)
    if options.view:
        from tdnet_ros.demo.view import missing_display
        if reason := missing_display():
            raise DemoError(f'--view: {reason}')
    total = (plan.open_source() if plan.live else plan.images).count
    total = min(total, plan.frames or total) if total else plan.frames
    console = Console()
    with claim(plan.out, None if plan.live else Path(plan.source)):
        # It has processes to end and results to keep, whatever module is loaded at the moment.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        sent = run(plan, total, options.view, console, shared_domain)
        signal.signal(signal.SIGINT, before)
        # It loads Matplotlib, which would slow the run.
        from tdnet_ros.demo.report import write_report
        write_report(plan, sent, console)
    print(f'\nleft in {plan.out}/: overlay.png overlay.mp4 latency.png latency.json bag/ log/')
    if options.source is None:
        print('the sample video is unlike what the model has learnt: try --video your_drive.mp4')
    for where, commands in (('here, after `. script/env`', plan.by_hand()),
                            ('on a ROS machine', plan.on_a_ros_machine())):
        print(f'the same {where}:')
        for line in commands:
            print(f'  {line}')
