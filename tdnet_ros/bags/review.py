"""The commands that look at labelled bags: their options, and what they print."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.options import positive

WORST = 8

COMPARE_EXAMPLES = '''examples:
  tdnet_bag compare run1 run2                     two models, or two engines
  tdnet_bag compare live/bag labelled/drive       live against offline
  tdnet_bag compare run1 run2 --json diff.json --out worst
  tdnet_bag compare truth run1 --topics /camera/ground_truth /tdnet/labels/compressed

Frames are matched by stamp, cameras by name. The exit status is 0, however much they differ.'''


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `tdnet_bag compare` takes."""
    add = parser.add_argument
    add('a', type=Path, metavar='A', help='labelled bag; its labels are what B is held against')
    add('b', type=Path, metavar='B', help='labelled bag of the same images')
    add('--topics', nargs=2, metavar=('A_TOPIC', 'B_TOPIC'),
        help='label topics to compare (default: those of the same camera, or the only ones)')
    add('--json', type=Path, metavar='FILE', help='write the figures as JSON')
    add('--out', type=Path, metavar='DIR', help='write the worst frames as pictures')
    add('--worst', type=positive(int), default=WORST, metavar='N',
        help='how many pictures for each camera, at most one of each second '
             f'(default: {WORST})')


def run_compare(options: argparse.Namespace) -> int:
    """Compare two bags, print the tables and write what was asked for."""
    from rich.console import Console

    from tdnet_ros.bags.compare import compare
    from tdnet_ros.bags.compare.tables import print_comparison
    from tdnet_ros.bags.progress import progress
    with progress(f'comparing {options.a} and {options.b}') as update:
        comparison = compare(
            options.a, options.b, options.topics and tuple(options.topics), options.worst,
            lambda done, total, camera: update(done, f'of {total} frames of {camera}'))
    content = comparison.as_dict()
    print_comparison(content, Console(soft_wrap=True))
    try:
        if options.out:
            from tdnet_ros.bags.compare.pictures import write_pictures
            pictures = write_pictures(comparison, options.out)
            for camera in content['cameras']:
                for frame, name in zip(camera['worst'], pictures[camera['name']]):
                    frame['picture'] = str(options.out / name)
            print(f'{sum(map(len, pictures.values()))} pictures in {options.out}')
        if options.json:
            options.json.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    except OSError as error:
        raise BagError(f'cannot write {error.filename}: {error.strerror}') from error
    return 0
