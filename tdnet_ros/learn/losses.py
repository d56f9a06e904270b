"""Losses of the paper: hard-example cross-entropy, and agreement between the paths."""
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
import torch.nn.functional as F

from tdnet_ros.nets.classes import UNLABELED
from tdnet_ros.nets.pyramid import size_of, upsample


def ohem_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None,
                       threshold: float = 0.7, kept_share: float = 1 / 16) -> Tensor:
    """
    Return the mean cross-entropy of the hard pixels.

    Hard are those whose true class has a probability of at most the threshold (0: none); where
    fewer than kept_share of the labelled pixels are, that many with the largest loss. logits
    [B, C, h, w] are scaled up (bilinear, corners aligned) to labels [B, H, W], UNLABELED ignored.
    The weights [C] of the classes scale a pixel's loss after the choice.
    """
    logits = logits.float()  # gradients of many pixels add up, which bfloat16 is too coarse for
    logits = upsample(logits, size_of(labels))
    labels = labels.long()
    loss = F.cross_entropy(logits, labels, ignore_index=UNLABELED, reduction='none')
    known = labels != UNLABELED
    count = int(known.sum())
    if not count:
        return logits.sum() * 0
    hard = known & (loss.detach() >= (-math.log(threshold) if threshold else math.inf))
    fewest = math.ceil(kept_share * count)
    if int(hard.sum()) < fewest:
        ranked = loss.detach().masked_fill(~known, -1).flatten().topk(fewest).indices
        hard = torch.zeros_like(hard).flatten().index_fill_(0, ranked, True).view_as(hard)
    # Weighed, not picked out: gathering pixels takes several times as long.
    scale = hard.float()
    if weights is not None:
        scale = scale * F.pad(weights, (0, UNLABELED + 1 - len(weights)))[labels]
    return (loss * scale).sum() / scale.sum()


def disagreement(outputs: list[Tensor], counted: Tensor) -> Tensor:
    """
    Return the mean divergence of each path's logits [B, C, h, w] from their common mean.

    counted: bool [B], the clips that have a say; 0 where none has.
    """
    logs = [F.log_softmax(o.float(), 1) for o in outputs]
    mean = torch.stack(logs).logsumexp(0) - math.log(len(logs))
    terms = [F.kl_div(mean, log, log_target=True, reduction='none').sum(1) for log in logs]
    clips = torch.stack(terms).mean((0, 2, 3))
    return (clips * counted).sum() / counted.sum().clamp(min=1)


def balance_weights(pixels: NDArray[np.int64], power: float) -> Tensor | None:
    """
    Return weights [C] that lift rare classes, of mean 1; None where the power is 0.

    A class weighs (median share / its share of the pixels) to the power; an absent one 0.
    """
    if not power:
        return None
    present = pixels > 0
    shares = np.maximum(pixels, 1) / max(pixels.sum(), 1)
    weights = np.where(present, (np.median(shares[present]) / shares)**power, 0)
    return torch.tensor(weights / weights[present].mean(), dtype=torch.float32)
