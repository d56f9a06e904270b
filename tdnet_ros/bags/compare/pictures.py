"""A frame of two bags side by side: labels, labels, difference, and what the colours mean."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.bags.bag_classes import BagClasses
from tdnet_ros.bags.canvas import FAINT, Canvas
from tdnet_ros.bags.compare.comparison import CameraComparison, Comparison
from tdnet_ros.bags.compare.worst import ComparedFrame
from tdnet_ros.stream.labels import Painter

PANEL, MARGIN, GAP = 560, 24, 8  # px
HEADER, CAPTION, LEGEND_ROW, LEGEND_KEY = 64, 26, 24, 150
LONGEST = 64  # letters of a caption
DIFFERENT = (230, 0, 120)
'''RGB of pixels that differ; equal ones are grey.'''


def write_pictures(comparison: Comparison, folder: Path) -> dict[str, list[str]]:
    """Write the worst frames as PNG; return the file names by camera, the worst first.

    The folder is made unless nothing differs.
    """
    names: dict[str, list[str]] = {}
    for camera in comparison.cameras:
        stem = camera.name.strip('/').replace('/', '_')
        names[camera.name] = [f'{stem}_{rank:02d}_{frame.time_s:.2f}s.png'
                              for rank, frame in enumerate(camera.worst, 1)]
        for name, frame in zip(names[camera.name], camera.worst):
            folder.mkdir(parents=True, exist_ok=True)
            _draw(comparison, camera, frame).save(folder / name)
    return names


def difference(frame: ComparedFrame, painter: Painter) -> NDArray[np.uint8]:
    """Where the two differ, RGB uint8 [H, W, 3]: marked over the first's labels in pale grey."""
    grey = cv2.cvtColor(painter.colorize(frame.first), cv2.COLOR_RGB2GRAY)
    picture = np.repeat((200 + grey // 8)[..., None], 3, axis=2).astype(np.uint8)
    picture[frame.first != frame.second] = DIFFERENT
    return picture


def _draw(comparison: Comparison, camera: CameraComparison, frame: ComparedFrame) -> Canvas:
    painter = Painter(comparison.classes.palette)
    height = PANEL * frame.first.shape[0] / frame.first.shape[1]
    width = 3 * PANEL + 2 * GAP + 2 * MARGIN
    keys = _legend(frame, comparison.classes)
    per_row = (width - 2 * MARGIN) // LEGEND_KEY
    legend = LEGEND_ROW * -(-len(keys) // per_row)
    canvas = Canvas(width, HEADER + CAPTION + height + MARGIN + legend)
    canvas.text(MARGIN, 33, f'{camera.name} at {frame.time_s:.2f} s', size=15, weight='bold')
    canvas.text(MARGIN, 55, f'stamp {frame.stamp_ns} ns', size=10, color=FAINT)
    panels = [
        (f'A  {comparison.paths[0]}', painter.colorize(frame.first)),
        (f'B  {comparison.paths[1]}', painter.colorize(frame.second)),
        (f'{100 * (1 - frame.agreement):.1f} % of the pixels differ', difference(frame, painter))]
    for index, (caption, picture) in enumerate(panels):
        left = MARGIN + index * (PANEL + GAP)
        canvas.text(left, HEADER + CAPTION - 8, _shortened(caption), size=11)
        canvas.image(left, HEADER + CAPTION, PANEL, height, picture, 'nearest')
    for index, (name, color) in enumerate(keys):
        row, column = divmod(index, per_row)
        canvas.key(MARGIN + column * LEGEND_KEY,
                   HEADER + CAPTION + height + MARGIN * 3 / 4 + row * LEGEND_ROW, name, color)
    return canvas


def _legend(frame: ComparedFrame, classes: BagClasses) -> list[tuple[str, tuple[int, int, int]]]:
    """The labels that occur, then what marks a difference."""
    labels = np.union1d(frame.first, frame.second).tolist()
    return [*((classes.name(label), classes.color(label)) for label in labels),
            ('A and B differ', DIFFERENT)]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f'{text[:3]}…{text[3 - LONGEST:]}'
