"""Two label images of the same scene, pixel by pixel: how far they agree."""
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tdnet_ros.nets.classes import UNLABELED

IDS = 256
'''Label ids that a pixel can have; 255, unlabelled, counts like any other.'''

Labels = NDArray[np.uint8]


class PairCounts:
    """How many pixels have which label in one image and which in the other.

    `matrix` int64 [256, 256]: rows are the labels of the first image (the truth, where there is
    one), columns those of the second.
    """

    def __init__(self) -> None:
        self.matrix = np.zeros((IDS, IDS), np.int64)

    def add(self, first: Labels, second: Labels) -> float:
        """Count two label images uint8 [H, W]; return the share of pixels that are equal."""
        if first.shape != second.shape:
            raise ValueError(f'label images of {size_text(first)} and {size_text(second)}: '
                             'expected one size')
        pairs = first.astype(np.uint16) * IDS + second
        self.matrix += np.bincount(pairs.ravel(), minlength=IDS * IDS).reshape(IDS, IDS)
        return float(np.mean(first == second))

    def ignore_from(self, count: int) -> None:
        """Drop the pixels whose first label is `count` or above: a truth that is unlabelled."""
        self.matrix[count:] = 0

    @property
    def pixels(self) -> int:
        """Pixels counted."""
        return int(self.matrix.sum())

    def equal_share(self) -> float:
        """Share of pixels whose labels are equal; NaN before any."""
        return float(np.trace(self.matrix) / self.pixels) if self.pixels else float('nan')

    def agreement(self) -> NDArray[np.float64]:
        """Per label [256]: share of the first's pixels that are the same in the second, or NaN."""
        return _ratio(np.diag(self.matrix), self.matrix.sum(1))

    def iou(self) -> NDArray[np.float64]:
        """Per label [256]: intersection over union; NaN for a label that neither has."""
        hits = np.diag(self.matrix)
        return _ratio(hits, self.matrix.sum(0) + self.matrix.sum(1) - hits)

    def miou(self) -> float:
        """Mean IoU of the labels that occur, 255 left out; NaN where there is none."""
        iou = self.iou()[:UNLABELED]
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float('nan')

    def instead(self, label: int) -> int | None:
        """Find what the second says most often where the first says `label` and it disagrees."""
        row = self.matrix[label].copy()
        row[label] = 0
        return int(row.argmax()) if row.any() else None


def number(share: float) -> float | None:
    """A share as JSON can hold it: None for NaN."""
    return None if math.isnan(share) else float(share)


def size_text(labels: Labels) -> str:
    """Width x height of labels [H, W]."""
    return f'{labels.shape[1]} x {labels.shape[0]}'


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
