"""Accuracy and steadiness of label images, from NumPy arrays."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch
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
            raise ValueError(f'prediction {predicted.shape} and truth {truth.shape} differ in size')
        self.matrix += multiclass_confusion_matrix(
            torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)),
            len(self.matrix), ignore_index=UNLABELED, validate_args=False).numpy()

    def iou(self) -> NDArray[np.float64]:
        """Return intersection over union per class; NaN for one neither seen nor predicted."""
        hits = np.diag(self.matrix).astype(float)
        union = self.matrix.sum(0) + self.matrix.sum(1) - hits
        return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)

    def miou(self) -> float:
        """Return the mean over the classes that occur."""
        return float(np.nanmean(self.iou()))
