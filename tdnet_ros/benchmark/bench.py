"""Measure this machine and write the document with its plots: script/bench.

Everything runs in one go: the engines side by side on the CPU and, where there is one, on the
GPU; the cost against input size, paths and cameras; the message path between processes.
"""
from __future__ import annotations

import argparse
from contextlib import suppress
from datetime import datetime, timezone
import json
import os
from pathlib import Path
import platform
import sys
import tempfile
import time
from typing import Any

import torch

from tdnet_ros.bags.options import positive
from tdnet_ros.benchmark.ceiling import describe_machine
from tdnet_ros.benchmark.cli import show_progress
from tdnet_ros.benchmark.document import document
from tdnet_ros.benchmark.suite import at_most, parts, real_frames, run_parts
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.writing import check_writable, naming

EXAMPLES = '''examples:
  script/bench                   everything: some ten minutes on two cores
  script/bench --quick --out /tmp/bench    a smoke test: a minute, no measurement
  script/bench --devices cuda    only what a GPU does
  script/bench --frames 5        sooner done, and rougher
  script/bench --from out/benchmarks.json  write the document again'''
DOCUMENT = 'benchmarks.md'
COURSES = ((360, 640), (720, 1280), (1080, 1920))


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; 1 after one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        check_writable(options.out / DOCUMENT)
        if options.results:
            results = _earlier(options.results)
        else:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            check_writable(options.json)
            try:
                results = _measure(options)
            finally:
                show_progress('')
            with naming(options.json):
                options.json.write_text(json.dumps(results, indent=1) + '\n')
        with naming(options.out):
            files = _write(results, options.out)
    except (OSError, ValueError) as error:
        print(f'script/bench: {error}', file=sys.stderr)
        return 1
    except KeyError as error:
        print(f'script/bench: {options.results} has no {error}: these figures are of another '
              'version', file=sys.stderr)
        return 1
    print('wrote ' + ', '.join(map(str, files)))
    return 0


def _earlier(path: Path) -> dict[str, Any]:
    with suppress(ValueError):
        results = json.loads(path.read_text())
        if isinstance(results, dict):
            return results
    raise ValueError(f'{path}: expected the figures of an earlier run')


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    start = time.monotonic()
    available = {'cpu': '', 'cuda': '' if torch.cuda.is_available() else
                 'no CUDA device in this run; script/bench on a machine with one measures it'}
    results: dict[str, Any] = {
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d'), 'quick': options.quick,
        'machine': _machine(), 'without': {}}
    with tempfile.TemporaryDirectory() as folder:
        images = () if options.quick else real_frames(Path(folder))
        results['message_path'] = _message_path(options.quick)
        for device, missing in available.items():
            if missing or device not in options.devices:
                results['without'][device] = missing or 'left out of this run'
                continue
            wanted = parts(device, images, Path(folder), options.quick)
            results[device] = dict(run_parts(at_most(wanted, options.frames), show_progress))
    loads = [part['load_average_before'] for device in available
             for part in results.get(device, {}).values() if 'load_average_before' in part]
    minutes = (time.monotonic() - start) / 60
    results['load'] = (f'The load average at the start of the parts was {min(loads, default=0):g} '
                       f'to {max(loads, default=0):g}; all of it took {minutes:.0f} minutes.')
    return results


def _machine() -> dict[str, str]:
    found = {'cpu': describe_machine(torch.device('cpu')),
             'torch': f'PyTorch {torch.__version__}, Python {platform.python_version()}'}
    if torch.cuda.is_available():
        found['gpu'] = (f'{describe_machine(torch.device("cuda"))}, CUDA {torch.version.cuda}, '
                        f'cuDNN {torch.backends.cudnn.version()}')
    return found


def _message_path(quick: bool) -> dict[str, Any]:
    """Measure transport and node; without ROS say why not."""
    try:
        from tdnet_ros.benchmark.message_path import Course, measure_conversion, measure_course
        from tdnet_ros.demo.environment import prepare
    except ImportError as error:
        return {'missing': f'no ROS here ({error})'}
    prepare(os.environ)
    model = 'td2-tiny' if quick else DEFAULT_MODEL
    sizes = COURSES[:1] if quick else COURSES
    courses = [Course(size, 10, 5 if quick else 100, model, free=True) for size in sizes]
    courses.append(Course(COURSES[0], 30, 10 if quick else 300, model))
    measured = []
    try:
        for number, course in enumerate(courses):
            show_progress(f'message path ({number + 1} of {len(courses)}): '
                          f'{course.size[1]}x{course.size[0]}')
            measured.append(measure_course(course))
    except (ValueError, RuntimeError) as error:  # the node did not come up, say
        return {'missing': ' '.join(str(error).split())}
    return {'courses': measured, 'conversion': [
        {'size': list(size), **measure_conversion(size)} for size in sizes]}


def _write(results: dict[str, Any], out: Path) -> list[Path]:
    text = out / DOCUMENT
    text.write_text(document(results))
    try:
        from tdnet_ros.benchmark.plots import write_plots
    except ModuleNotFoundError as error:
        print(f'script/bench: no plots, the Python package {error.name} is missing: script/setup '
              'brings it, then --from', file=sys.stderr)
        return [text]
    return [text, *write_plots(results, out)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'script/bench', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--quick', action='store_true', help='tiny networks, a few frames: does it run at all?')
    add('--devices', nargs='+', default=['cpu', 'cuda'], choices=('cpu', 'cuda'))
    add('--frames', type=positive(int), metavar='N',
        help='at most so many frames of each engine (memory is watched for as long as ever)')
    add('--out', type=Path, default=Path('docs'), metavar='DIR',
        help='default: docs; of script/bench: docs of its checkout')
    add('--json', type=Path, default=Path('out/benchmarks.json'), metavar='FILE',
        help='write all figures there (default: out/benchmarks.json)')
    add('--from', dest='results', type=Path, metavar='FILE',
        help='measure nothing, write the document from these figures')
    return parser
