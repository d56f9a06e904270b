"""Accuracy and steadiness of label images, from NumPy arrays."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import multiclass_confusion_matrix

from tdnet_ros.nets.classes import UNLABELED

Labels = NDArray[np.uint8]


class Confusion:
    """One confusion matrix over all pixels: rows are the truth, columns the prediction."""

    def __init__(self, classes: int) -> None:
        self.matrix = np.zeros((classes, classes), np.int64)

    def add(self, predicted: Labels, truth: Labels) -> None:
        """Count the pixels of one label image; unlabelled truth is ignored."""
        if predicted.shape != truth.shape:
            raise ValueError(f'prediction {predicted.shape} and truth {truth.shape}: '
                             'expected one size')
        self.matrix += multiclass_confusion_matrix(
            torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)),
            len(self.matrix), ignore_index=UNLABELED, validate_args=False).numpy()

    def iou(self) -> NDArray[np.float64]:
        """Return intersection over union per class; NaN for one neither seen nor predicted."""
        hits = np.diag(self.matrix).astype(float)
        union = self.matrix.sum(0) + self.matrix.sum(1) - hits
        return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)

    def miou(self) -> float:
        """Return the mean over the classes that occur; NaN for an empty matrix."""
        iou = self.iou()
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float('nan')


def video_consistency(predicted: Sequence[Labels], truth: Sequence[Labels],
                      length: int) -> list[float]:
    """
    Return VC of every window of `length` frames of a clip (VSPW, as its code counts).

    Of the pixels whose truth stays the same all through the window, the share whose prediction
    stays the same too. Like there, the clip's last window is left out, and so is a window
    without such pixels.
    """
    values = []
    for start in range(len(truth) - length):
        window = slice(start, start + length)
        steady = _constant(truth[window]) & (truth[start] != UNLABELED)
        if steady.any():
            values.append(float(_constant(predicted[window])[steady].mean()))
    return values


def _constant(labels: Sequence[Labels]) -> NDArray[np.bool_]:
    same = np.ones(labels[0].shape, bool)
    for later in labels[1:]:
        same &= later == labels[0]
    return same


def warp_labels(labels: Labels, flow: NDArray[np.float32],
                keep_outside: bool = False) -> Labels:
    """
    Fetch each pixel's label from where the flow says it is, nearest.

    flow [H, W, 2] holds x and y in pixels, from the wanted frame to that of the labels. What
    comes from outside is UNLABELED, or, to keep it, the label at the image's edge.
    """
    height, width = labels.shape
    rows, columns = np.mgrid[:height, :width]
    x = np.rint(columns + flow[..., 0]).astype(int)
    y = np.rint(rows + flow[..., 1]).astype(int)
    if keep_outside:
        return labels[y.clip(0, height - 1), x.clip(0, width - 1)]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    warped = np.full(labels.shape, UNLABELED, np.uint8)
    warped[inside] = labels[y[inside], x[inside]]
    return warped


def warp_logits(logits: NDArray[np.float32],
                flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Fetch each pixel's scores [C, H, W] from where the flow says they are, bilinear.

    logits [C, h, w] of any size, corners on corners; flow as for warp_labels. What comes from
    outside has the scores at the image's edge.
    """
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    at = np.stack((columns + flow[..., 0], rows + flow[..., 1]), -1)
    grid = at * (2 / np.maximum(np.array([width, height], np.float32) - 1, 1)) - 1
    moved = F.grid_sample(torch.from_numpy(logits)[None], torch.from_numpy(grid)[None],
                          padding_mode='border', align_corners=True)
    return np.asarray(moved[0].numpy(), np.float32)


def flip_rate(outputs: Sequence[Labels]) -> float:
    """Return the mean share of pixels that change label from one output to the next."""
    return float(np.mean([np.mean(a != b) for a, b in pairwise(outputs)]))
