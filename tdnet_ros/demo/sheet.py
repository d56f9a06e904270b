"""The contact sheet: camera beside overlay, a few times over the clip, and what colours mean."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
import numpy as np

from tdnet_ros.demo.results import Picture
from tdnet_ros.nets.classes import ClassSet

DPI = 100
WIDTH, MARGIN, GAP, GUTTER = 1920, 40, 4, 28  # px; GAP inside a pair, GUTTER between pairs
COLUMNS = 2
HEADER, CAPTION, LEGEND_ROW = 110, 30, 30
INK, FAINT, PAPER = '#1a1a1a', '#6b6b6b', '#ffffff'


@dataclass(frozen=True)
class Pair:
    """A camera image and its overlay, both BGR, and when it was taken."""

    time_s: float
    image: Picture
    overlay: Picture


def write_sheet(path: Path, pairs: Sequence[Pair], classes: ClassSet, title: str,
                subtitle: str) -> None:
    """Draw the sheet."""
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GUTTER) / COLUMNS
    image_width = (width - GAP) / 2
    height = image_width * pairs[0].image.shape[0] / pairs[0].image.shape[1]
    rows = -(-len(pairs) // COLUMNS)
    per_row = max(1, (WIDTH - 2 * MARGIN) // 175)
    legend = LEGEND_ROW * -(-len(classes) // per_row)
    total = HEADER + rows * (height + CAPTION) + legend + MARGIN
    canvas = _Canvas(total)
    canvas.text(MARGIN, MARGIN + 22, title, size=21, weight='bold')
    canvas.text(MARGIN, MARGIN + 52, subtitle, size=12.5, color=FAINT)
    for index, pair in enumerate(pairs):
        row, column = divmod(index, COLUMNS)
        left = MARGIN + column * (width + GUTTER)
        top = HEADER + row * (height + CAPTION)
        canvas.image(left, top, image_width, height, pair.image)
        canvas.image(left + image_width + GAP, top, image_width, height, pair.overlay)
        canvas.text(left, top + height + 18, f'{pair.time_s:.1f} s', size=10.5, color=FAINT)
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        row, column = divmod(index, per_row)
        left = MARGIN + column * (WIDTH - 2 * MARGIN) / per_row
        canvas.key(left, total - MARGIN - legend + row * LEGEND_ROW + 14, name, color)
    canvas.save(path)


class _Canvas:
    """A figure addressed in pixels from the top left corner."""

    def __init__(self, height: float) -> None:
        self._height = height
        self._figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
        FigureCanvasAgg(self._figure)

    def text(self, left: float, baseline: float, text: str, size: float, color: str = INK,
             weight: str = 'normal') -> None:
        self._figure.text(left / WIDTH, 1 - baseline / self._height, text, fontsize=size,
                          color=color, fontweight=weight, va='baseline')

    def image(self, left: float, top: float, width: float, height: float, bgr: Picture) -> None:
        axes = self._figure.add_axes((left / WIDTH, 1 - (top + height) / self._height,
                                      width / WIDTH, height / self._height))
        axes.imshow(np.ascontiguousarray(bgr[..., ::-1]), aspect='auto', interpolation='lanczos')
        axes.axis('off')

    def key(self, left: float, middle: float, name: str, color: tuple[int, int, int]) -> None:
        side = 16.0
        self._figure.add_artist(Rectangle(
            (left / WIDTH, 1 - (middle + side / 2) / self._height), side / WIDTH,
            side / self._height, facecolor=tuple(value / 255 for value in color)))
        self.text(left + side + 8, middle + 5, name, size=11.5)

    def save(self, path: Path) -> None:
        self._figure.savefig(path, dpi=DPI)
