"""How many frames went where and how long they took, as numbers, table and plot."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from tdnet_ros.demo.results import Results
from tdnet_ros.demo.stages import COLORS, STAGES
from tdnet_ros.ros.meter import LATENCY, Spread
from tdnet_ros.ros.texts import counted

HEADROOM = 1.18  # of the plot above the slowest frame, for the names of percentiles


def summarize(results: Results, sent: int) -> dict[str, Any]:
    """The content of latency.json."""
    counts = results.report.counts
    return {
        'frames': {'sent': sent, 'received': counts['received'],
                   'labelled': len(results.label_stamps_ns),
                   'overwritten': counts['overwritten'], 'failed': counts['failed']},
        'capture_to_publish_ms': _spread(results.times_ms[LATENCY]),
        'stages_ms': {stage: _spread(results.times_ms[stage]) for stage in STAGES},
    }


def _spread(values: NDArray[np.float64]) -> Mapping[str, float | None]:
    return Spread.of(values).rounded() if len(values) else dict.fromkeys(Spread._fields)


def losses(summary: dict[str, Any], results: Results) -> list[str]:
    """One line for every frame count that does not add up, or that a reader should not miss."""
    frames, report = summary['frames'], results.report
    processed, skipped = report.counts['processed'], report.counts['skipped']
    lines = []
    if frames['overwritten']:
        lines.append(f'{frames["overwritten"]} of {counted(frames["received"], "frame")} '
                     'overwritten by newer ones before the network was free: a smaller '
                     '--input-size or --model, or a lower --rate, keeps up')
    if frames['failed']:
        lines.append(f'{counted(frames["failed"], "frame")} not labelled; the last: '
                     f'{report.last_failure}')
    if skipped:
        lines.append(f'{counted(skipped, "frame")} skipped; the last: {report.last_skip}')
    if frames['sent'] > frames['received']:
        lines.append(f'{counted(frames["sent"] - frames["received"], "frame")} lost between '
                     'player and node (best effort, depth 1)')
    if processed > frames['labelled']:
        lines.append(f'{counted(processed - frames["labelled"], "label image")} lost between node '
                     'and bag')
    if report.waiting:
        lines.append(f'{counted(report.waiting, "frame")} still waiting when the node was ended')
    return lines


def print_tables(summary: dict[str, Any], console: Console) -> None:
    """Show the summary in the terminal."""
    frames = Table(*summary['frames'], box=box.SIMPLE_HEAD, title='frames', title_justify='left')
    frames.add_row(*map(str, summary['frames'].values()))
    times = Table('ms', box=box.SIMPLE_HEAD)
    for name in Spread._fields:
        times.add_column(name, justify='right')
    for stage, spread in summary['stages_ms'].items():
        times.add_row(stage, *map(_number, spread.values()))
    times.add_section()
    times.add_row('capture to publish', *map(_number, summary['capture_to_publish_ms'].values()),
                  style='bold')
    console.print(frames)
    console.print(times)


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.1f}'


def plot_latency(results: Results, summary: dict[str, Any], path: Path) -> None:
    """Stages over time, stacked, and the distribution of their sum."""
    latency = results.times_ms[LATENCY]
    count = min(len(results.times_s), *(len(values) for values in results.times_ms.values()))
    figure = Figure(figsize=(12, 5), layout='constrained')
    over_time, spread = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    over_time.stackplot(
        results.times_s[:count], [results.times_ms[stage][:count] for stage in STAGES],
        labels=STAGES, colors=[COLORS[stage] for stage in STAGES], step='mid')
    over_time.plot(results.times_s[:count], latency[:count], color='black', linewidth=0.7,
                   drawstyle='steps-mid', label='capture to publish')
    over_time.set(xlabel='time of capture (s)', ylabel='ms', ylim=(0, HEADROOM * max(latency)))
    over_time.margins(x=0)
    over_time.set_title('Where the time goes', loc='left', fontweight='bold')
    figure.legend(loc='outside lower left', ncols=len(STAGES) + 1, frameon=False)
    spread.hist(latency, bins=40, orientation='horizontal', color='#0072b2')
    _mark(spread, summary['capture_to_publish_ms'])
    spread.set(xlabel='frames')
    spread.xaxis.set_major_locator(MaxNLocator(integer=True))
    spread.set_title('Capture to publish', loc='left', fontweight='bold')
    for axes in (over_time, spread):
        axes.spines[['top', 'right']].set_visible(False)
        axes.grid(axis='y', color='#dddddd', linewidth=0.6)
        axes.set_axisbelow(True)
    figure.savefig(path, dpi=130)


def _mark(axes: Axes, spread: dict[str, float]) -> None:
    """Draw the percentiles as lines, their names far enough apart to be read."""
    apart = 0.05 * axes.get_ylim()[1]
    label = 0.0
    for name in ('p50', 'p95', 'p99'):
        axes.axhline(spread[name], color='#d55e00', linewidth=1)
        label = max(spread[name], label + apart)
        axes.annotate(f'{name}  {spread[name]:.0f} ms', (1, label), (0, 2),
                      xycoords=('axes fraction', 'data'), textcoords='offset points',
                      ha='right', va='bottom', fontsize=9, color='#d55e00')
