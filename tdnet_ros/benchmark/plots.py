"""Results as plots."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tdnet_ros.benchmark.document import DEVICES, plot_name
from tdnet_ros.benchmark.goals import Results
from tdnet_ros.demo.stages import COLORS, STAGES

BLUE, ORANGE, GREY = '#0072b2', '#e69f00', '#999999'


def write_plots(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured; returns the files."""
    files = []
    for device, name in DEVICES.items():
        if device in results:
            files.append(_engines(results[device], folder / plot_name('engines', name)))
            files.append(_cost(results[device], folder / plot_name('cost', name)))
    if results['message_path'].get('courses'):
        files.append(_node(results['message_path'], folder / 'benchmark-node.png'))
    return files


def _engines(parts: dict[str, Any], file: Path) -> Path:
    """Draw the median time of a frame by engine, with p99 as a whisker."""
    shown = [key for key in ('paper', 'default', 'deep') if parts.get(key, {}).get('runs')]
    figure, axes = _figure(max(1, len(shown)))
    for plot, key in zip(axes, shown, strict=False):
        runs = parts[key]['runs']
        names = [f'{run["engine"]}\n{run["precision"]}' for run in runs]
        medians = [run['median_ms'] for run in runs]
        tails = [run['p99_ms'] - run['median_ms'] for run in runs]
        plot.bar(names, medians, yerr=[[0] * len(runs), tails], capsize=3, width=0.6,
                 color=[GREY if run['engine'] == 'reference' else BLUE for run in runs])
        plot.set(ylabel='ms a frame (p99 above)')
        plot.tick_params(axis='x', labelsize=7)
        plot.set_title('{}, {}x{}'.format(runs[0]['model'], *runs[0]['input_size']),
                       loc='left', fontsize=9)
    return _save(figure, file)


def _cost(parts: dict[str, Any], file: Path) -> Path:
    """Draw time against input size, paths and cameras."""
    curves: list[tuple[str, str, Callable[[dict[str, Any]], float]]] = [
        ('size', 'network input (megapixels)',
         lambda run: run['input_size'][0] * run['input_size'][1] / 1e6),
        ('paths', 'paths', lambda run: run['paths']),
        ('cameras', 'cameras', lambda run: run['cameras'])]
    figure, axes = _figure(len(curves))
    for plot, (key, label, read) in zip(axes, curves, strict=True):
        runs = parts.get(key, {}).get('runs', [])
        across = [read(run) for run in runs]
        plot.plot(across, [run['median_ms'] for run in runs], 'o-', color=BLUE, label='median')
        plot.plot(across, [run['p99_ms'] for run in runs], 'o:', color=ORANGE, label='p99')
        plot.set(xlabel=label, ylabel='ms a step', ylim=(0, None))
        if key != 'size':
            plot.xaxis.set_major_locator(MaxNLocator(integer=True))
        plot.set_title(f'{runs[0]["model"]}' if runs and key != 'paths' else '',
                       loc='left', fontsize=9)
    axes[0].legend(frameon=False, fontsize=8)
    return _save(figure, file)


def _node(path: dict[str, Any], file: Path) -> Path:
    """Draw the median stages of an image, stacked, for each course."""
    figure, (plot,) = _figure(1)
    names = ['{1}x{0}\n'.format(*one['frame_size']) + (
        'no network' if one['free'] else one['model']) for one in path['courses']]
    left = [0.0] * len(names)
    for stage in STAGES:
        widths = [one['stage_ms'][stage]['p50'] for one in path['courses']]
        plot.barh(names, widths, left=left, color=COLORS[stage], label=stage, height=0.6)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    plot.invert_yaxis()
    plot.set(xlabel='ms from capture (medians)')
    plot.tick_params(axis='y', labelsize=8)
    figure.legend(loc='outside lower center', ncols=len(STAGES), frameon=False, fontsize=8)
    return _save(figure, file)


def _figure(count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    for plot in axes:
        plot.spines[['top', 'right']].set_visible(False)
        plot.grid(color='#dddddd', linewidth=0.6)
        plot.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, file: Path) -> Path:
    figure.savefig(file, dpi=90)
    return file
