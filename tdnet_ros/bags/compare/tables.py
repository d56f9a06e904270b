"""A comparison in the terminal."""
from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tdnet_ros.ros.texts import counted


def print_comparison(content: dict[str, Any], console: Console) -> None:
    """Show what `Comparison.as_dict` returns, one table for each camera."""
    for camera in content['cameras']:
        topics, frames = camera['topics'], camera['frames']
        console.print(f'A {content["a"]}  {topics[0]}\nB {content["b"]}  {topics[1]}',
                      highlight=False, markup=False, soft_wrap=True)
        console.print(f'{counted(frames["both"], "frame")} in both, {frames["only_a"]} only in A, '
                      f'{frames["only_b"]} only in B', highlight=False)
        console.print(_table(camera))
        spread = camera['frame_agreement']
        console.print(f'equal pixels of one frame: median {_percent(spread["median"])}, '
                      f'5th percentile {_percent(spread["p5"])}, '
                      f'worst {_percent(spread["min"])}\n', highlight=False)
    for side in 'ab':
        for topic in content[f'topics_only_{side}']:
            console.print(f'only in {side.upper()}: {topic}', highlight=False, markup=False)


def _table(camera: dict[str, Any]) -> Table:
    table = Table('class', box=box.SIMPLE_HEAD)
    for name in ('share of A', 'share of B', 'B agrees', 'IoU'):
        table.add_column(name, justify='right')
    table.add_column('B mostly says instead')
    for row in camera['classes']:
        table.add_row(row['name'], _percent(row['pixels_a'] / camera['pixels']),
                      _percent(row['pixels_b'] / camera['pixels']), _percent(row['agreement']),
                      _percent(row['iou']), row['mostly_instead'] or '')
    table.add_section()
    table.add_row('all', '', '', _percent(camera['agreement']), _percent(camera['miou']), '',
                  style='bold')
    return table


def _percent(share: float | None) -> str:
    """Two digits after the point, of which the last is never rounded up to 100."""
    if share is None:
        return '-'
    text = f'{100 * share:.2f}'
    return '99.99 %' if text == '100.00' and share < 1 else f'{text} %'
