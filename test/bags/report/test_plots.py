"""The plots of a report."""
import re

import numpy as np
import pytest

from tdnet_ros.bags.report.plots import THEMES, timeline


@pytest.mark.parametrize(('pause_s', 'pieces'), [(0.4, 1), (2.0, 2)])
def test_a_long_pause_interrupts_a_line(pause_s: float, pieces: int) -> None:
    time_s = [*np.arange(8) / 10, *(0.7 + pause_s + np.arange(8) / 10)]
    values = {'time_s': time_s, 'mean': [0.5] * 16, 'min': [0.4] * 16, 'max': [0.6] * 16}
    camera = {'resets': [], 'classes': [{'id': 0, 'color': [1, 2, 3]}], 'series': {
        'class_share': {'time_s': time_s, 'labels': [0], 'mean': [[1.0] * 16]},
        'flip_rate': values, 'confidence': None, 'latency_ms': None}}
    theme = THEMES['light']
    svg = timeline(camera, theme).decode()
    line, = re.findall(rf'<path d="([^"]*)"[^>]*stroke: {theme.line}', svg)
    assert line.count('M') == pieces
