"""What was promised, and what was measured of it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import ge
from typing import Any, NamedTuple

from tdnet_ros.nets import DEFAULT_MODEL

Results = dict[str, Any]
STEADY_FRAMES = 1000
NO_GPU = 'not measured: no CUDA device in this run'


class Goal(NamedTuple):
    """One line of the table of goals."""

    what: str
    goal: str
    measured: str
    held: bool | None
    '''None where it was not measured.'''


def goals(results: Results) -> Iterator[Goal]:
    """Compare what was measured with what was promised, line by line."""
    yield from _cpu_goals(results)
    yield from _node_goals(results)
    yield from _cuda_goals(results)


def find_run(results: Results, device: str, part: str, **fields: Any) -> dict[str, Any] | None:
    """Find the first run of a part whose fields have these values."""
    runs = results.get(device, {}).get(part, {}).get('runs', [])
    return next((run for run in runs
                 if all(run[name] == value for name, value in fields.items())), None)


def _cpu_goals(results: Results) -> Iterator[Goal]:
    run = find_run(results, 'cpu', 'paper', model='td4-psp18', engine='torch',
                   precision='float32')
    yield _goal('td4-psp18 at 769x1537, float32, CPU: speed against the plain path',
                'at least 2.0x', run, lambda run: run['speedup_vs_reference'], '{:.2f}x',
                lambda value: value >= 2.0)
    yield _goal('the same: labels equal to the plain path', 'at least 99.99 %', run,
                lambda run: 100 * run['label_agreement'], '{:.3f} %',
                lambda value: value >= 99.99)
    yield _goal(f'growth of memory over {STEADY_FRAMES} frames, CPU', 'less than 2 MB',
                find_run(results, 'cpu', 'steady', frames=STEADY_FRAMES),
                lambda run: run['memory_growth_mb'], '{:+.1f} MB', lambda value: value < 2.0)


def _node_goals(results: Results) -> Iterator[Goal]:
    path = results.get('message_path', {})
    why = f'not measured: {path["missing"]}' if path.get('missing') else 'not measured'
    for size, limit in (((360, 640), 8.0), ((1080, 1920), 25.0)):
        course = next((one for one in path.get('courses', [])
                       if one['free'] and one['frame_size'] == list(size)), None)
        yield _goal(f'node without its network at {size[1]}x{size[0]}, capture to publish',
                    f'at most {limit:g} ms', course,
                    lambda course: course['overhead_ms']['p50'], '{:.1f} ms (p50)',
                    partial(ge, limit), why)
    course = next((one for one in path.get('courses', [])
                   if not one['free'] and one['model'] == DEFAULT_MODEL), None)
    yield _goal('the default model through the node at 640x360', 'at least 15 frames per second',
                course, lambda course: course['fps'], '{:.1f} frames per second',
                lambda value: value >= 15, why)


def _cuda_goals(results: Results) -> Iterator[Goal]:
    half = find_run(results, 'cuda', 'paper', model='td4-psp18', engine='torch',
                    precision='float16')
    what = 'td4-psp18 at 769x1537, float16, GPU'
    yield _goal(f'{what}: speed against the plain float32 path', 'at least 6x', half,
                lambda run: run['speedup_vs_reference'], '{:.1f}x', lambda value: value >= 6,
                NO_GPU)
    yield _goal(f'{what}: time of a frame', 'at most 3 ms', half, lambda run: run['median_ms'],
                '{:.2f} ms', lambda value: value <= 3, NO_GPU)
    yield _goal(f'{what}: p99 over p50', 'at most 1.15', half,
                lambda run: run['p99_ms'] / run['median_ms'], '{:.2f}',
                lambda value: value <= 1.15, NO_GPU)
    yield _goal(f'{what}: fraction of the measured matrix product', 'stated', half,
                lambda run: 100 * run['fraction_of_matmul'], '{:.0f} %', lambda value: True,
                NO_GPU)
    for precision in ('float16', 'bfloat16'):
        yield _goal(f'labels of the default model in {precision}, GPU',
                    'equal on at least 99.5 %',
                    find_run(results, 'cuda', 'default', engine='torch', precision=precision),
                    lambda run: 100 * run['label_agreement'], '{:.2f} %',
                    lambda value: value >= 99.5, NO_GPU)
    yield _goal('td2-psp50 at 769x1537, float16, GPU: time of a frame', 'at most 5 ms',
                find_run(results, 'cuda', 'deep', engine='torch', precision='float16'),
                lambda run: run['median_ms'], '{:.2f} ms', lambda value: value <= 5, NO_GPU)
    one, four = (find_run(results, 'cuda', 'cameras', cameras=count) for count in (1, 4))
    yield _goal('4 cameras over 1, GPU', 'at most 2.5x the time', four if one else None,
                lambda run: run['median_ms'] / one['median_ms'] if one else 0.0, '{:.2f}x',
                lambda value: value <= 2.5, NO_GPU)
    yield _goal(f'growth of device memory over {STEADY_FRAMES} frames', 'none',
                find_run(results, 'cuda', 'steady', frames=STEADY_FRAMES),
                lambda run: run['memory_growth_mb'], '{:+.1f} MB', lambda value: value <= 0,
                NO_GPU)


def _goal(what: str, goal: str, run: dict[str, Any] | None,
          read: Callable[[dict[str, Any]], float], shown: str,
          holds: Callable[[float], bool], why: str = 'not measured') -> Goal:
    if run is None:
        return Goal(what, goal, why, None)
    value = read(run)
    return Goal(what, goal, shown.format(value), holds(value))
