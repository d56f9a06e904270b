"""The command line of `tdnet_bag frames`."""
from __future__ import annotations

import argparse
from pathlib import Path

from tdnet_ros.bags.errors import BagError, tell
from tdnet_ros.bags.options import not_negative, positive

SPLITS = ('train', 'val', 'test')

FRAMES_EXAMPLES = '''examples:
  tdnet_bag frames drive1 drive2.bag --out mine       a picture of every camera each second
  tdnet_bag frames drive3 --out mine --split val      other drives, to judge a model on
  tdnet_bag frames drive1 --out mine --topic /front/image_raw --period 5
  tdnet_bag frames drive1 --out mine --labels labelled
                                                      with labels out of `tdnet_bag label
                                                      drive1 --out labelled`, to be corrected

Pictures go to DIR/SPLIT/images, labels to DIR/SPLIT/labels and their classes to
DIR/classes.yaml: `tdnet_train --dataset folder --root DIR`. Files that are there stay.'''


def add_frames_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add('bags', nargs='+', metavar='IN',
        help='rosbag2 directory or storage file, or ROS 1 bag; a path, or a URL like s3://...')
    add('--out', required=True, metavar='DIR', help='the data set, which may be there')
    add('--split', choices=SPLITS, default=SPLITS[0],
        help='part of the data set to add to (default: %(default)s)')
    add('--topic', dest='topics', action='append', default=[], metavar='TOPIC',
        help='image topic to take; may be repeated (default: every camera)')
    add('--start', type=not_negative(float), default=0.0, metavar='S',
        help='begin S seconds into the bag')
    add('--duration', type=positive(float), metavar='S', help='read S seconds')
    add('--period', type=positive(float), default=1.0, metavar='S',
        help='a picture of each topic every S seconds (default: 1)')
    add('--all', action='store_true',
        help='also pictures that are nearly the one before, as of a robot that stands still')
    add('--labels', type=Path, metavar='DIR',
        help='take labels, and only pictures that have one, from what `tdnet_bag label` wrote')


def run_frames(options: argparse.Namespace) -> int:
    """Write the pictures of the bags; 1 if anything went wrong with any of them."""
    from tdnet_ros.bags.frames.pictures import FramesOptions, write_frames
    from tdnet_ros.bags.label.location import check_inputs, is_url, without_output
    from tdnet_ros.bags.label.options import LabelOptions
    from tdnet_ros.ros.errors import one_line
    if is_url(options.out):
        raise BagError(f'--out {options.out}: expected a folder')
    folder = Path(options.out, options.split)
    bags = without_output(options.bags, options.out)
    check_inputs(bags, str(folder / 'images'))
    settings = FramesOptions(folder, options.period, options.all, options.labels, LabelOptions(
        topics=tuple(options.topics), start_s=options.start, duration_s=options.duration))
    status = 0
    for bag in bags:
        try:
            told, problems = write_frames(bag, settings)
            print(f'{bag}: {told}', flush=True)
        except BagError as error:
            problems = str(error).splitlines()
        except Exception as error:  # the other bags go on
            problems = [f'{bag}: {one_line(error)}']
        status |= tell(problems)
    return status
