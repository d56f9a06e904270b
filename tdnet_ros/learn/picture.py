"""A confusion matrix as a picture."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
import numpy as np

from tdnet_ros.learn.metrics import Confusion


def check_format(path: Path) -> None:
    """Raise ValueError unless the name is that of a picture that can be drawn."""
    formats = sorted(FigureCanvasBase.filetypes)
    if path.suffix[1:].lower() not in formats:
        raise ValueError(f'{path}: expected the name of a picture, as .{", .".join(formats)}')


def save_confusion(confusion: Confusion, names: Sequence[str], path: Path) -> None:
    """Draw rows of the truth, normalised to 1, against columns of the prediction."""
    matrix = confusion.matrix / np.maximum(confusion.matrix.sum(1, keepdims=True), 1)
    size = 2.5 + 0.5 * len(names)
    figure = Figure(figsize=(size, size), layout='constrained')
    axes = figure.subplots()
    axes.imshow(matrix, cmap='Blues', vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=60, ha='right', parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_xlabel('predicted')
    axes.set_ylabel('truth')
    for (row, column), share in np.ndenumerate(matrix):
        if share >= 0.005:
            axes.text(column, row, f'{100 * share:.0f}', ha='center', va='center', fontsize=8,
                      color='white' if share > 0.5 else 'black')
    figure.savefig(path, dpi=110)
