"""The tdnet_bag program: play images as a camera, record topics, look into bags."""
from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
import json
from pathlib import Path
import select
import sys
import threading
from typing import Any

from tdnet_ros.bags.compare.cli import COMPARE_EXAMPLES, add_compare_options, run_compare
from tdnet_ros.bags.errors import BagError, tell
from tdnet_ros.bags.frames.cli import FRAMES_EXAMPLES, add_frames_options, run_frames
from tdnet_ros.bags.label.cli import LABEL_EXAMPLES, add_label_options, run_label
from tdnet_ros.bags.options import not_negative, positive
from tdnet_ros.bags.report.cli import REPORT_EXAMPLES, add_report_options, run_report
from tdnet_ros.nets.writing import check_writable, naming
from tdnet_ros.ros.texts import counted

EXAMPLES = {
    'tdnet_bag': '''examples:
  tdnet_bag play street.mp4 --topic /camera/image_raw
  tdnet_bag record /tdnet/labels /tdnet/label_info --out run1
  tdnet_bag label run1 --out labelled
  tdnet_bag info run1''',
    'play': '''examples:
  tdnet_bag play street.mp4                      video at its own rate on /camera/image_raw
  tdnet_bag play frames/ --rate 15 --loop        a folder of images, in natural order
  tdnet_bag play drive_bag/ --stamps original    a bag's image topics under their own names
  tdnet_bag play drive_bag/ --clock --loop       the same in simulated time, over and over
  tdnet_bag play drive_bag/ --from /front/image_raw --topic /camera/image_raw
  tdnet_bag play drive_bag/ --subscribers 2      not before node and recorder are there
  tdnet_bag play 0                               the V4L2 camera /dev/video0

Images go out reliable, as from a camera driver, so every kind of subscriber gets them; so
does the camera_info beside a bag's images.''',
    'record': '''examples:
  tdnet_bag record /tdnet/labels /tdnet/label_info /diagnostics --out run1
  tdnet_bag record /camera/image_raw --out clip --duration 30

Topics need not exist yet. Ctrl-C ends the recording and leaves a complete bag, for
`ros2 bag info`, `ros2 bag play` and Foxglove.''',
    'label': LABEL_EXAMPLES,
    'frames': FRAMES_EXAMPLES,
    'info': '''examples:
  tdnet_bag info run1''',
    'report': REPORT_EXAMPLES,
    'compare': COMPARE_EXAMPLES,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 after one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (BagError, OSError) as error:
        return tell(str(error).splitlines() or [repr(error)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='tdnet_bag', description=__doc__, epilog=EXAMPLES['tdnet_bag'],
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    _add_play_options(_command(
        commands, 'play', 'publish a video, images, a bag or a camera as camera topics', _play))
    _add_record_options(_command(
        commands, 'record', 'write topics into a rosbag2 MCAP bag', _record))
    add_label_options(_command(commands, 'label', 'label bags offline', run_label))
    add_frames_options(_command(
        commands, 'frames', 'write pictures of bags as a data set to train on', run_frames))
    info = _command(commands, 'info', 'list what a bag holds', _info)
    info.add_argument('bag', type=Path, help='directory or storage file of ROS 2, or ROS 1 bag')
    add_report_options(_command(
        commands, 'report', 'show what labelled bags look like, as one HTML page', run_report))
    add_compare_options(_command(
        commands, 'compare', 'say where two labelled bags of the same images differ', run_compare))
    return parser


def _command(commands: Any, name: str, text: str,
             run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run)
    return parser


def _add_play_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('source', help='video file, folder of images, rosbag or camera number')
    add('--topic', help="topic to publish on (default: /camera/image_raw, or a bag's own names)")
    add('--from', dest='topics', action='append', default=[], metavar='TOPIC',
        help='image topic of the bag to play; may be repeated (default: all but what a node made)')
    add('--rate', type=positive(float), metavar='HZ',
        help="images per second (default: the source's own; 10 for a folder)")
    add('--loop', action='store_true', help='start again at the end')
    add('--frames', type=positive(int), metavar='N', help='stop after N images')
    add('--start-paused', action='store_true', help='wait for Enter before the first image')
    add('--stamps', choices=('now', 'original'), default='now',
        help="header stamps: the time of sending (default), or the source's own: those in the "
             'bag, or the position in the video')
    add('--clock', action='store_true',
        help="publish the source's own time on /clock before each message, for nodes with "
             'use_sim_time; stamps are the original ones')
    add('--compressed', action='store_true',
        help='send videos, pictures and cameras as JPEG on TOPIC/compressed')
    add('--frame-id', help="frame_id of the headers (default: a bag's own, else "
                           'camera_optical_frame)')
    add('--wait-for-subscriber', type=not_negative(float), default=10.0, metavar='S',
        dest='wait_s',
        help='fail when nobody subscribes for S seconds (default: %(default)g); 0: do not wait')
    add('--subscribers', type=positive(int), default=1, metavar='N',
        help='wait until N subscribe, such as 2 for a node and a recorder (default: 1)')
    add('--summary', type=Path, metavar='FILE', help='write what was sent as JSON')


def _add_record_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('topics', nargs='+', metavar='TOPIC')
    add('--out', type=Path, required=True, metavar='DIR', help='bag to create; must not exist')
    add('--duration', type=positive(float), metavar='S', help='end after S seconds')


def _play(options: argparse.Namespace) -> int:
    from tdnet_ros.bags.play import PlayOptions, play
    from tdnet_ros.bags.progress import progress
    from tdnet_ros.bags.session import stop_on_signals
    from tdnet_ros.bags.sources import open_source
    stop = stop_on_signals()
    check_writable(options.summary)
    source = open_source(options.source, options.rate, tuple(options.topics))
    if source.left_out:
        print(f'tdnet_bag: {", ".join(source.left_out)} came out of a node and is not played; '
              '--from plays it', file=sys.stderr)
    total = options.frames or (None if options.loop else source.count)
    with progress(f'playing {options.source}', total) as update:
        update(0, 'waiting for a subscriber')
        summary = play(
            source, PlayOptions(
                topic=options.topic, loop=options.loop, frames=options.frames,
                original_stamps=options.stamps == 'original', clock=options.clock,
                frame_id=options.frame_id, wait_s=options.wait_s,
                subscribers=options.subscribers, compressed=options.compressed),
            stop, before_start=lambda: _wait_for_enter(stop) if options.start_paused else None,
            on_frame=lambda summary: update(summary.sent, f'{summary.rate_hz:.1f} Hz'))
    print(f'sent {counted(summary.sent, "image")} in {summary.seconds:.1f} s '
          f'({summary.rate_hz:.2f} Hz), at most {summary.max_late_ms:.1f} ms behind schedule')
    if options.summary:
        sent = {**summary.as_dict(), 'problems': source.problems}
        with naming(options.summary):
            options.summary.write_text(json.dumps(sent), encoding='utf-8')
    return tell(source.problems)


def _wait_for_enter(stop: threading.Event) -> None:
    print('paused: press Enter to play', file=sys.stderr)
    while not stop.is_set():
        if select.select([sys.stdin], [], [], 0.1)[0]:
            if not sys.stdin.readline():
                raise BagError('--start-paused waits for Enter, and there is no input to wait for')
            return


def _record(options: argparse.Namespace) -> int:
    from tdnet_ros.bags.progress import progress
    from tdnet_ros.bags.record import Recording, record
    from tdnet_ros.bags.session import stop_on_signals
    stop = stop_on_signals()

    def show(recording: Recording) -> None:
        update(recording.total, f'{recording.bytes / 2**20:.1f} MiB, '
                                f'{recording.lost + recording.dropped} lost')

    with progress(f'recording to {options.out}') as update:
        recording = record(options.topics, options.out, stop, options.duration, show)
    if recording.counts:
        print(f'recorded {counted(recording.total, "message")} ({recording.bytes / 2**20:.1f} MiB)'
              f' of {counted(len(recording.counts), "topic")} in {options.out}')
    for count, reason in ((recording.lost, 'never arrived, says the middleware'),
                          (recording.dropped, 'dropped because the disk is too slow')):
        if count:
            print(f'tdnet_bag: {counted(count, "message")} {reason}', file=sys.stderr)
    return tell(recording.problems)


def _info(options: argparse.Namespace) -> int:
    from tdnet_ros.bags.files.bag import Bag
    with closing(Bag(options.bag)) as bag:
        count = sum(topic.count for topic in bag.topics.values())
        duration_s = max(bag.end_ns - bag.start_ns, 0) * 1e-9
        print(f'{options.bag}: {counted(count, "message")}, {duration_s:.2f} s')
        for name, topic in sorted(bag.topics.items()):
            print(f'{topic.count:8d}  {name}  [{topic.msgtype}]')
        return tell(bag.problems)


if __name__ == '__main__':
    sys.exit(main())
