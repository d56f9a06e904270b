"""The command line of `tdnet_bag report`."""
from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from tdnet_ros.bags.errors import tell

REPORT_EXAMPLES = '''examples:
  tdnet_bag report labelled                       every bag that `tdnet_bag label` left there
  tdnet_bag report out/bag --out live.html        what `tdnet_bag record` recorded of a node
  tdnet_bag report run1 --truth /camera/labels_by_hand

Writes one HTML file that needs nothing else, and the same figures as JSON beside it.'''


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `tdnet_bag report` takes."""
    add = parser.add_argument
    add('bags', nargs='+', type=Path, metavar='DIR', help='labelled bag, or a folder of them')
    add('--truth', action='append', default=[], metavar='TOPIC',
        help='topic with a ground truth; may be repeated (default: topics called ground_truth)')
    add('--out', type=Path, metavar='FILE',
        help='page to write (default: report.html in the first DIR)')


def run_report(options: argparse.Namespace) -> int:
    """Write the report; name the bags that cannot be read."""
    from tdnet_ros.bags.label.output import PART
    from tdnet_ros.bags.labelled import labelled_bags
    bags = [bag for path in options.bags for bag in labelled_bags(path)]
    first = options.bags[0]
    # Not into one in work: what is there is part of the finished bag in the end.
    inside = first.is_dir() and first.suffix != PART
    out = options.out or (first if inside else first.parent) / 'report.html'
    return write_and_tell(bags, out, options.truth)


def write_and_tell(bags: Sequence[Path], out: Path, truth: Sequence[str] = (),
                   told: Collection[Path] | None = None) -> int:
    """Write the report, with a line for all that is wrong (with `told`); 1 if anything is."""
    from tdnet_ros.bags.progress import progress
    from tdnet_ros.bags.report.writing import write_report
    what = f'{len(bags)} bags' if len(bags) > 1 else str(bags[0])
    with progress(f'reading {what}') as update:
        problems = write_report(bags, out, truth, update, told)
    status = tell(problems)
    print(f'{out} and {out.with_suffix(".json")}: the labels of {what}')
    return status
