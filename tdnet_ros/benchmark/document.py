"""Results as a document: tables, and what they mean."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tdnet_ros.benchmark.goals import Results, goals
from tdnet_ros.demo.stages import STAGES

DEVICES = {'cpu': 'CPU', 'cuda': 'GPU'}
Row = Sequence[object]


def document(results: Results) -> str:
    """Lay results out as Markdown; plots are named `benchmark-*.png`."""
    lines = [*_head(results), *_goals(results)]
    for device, name in DEVICES.items():
        if device in results:
            lines += _device(results[device], name)
        else:
            lines += [f'## {name}', '', f'Not measured: {results["without"][device]}.', '']
    return '\n'.join([*lines, *_message_path(results['message_path']), *_reading()]) + '\n'


def _head(results: Results) -> list[str]:
    quick = ['', '**A smoke test (`--quick`): tiny networks, a few frames. These are no '
             'measurements.**'] if results['quick'] else []
    machine = '; '.join(results['machine'].values())
    return ['# Benchmarks', '',
            'Written by `script/bench`, which measures everything here in one go. Run it on your '
            'machine.', *quick, '',
            f'Measured on {results["date"]}: {machine}. {results["load"]}', '']


def _goals(results: Results) -> list[str]:
    rows = [(goal.what, goal.goal, goal.measured,
             {True: 'holds', False: '**missed**', None: ''}[goal.held])
            for goal in goals(results)]
    return ['## Goals', '', *_table(('', 'goal', 'measured', ''), rows), '']


def _device(parts: dict[str, Any], name: str) -> Iterator[str]:
    yield from (f'## Engines, {name}', '')
    for key in ('paper', 'default', 'deep'):
        if key in parts:
            yield from _engines(parts[key])
    if any(key in parts for key in ('paper', 'default')):
        yield from (f'![Time of a frame by engine]({plot_name("engines", name)})', '')
    yield from (f'## Cost, {name}', '')
    for key, column, read in (
            ('size', 'network input', lambda run: '{}x{}'.format(*run['input_size'])),
            ('paths', 'paths', lambda run: run['paths']),
            ('cameras', 'cameras', lambda run: run['cameras'])):
        if parts.get(key, {}).get('runs'):
            runs = parts[key]['runs']
            rows = [(read(run), _ms(run['median_ms']), _ms(run['p99_ms']), run['fps'],
                     run['batch'], f'{run["gmac_per_frame"]:.1f}',
                     f'{run["peak_memory_mb"]:.0f}') for run in runs]
            yield from (f'{runs[0]["model"] if key != "paths" else "The default network"}, '
                        f'{runs[0]["engine"]} {runs[0]["precision"]}, camera images of '
                        '{}x{}:'.format(*runs[0]['frame_size']), '')
            yield from _table((column, 'median ms', 'p99 ms', 'frames/s', 'batch', 'GMAC',
                               'MB'), rows)
            yield from ('', *_missing(parts[key]))
    yield from (f'![Cost against size, paths and cameras]({plot_name("cost", name)})', '')


def _engines(part: dict[str, Any]) -> Iterator[str]:
    if not part['runs']:
        yield from (f'Not measured: {part["error"]}', '')
        return
    first = part['runs'][0]
    ceiling = ', '.join(f'{key.replace("_", " ")} {value:g}'
                        for key, value in part['ceiling'].items())
    yield from ('{}: network input {}x{}, camera images of {}x{}, {:g} GMAC a frame, {} frames '
                'of each engine, in turns. Ceiling of the device: {}.'.format(
                    first['model'], *first['input_size'], *first['frame_size'],
                    first['gmac_per_frame'], first['frames'], ceiling), '')
    yield from _table(
        ('engine', 'precision', 'median ms', 'p99 ms', 'max ms', 'frames/s', 'overlapped',
         'against plain',
         'labels equal', 'of matmul', 'upload / network / download ms', 'warm-up s', 'MB'),
        [(run['engine'], run['precision'], _ms(run['median_ms']), _ms(run['p99_ms']),
          _ms(run['max_ms']), run['fps'], _or_dash(run['overlapped_fps'], '{:.1f}'),
          _or_dash(run['speedup_vs_reference'], '{:.2f}x'),
          _or_dash(run['label_agreement'], '{:.3%}'), f'{run["fraction_of_matmul"]:.0%}',
          ' / '.join(_ms(value) for value in run['stage_ms'].values()),
          f'{run["load_s"] + run["warm_up_s"]:.1f}', f'{run["peak_memory_mb"]:.0f}')
         for run in part['runs']])
    yield from ('', *_missing(part))


def _missing(part: dict[str, Any]) -> Iterator[str]:
    for which, why in part['missing'].items():
        yield from (f'Not measured: {which} ({why}).', '')


def _message_path(path: dict[str, Any]) -> Iterator[str]:
    yield from ('## The message path', '',
                'A camera in one process, the node in another, DDS between them; times are from '
                'the stamp of the image to the publication of its labels.', '')
    if path.get('missing'):
        yield from (f'Not measured: {path["missing"]}', '')
        return
    rows = [('no network' if one['free'] else one['model'],
             '{1}x{0}'.format(*one['frame_size']), f'{one["rate_hz"]:g}',
             f'{one["labelled"]} of {one["sent"]}', one['fps'],
             *(_ms(one['latency_ms'][name]) for name in ('p50', 'p99', 'max')),
             ' / '.join(_ms(one['stage_ms'][stage]['p50']) for stage in STAGES))
            for one in path['courses']]
    yield from _table(('network', 'images', 'sent Hz', 'labelled', 'frames/s', 'p50 ms', 'p99 ms',
                       'max ms', ' / '.join(STAGES)), rows)
    yield from ('', '![Where the time of an image goes](benchmark-node.png)', '',
                'With no network everything else is real: transport, decoding, publishing, and '
                'under `network` resizing, normalising and the best class of every pixel. The '
                'conversions by themselves, in ms:', '')
    names = [name for name in path['conversion'][0] if name != 'size']
    yield from _table(('images', *names), [
        ('{1}x{0}'.format(*one['size']), *(f'{one[name]:.3f}' for name in names))
        for one in path['conversion']])
    yield from ('', 'rclpy copies a sample twice on its way into a message; from there RGB is a '
                'view for rgb8 and one conversion for bgr8, and the tensor is a view of that. On '
                'the way back one copy fills the message and rclpy makes one more.', '')


def _reading() -> list[str]:
    return ['## How to read this', '',
            'Engines run in processes of their own and take turns frame by frame, so that '
            'whatever else the machine does hits all of them; ratios are then good even where '
            'times are not. `of matmul` is what the network reaches of the best large matrix '
            'product measured on the device, in the same precision (for int8 in float32); '
            'counted are the operations of the plain network, so an engine that needs fewer may '
            'exceed it. int8 was made with the very frames that are measured. `overlapped` are '
            'frames a second when each is launched before the labels of the last have arrived '
            '(CUDA). `MB` is the peak of the process, or of the device.', '']


def plot_name(what: str, device: str) -> str:
    """Name the file of a plot."""
    return f'benchmark-{what}-{device.lower()}.png'


def _table(head: Row, rows: Iterable[Row]) -> list[str]:
    def line(cells: Row) -> str:
        return '| ' + ' | '.join(map(str, cells)) + ' |'
    return [line(head), '|' + '---|' * len(head), *map(line, rows)]


def _ms(value: float) -> str:
    return f'{value:.0f}' if value >= 100 else f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def _or_dash(value: float | None, shown: str) -> str:
    return '–' if value is None else shown.format(value)
