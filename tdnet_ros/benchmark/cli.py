"""Time engines side by side, frame by frame, against the machine's ceiling.

Works without weights: the labels are then noise, the times are not.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
import os
from pathlib import Path
import sys
from typing import Any

from tdnet_ros.bags.options import not_negative, positive
from tdnet_ros.benchmark.frames import find_frames
from tdnet_ros.benchmark.measure import measure
from tdnet_ros.benchmark.worker import Setup
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.engines import ENGINES, PRECISIONS
from tdnet_ros.nets.writing import check_writable, naming

EXAMPLES = '''examples:
  tdnet_benchmark                          the shipped model, engines reference and torch
  tdnet_benchmark --model td4-psp18 --input-size 769 1537 --frames 20
  tdnet_benchmark --engines torch onnxruntime --precision int8 --images camvid/val/images
  tdnet_benchmark --device cuda --precision float32 float16 --frames 200
  tdnet_benchmark --images camvid/val/images --precision float32 bfloat16 --json out.json

Every engine runs in a process of its own; they take turns, frame by frame. An engine that lacks
a precision runs in float32. Leave the machine otherwise idle; if it is not, compare cpu_ms.'''

LEGEND = '''In ms. speedup and labels, the share of equal pixels: against the engine reference.
of matmul: operations of the plain network a second, of the ceiling; an engine that needs fewer
may exceed it.'''
OF_INT8 = '''int8: against a float32 product; graphs that were not given were made with these
very frames.'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and write the JSON; 1 after one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        check_writable(options.json)
        setups = _setups(options)
        try:
            result = measure(setups, options.frames, show_progress)
        finally:
            show_progress('')
        if options.json:
            with naming(options.json):
                options.json.write_text(json.dumps(result, indent=2) + '\n')
    except (OSError, ValueError) as error:
        print(f'tdnet_benchmark: {error}', file=sys.stderr)
        return 1
    print(table(result))
    return 0


def table(result: dict[str, Any]) -> str:
    """Lay a result out for people."""
    ceiling = ', '.join(f'{name} {value:g}' for name, value in result['ceiling'].items())
    first = result['runs'][0]
    lines = [
        f'{result["device"]}, {result["threads"]} threads, torch {result["torch"]}',
        f'ceiling: {ceiling}',
        f'{first["model"]}, input {first["input_size"][0]}x{first["input_size"][1]}, frames '
        f'{first["frame_size"][0]}x{first["frame_size"][1]}, {first["cameras"]} camera(s), '
        f'{first["gmac_per_frame"]:g} GMAC per step, {first["frames"]} steps',
        f'{"engine":12} {"precision":9} {"median":>9} {"p99":>9} {"max":>9} {"fps":>7} '
        f'{"cpu":>9} {"speedup":>7} {"labels":>8} {"of matmul":>9} {"warm-up":>8} {"memory":>8}']
    for run in result['runs']:
        speedup = run['speedup_vs_reference']
        agreement = run['label_agreement']
        lines.append(
            f'{run["engine"]:12} {run["precision"]:9} {run["median_ms"]:9.2f} '
            f'{run["p99_ms"]:9.2f} {run["max_ms"]:9.2f} {run["fps"]:7.2f} {run["cpu_ms"]:9.2f} '
            f'{"" if speedup is None else f"{speedup:.2f}x":>7} '
            f'{"" if agreement is None else f"{100 * agreement:.3f}%":>8} '
            f'{100 * run["fraction_of_matmul"]:8.0f}% {run["warm_up_s"]:7.1f}s '
            f'{run["peak_memory_mb"]:6.0f}MB')
    precisions = {run['precision'] for run in result['runs']}
    return '\n'.join([*lines, LEGEND, *([OF_INT8] if 'int8' in precisions else [])])


def _setups(options: argparse.Namespace) -> list[Setup]:
    cores = os.cpu_count() or 1
    if options.threads > cores:
        raise ValueError(f'--threads {options.threads}: expected at most {cores}, the cores of '
                         'this machine')
    images = tuple(find_frames(options.images, options.frames)) if options.images else ()
    pairs = [(engine, precision) for engine in options.engines
             for precision in [precision for precision in options.precision
                               if precision in ENGINES[engine]] or ['float32']]
    return [Setup(engine, precision, options.model, options.weights, options.device,
                  _size(options.input_size), _size(options.frame_size), options.cameras,
                  options.threads, images) for engine, precision in pairs]


def _size(values: list[int] | None) -> tuple[int, int] | None:
    return None if values is None else (values[0], values[1])


def show_progress(text: str) -> None:
    """Show what is going on: in place on a terminal, else a line for each stage."""
    if sys.stderr.isatty():
        print(f'\r\x1b[K{text}', end='', file=sys.stderr, flush=True)
    elif text and 'frame ' not in text:
        print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'tdnet_benchmark', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--model', default=DEFAULT_MODEL,
        help='card, weights, shipped model or variant (default: %(default)s)')
    add('--weights', help="a safetensors file in place of the model's own")
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--engines', nargs='+', default=['reference', 'torch'], choices=ENGINES,
        help='default: reference torch')
    add('--precision', nargs='+', default=['float32'], choices=PRECISIONS,
        help='default: float32')
    add('--input-size', nargs=2, type=positive(int), metavar=('H', 'W'),
        help="of the network; default: the model's own")
    add('--frame-size', nargs=2, type=positive(int), metavar=('H', 'W'),
        help="of the camera; default: the network's")
    add('--cameras', type=positive(int), default=1, help='cameras that share the network')
    add('--images', type=Path, help='folder of frames; default: a made-up moving street')
    add('--frames', type=positive(int), default=20, help='frames to time, after the warm-up')
    add('--threads', type=not_negative(int), default=0,
        help='threads of the CPU; 0: as many as cores')
    add('--json', type=Path, metavar='FILE', help='write the figures there')
    return parser


if __name__ == '__main__':
    sys.exit(main())
