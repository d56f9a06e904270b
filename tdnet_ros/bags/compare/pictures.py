"""A frame of two bags side by side: labels, labels, difference, and what the colours mean."""
from __future__ import annotations

from pathlib import Path

import cv2
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.bags.bag_classes import BagClasses
from tdnet_ros.bags.compare.comparison import CameraComparison, Comparison
from tdnet_ros.bags.compare.worst import ComparedFrame
from tdnet_ros.bags.pair_counts import Labels
from tdnet_ros.stream.labels import Painter

DPI = 100
PANEL, MARGIN, GAP = 560, 24, 8  # px
HEADER, CAPTION, LEGEND_ROW, LEGEND_KEY = 64, 26, 24, 150
INK, FAINT, PAPER = '#1a1a1a', '#6b6b6b', '#ffffff'
DIFFERENT = (230, 0, 120)
'''RGB of pixels that differ; equal ones are grey.'''


def write_pictures(comparison: Comparison, folder: Path) -> dict[str, list[str]]:
    """Write the worst frames as PNG; return the file names by camera, the worst first."""
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, list[str]] = {}
    for camera in comparison.cameras:
        stem = camera.name.strip('/').replace('/', '_')
        names[camera.name] = [f'{stem}_{rank:02d}_{frame.time_s:.2f}s.png'
                              for rank, frame in enumerate(camera.worst, 1)]
        for name, frame in zip(names[camera.name], camera.worst):
            _draw(comparison, camera, frame).savefig(folder / name, dpi=DPI)
    return names


def difference(frame: ComparedFrame, painter: Painter) -> NDArray[np.uint8]:
    """Where the two differ, RGB uint8 [H, W, 3]: marked over the first's labels in pale grey."""
    grey = cv2.cvtColor(painter.colorize(frame.first), cv2.COLOR_RGB2GRAY)
    picture = np.repeat((200 + grey // 8)[..., None], 3, axis=2).astype(np.uint8)
    picture[frame.first != frame.second] = DIFFERENT
    return picture


def _draw(comparison: Comparison, camera: CameraComparison, frame: ComparedFrame) -> Figure:
    painter = Painter(comparison.classes.palette)
    height = PANEL * frame.first.shape[0] / frame.first.shape[1]
    width = 3 * PANEL + 2 * GAP + 2 * MARGIN
    keys = _legend(frame, comparison.classes)
    per_row = (width - 2 * MARGIN) // LEGEND_KEY
    total = HEADER + CAPTION + height + MARGIN + LEGEND_ROW * -(-len(keys) // per_row)
    figure = Figure(figsize=(width / DPI, total / DPI), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)

    def text(left: float, top: float, content: str, size: float, color: str = INK,
             weight: str = 'normal') -> None:
        figure.text(left / width, 1 - top / total, content, fontsize=size, color=color,
                    fontweight=weight, va='center')

    text(MARGIN, 26, f'{camera.name} at {frame.time_s:.2f} s', 15, weight='bold')
    text(MARGIN, 50, f'stamp {frame.stamp_ns} ns', 10, FAINT)
    panels: list[tuple[str, Labels]] = [
        (f'A  {comparison.paths[0]}', painter.colorize(frame.first)),
        (f'B  {comparison.paths[1]}', painter.colorize(frame.second)),
        (f'{100 * (1 - frame.agreement):.1f} % of the pixels differ', difference(frame, painter))]
    for index, (caption, picture) in enumerate(panels):
        left = MARGIN + index * (PANEL + GAP)
        text(left, HEADER + CAPTION / 2, _shortened(caption), 11)
        axes = figure.add_axes((left / width, 1 - (HEADER + CAPTION + height) / total,
                                PANEL / width, height / total))
        axes.imshow(picture, aspect='auto', interpolation='nearest')
        axes.axis('off')
    for index, (name, color) in enumerate(keys):
        row, column = divmod(index, per_row)
        left, top = MARGIN + column * LEGEND_KEY, total - LEGEND_ROW * (
            -(-len(keys) // per_row) - row) - MARGIN / 4
        figure.add_artist(Rectangle(
            (left / width, 1 - (top + 7) / total), 14 / width, 14 / total,
            facecolor=tuple(value / 255 for value in color), edgecolor=FAINT, linewidth=0.5))
        text(left + 20, top, name, 10)
    return figure


def _legend(frame: ComparedFrame, classes: BagClasses) -> list[tuple[str, tuple[int, int, int]]]:
    """The labels that occur, then what marks a difference."""
    labels = np.union1d(frame.first, frame.second).tolist()
    return [*((classes.name(label), classes.color(label)) for label in labels),
            ('A and B differ', DIFFERENT)]


def _shortened(text: str, length: int = 64) -> str:
    return text if len(text) <= length else f'{text[:3]}…{text[3 - length:]}'
