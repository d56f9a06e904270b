"""The contact sheet: camera beside overlay, a few times over the clip, and what colours mean."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tdnet_ros.bags.canvas import FAINT, Canvas
from tdnet_ros.demo.results import Picture
from tdnet_ros.nets.classes import ClassSet

WIDTH, MARGIN, GAP, GUTTER = 1920, 40, 4, 28  # px; GAP inside a pair, GUTTER between pairs
COLUMNS = 2
HEADER, CAPTION, LEGEND_ROW = 110, 30, 30


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
    canvas = Canvas(WIDTH, total)
    canvas.text(MARGIN, MARGIN + 22, title, size=21, weight='bold')
    canvas.text(MARGIN, MARGIN + 52, subtitle, size=12.5, color=FAINT)
    for index, pair in enumerate(pairs):
        row, column = divmod(index, COLUMNS)
        left = MARGIN + column * (width + GUTTER)
        top = HEADER + row * (height + CAPTION)
        canvas.text(left, top + height + 18, f'{pair.time_s:.1f} s', size=10.5, color=FAINT)
        for bgr in (pair.image, pair.overlay):
            canvas.image(left, top, image_width, height, np.ascontiguousarray(bgr[..., ::-1]),
                         'lanczos')
            left += image_width + GAP
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        row, column = divmod(index, per_row)
        left = MARGIN + column * (WIDTH - 2 * MARGIN) / per_row
        canvas.key(left, total - MARGIN - legend + row * LEGEND_ROW + 14, name, color)
    canvas.save(path)
