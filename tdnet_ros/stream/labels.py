"""Labels as pictures: colours, overlay, legend and banner (RGB or BGR, as the palette is)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.nets.classes import Color
from tdnet_ros.stream.frame import Image

_FONT = cv2.FONT_HERSHEY_SIMPLEX


class Painter:
    """Paints labels with a palette; ids beyond it, 255 among them, are left unpainted."""

    def __init__(self, palette: Sequence[Color], bgr: bool = False) -> None:
        self._table: NDArray[np.uint8] = np.zeros((256, 1, 3), np.uint8)
        colors = np.array(palette, np.uint8).reshape(-1, 1, 3)
        self._table[:len(colors)] = colors[..., ::-1] if bgr else colors
        self._known = len(colors)

    def colorize(self, labels: Image) -> Image:
        """Map label ids [H, W] to colours uint8 [H, W, 3]; unpainted pixels are black."""
        return np.asarray(cv2.applyColorMap(labels, self._table), np.uint8)

    def blend(self, image: Image, labels: Image, opacity: float) -> Image:
        """Lay the colours over an image uint8 [H, W, 3] of the palette's channel order."""
        colors = self.colorize(labels)
        blended = cv2.addWeighted(image, 1 - opacity, colors, opacity, 0)
        unpainted = labels >= self._known
        if unpainted.any():
            blended[unpainted] = image[unpainted]
        return np.asarray(blended, np.uint8)

    def legend(self, image: Image, names: Mapping[int, str]) -> None:
        """Write the names of classes by their ids beside their colours at the foot, in place."""
        height, width = image.shape[:2]
        scale = float(np.clip(height / 900, 0.3, 1.2))
        thickness = 1 + (scale > 0.8)
        swatch = round(26 * scale)
        row = round(1.3 * swatch)
        entries = [(index, name, swatch + 2 * row // 3 + cv2.getTextSize(
            name, _FONT, scale, thickness)[0][0]) for index, name in names.items()]
        columns = max(1, width // max((length for *_, length in entries), default=width))
        rows = -(-len(entries) // columns)
        top = max(0, height - rows * row)
        image[top:] = image[top:] // 3
        for place, (index, name, _) in enumerate(entries):
            x, y = place % columns * (width // columns), top + place // columns * row
            color = self._table[index, 0].tolist()
            image[y + row - swatch:y + row - 2, x + 2:x + swatch] = color
            cv2.putText(image, name, (x + swatch + row // 4, y + row - swatch // 4), _FONT, scale,
                        (255, 255, 255), thickness, cv2.LINE_AA)


def overlay(painter: Painter, rgb: Image, labels: Image, opacity: float, trained: bool) -> Image:
    """Lay labels over an image as BGR uint8 [H, W, 3], with a BGR painter; warn if untrained."""
    bgr = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)
    painted = painter.blend(bgr, labels, opacity)
    if not trained:
        banner(painted, 'UNTRAINED MODEL: LABELS ARE NOISE')
    return painted


def banner(image: Image, text: str) -> None:
    """Write a warning across the top of an image, in place."""
    height, width = image.shape[:2]
    scale = 0.9 * width / max(1, cv2.getTextSize(text, _FONT, 1.0, 1)[0][0])
    scale = min(scale, height / 200)
    thickness = max(1, round(2 * scale))
    (text_width, text_height), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    bar = min(height, 2 * text_height + 2)
    image[:bar] = image[:bar] // 4
    origin = ((width - text_width) // 2, (bar + text_height) // 2)
    cv2.putText(image, text, origin, _FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
