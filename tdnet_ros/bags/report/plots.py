"""What changes over time, as one SVG picture for light and one for dark pages."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
import io
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
import numpy as np
from numpy.typing import NDArray

WIDTH_IN, PANEL_IN, SHARE_IN = 7.2, 1.35, 2.3
HEADROOM = 1.1  # of a panel above the largest value
SILENCE = 5.0
'''A pause longer than this many usual steps interrupts a line.'''
LINES = {'flip_rate': 'pixels that change label from frame to frame (%)',
         'confidence': 'confidence (%)', 'latency_ms': 'latency (ms)'}
MAX_MARKS = 60  # resets that are drawn


class Theme(NamedTuple):
    """Colours of a page that a picture has to fit."""

    ink: str
    faint: str
    line: str
    band: str
    mark: str


THEMES = {'light': Theme('#1b1f24', '#d5d9de', '#0b63b6', '#0b63b633', '#c4161c'),
          'dark': Theme('#e3e7ec', '#3b424b', '#6cb6ff', '#6cb6ff40', '#ff7b72')}


def timeline(camera: dict[str, Any], theme: Theme) -> bytes:
    """Class share, flip rate, confidence and latency over the same time, as SVG."""
    series = camera['series']
    panels: list[Callable[[Axes], None]] = [partial(_shares, camera)]
    panels += [partial(_line, series[key], title, theme) for key, title in LINES.items()
               if series[key]]
    heights = [SHARE_IN, *[PANEL_IN] * (len(panels) - 1)]
    style: Any = {'svg.fonttype': 'none', 'svg.hashsalt': 'tdnet', 'font.family': 'sans-serif',
             'font.size': 10, 'text.color': theme.ink, 'axes.edgecolor': theme.faint,
             'axes.labelcolor': theme.ink, 'xtick.color': theme.ink, 'ytick.color': theme.ink}
    with rc_context(style):
        figure = Figure(figsize=(WIDTH_IN, sum(heights) + 0.4), layout='constrained')
        rows = np.atleast_1d(figure.subplots(
            len(panels), 1, sharex=True, height_ratios=heights))
        for axes, draw in zip(rows, panels):
            draw(axes)
            _finish(axes, camera, theme)
        rows[-1].set_xlabel('seconds from the start of the bag')
        return _svg(figure)


def _svg(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format='svg', transparent=True, metadata={'Date': None})
    return file.getvalue()


def _shares(camera: dict[str, Any], axes: Axes) -> None:
    share = camera['series']['class_share']
    colors = {item['id']: tuple(value / 255 for value in item['color'])
              for item in camera['classes']}
    time_s, values = _broken(share['time_s'], np.array(share['mean']))
    axes.stackplot(time_s, values[::-1], linewidth=0,  # the first class on top, as in the table
                   colors=[colors[label] for label in share['labels'][::-1]])
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=''))
    axes.set_title('share of the pixels by class (%)', loc='left', fontsize=10)


def _line(values: dict[str, list[float]], title: str, theme: Theme, axes: Axes) -> None:
    scale = 100 if title.endswith('(%)') else 1
    time_s, (mean, least, largest) = _broken(
        values['time_s'], scale * np.array([values['mean'], values['min'], values['max']]))
    axes.fill_between(time_s, least, largest, color=theme.band, linewidth=0)
    axes.plot(time_s, mean, color=theme.line, linewidth=1.3)
    axes.set_title(title, loc='left', fontsize=10)
    axes.grid(axis='y', color=theme.faint, linewidth=0.6)
    axes.set_ylim(0, HEADROOM * max(scale * max(values['max']), 1e-3))
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _broken(time_s: list[float], values: NDArray[np.float64],
            ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put a NaN into each long pause, and give a single value some width."""
    times = np.array(time_s)
    if len(times) == 1:
        return np.array([times[0], times[0] + 1]), np.repeat(values, 2, axis=1)
    steps = np.diff(times)
    pauses = np.flatnonzero(steps > SILENCE * np.median(steps)) + 1
    return (np.insert(times, pauses, times[pauses - 1] + 1e-9),
            np.insert(values, pauses, np.nan, axis=1))


def _finish(axes: Axes, camera: dict[str, Any], theme: Theme) -> None:
    time_s = camera['series']['class_share']['time_s']
    for reset in camera['resets'][:MAX_MARKS]:
        if reset['time_s'] is not None:
            # Live, a reset is told up to a second late: after the last labels, maybe.
            axes.axvline(min(max(reset['time_s'], time_s[0]), time_s[-1]), color=theme.mark,
                         linewidth=0.9, linestyle=(0, (3, 2)))
    axes.margins(x=0)
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_axisbelow(True)
