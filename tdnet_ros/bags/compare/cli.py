"""The command line of `tdnet_bag compare`."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

from tdnet_ros.bags.errors import BagError, tell
from tdnet_ros.bags.options import positive
from tdnet_ros.nets.writing import check_folder, check_writable, naming
from tdnet_ros.ros.texts import counted

WORST = 8
MAX_NAMED = 8  # bags of a folder

COMPARE_EXAMPLES = '''examples:
  tdnet_bag compare run1 run2                     two models, or two engines
  tdnet_bag compare live/bag labelled/drive       live against offline
  tdnet_bag compare run1 run2 --json diff.json --out worst
  tdnet_bag compare truth run1 --topics /camera/ground_truth /tdnet/labels/compressed

Frames are matched by stamp, cameras by name. The exit status is 0, however much they
differ, and 1 where a bag is damaged or cannot be compared.'''


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `tdnet_bag compare` takes."""
    add = parser.add_argument
    add('a', type=Path, metavar='A', help='labelled bag, or a folder with one; its labels are '
                                          'what B is held against')
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

    from tdnet_ros.bags.compare.comparison import compare
    from tdnet_ros.bags.compare.tables import print_comparison
    from tdnet_ros.bags.progress import progress
    check_writable(options.json)  # before the work, not after it
    if options.out:
        check_folder(options.out)
        if any(options.out.glob('*.png')):
            raise BagError(f'{options.out} holds pictures already: choose another --out or remove '
                           'them')
    first, second = map(_only_bag, (options.a, options.b))
    with progress(f'comparing {first} and {second}') as update:
        comparison = compare(
            first, second, options.topics and tuple(options.topics), options.worst,
            lambda done, total, camera: update(done, f'of {total} frames of {camera}'))
    content = comparison.as_dict()
    print_comparison(content, Console(soft_wrap=True))
    if options.out:
        from tdnet_ros.bags.compare.pictures import write_pictures
        with naming(options.out):
            pictures = write_pictures(comparison, options.out)
        for camera in content['cameras']:
            for frame, name in zip(camera['worst'], pictures[camera['name']]):
                frame['picture'] = str(options.out / name)
        count = sum(map(len, pictures.values()))
        print(f'{counted(count, "picture")} in {options.out}' if count else
              f'no picture for {options.out}: no frame differs')
    if options.json:
        with naming(options.json):
            options.json.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    return tell(comparison.problems)


def _only_bag(path: Path) -> Path:
    """The bag itself, or the one in a folder."""
    from tdnet_ros.bags.labelled import labelled_bags
    bags = labelled_bags(path)
    if len(bags) > 1:
        names = [bag.name for bag in bags[:MAX_NAMED]] + ['...'] * (len(bags) > MAX_NAMED)
        raise BagError(f'{path} holds {len(bags)} bags: name one of them ({", ".join(names)})')
    return bags[0]
