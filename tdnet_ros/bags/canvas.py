"""Pictures, texts and colour keys on one sheet of paper, in pixels."""
from __future__ import annotations

from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
import numpy as np
from numpy.typing import NDArray

DPI = 100
INK, FAINT, PAPER = '#1a1a1a', '#6b6b6b', '#ffffff'
KEY = 16.0  # px


class Canvas:
    """A figure addressed in pixels from the top left corner."""

    def __init__(self, width: float, height: float) -> None:
        self._width = width
        self._height = height
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)

    def text(self, left: float, baseline: float, text: str, size: float, color: str = INK,
             weight: str = 'normal') -> None:
        """Write a line; size in points."""
        self._figure.text(left / self._width, 1 - baseline / self._height, text, fontsize=size,
                          color=color, fontweight=weight, va='baseline', parse_math=False)

    def image(self, left: float, top: float, width: float, height: float,
              rgb: NDArray[np.uint8], scaling: Literal['lanczos', 'nearest']) -> None:
        """Show a picture uint8 [H, W, 3], scaled to width x height."""
        axes = self._figure.add_axes((left / self._width, 1 - (top + height) / self._height,
                                      width / self._width, height / self._height))
        axes.imshow(rgb, aspect='auto', interpolation=scaling)
        axes.axis('off')

    def key(self, left: float, middle: float, name: str, color: tuple[int, int, int]) -> None:
        """Tell what a colour means, in RGB."""
        self._figure.add_artist(Rectangle(
            (left / self._width, 1 - (middle + KEY / 2) / self._height), KEY / self._width,
            KEY / self._height, facecolor=tuple(value / 255 for value in color),
            edgecolor=FAINT, linewidth=0.5))
        self.text(left + KEY + 8, middle + 5, name, size=11)

    def save(self, path: Path) -> None:
        """Write it as PNG."""
        self._figure.savefig(path, dpi=DPI)
