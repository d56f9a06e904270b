"""Ways to label a video: TDNet as it streams, and the families that its paper compares with."""
from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.learn.metrics import Labels, warp_labels, warp_logits
from tdnet_ros.stream.frame import Frame
from tdnet_ros.stream.segmenter import VideoSegmenter

Rgb = NDArray[np.uint8]
LEAST_SIDE = 16
"""Pixels of an image of which OpenCV finds the flow; with fewer rows it crashes, or raises."""


class Labeller(Protocol):
    """Labels the frames of a video one after the other."""

    def restart(self, turn: int = 0) -> None:
        """Forget the video so far; the next frame runs path `turn` mod N."""

    def label(self, frame: Frame) -> Labels:
        """Label the next frame; the time that this takes is the method's latency."""


class Streaming:
    """One sub-network a frame; the memory holds the frames before."""

    def __init__(self, segmenter: VideoSegmenter) -> None:
        self._segmenter = segmenter
        self._memory = segmenter.new_memory()

    def restart(self, turn: int = 0) -> None:
        self._memory = self._segmenter.new_memory()
        self._memory.next_path = turn % self._segmenter.paths

    def label(self, frame: Frame) -> Labels:
        return self._segmenter.step(frame, self._memory).labels


class PerFrame(Streaming):
    """One network, nothing remembered; of a TDNet, its first sub-network alone."""

    def label(self, frame: Frame) -> Labels:
        self.restart()
        return super().label(frame)


class TemporalContext(Streaming):
    """All N sub-networks on every frame, as networks that aggregate whole features do."""

    def label(self, frame: Frame) -> Labels:
        self.restart()
        outputs = [self._segmenter.step(frame, self._memory) for _ in range(self._segmenter.paths)]
        return outputs[-1].labels


class KeyFrame:
    """A per-frame network every k-th frame; between, what it made is carried on by optical flow.

    Carried are its labels, nearest, or the features that its classifier reads, bilinear. The
    classifier is a 1x1 convolution and the weights of an interpolation sum to one, so carrying
    its logits gives the same numbers with fewer channels.
    """

    def __init__(self, segmenter: VideoSegmenter, interval: int, carry: str = 'labels') -> None:
        if interval < 1:
            raise ValueError(f'key-frame interval {interval}, expected at least 1')
        self._segmenter = segmenter
        self._interval = interval
        self._features = carry == 'features'
        self._count = 0
        self._last: tuple[Rgb, NDArray[Any]] | None = None

    def restart(self, turn: int = 0) -> None:
        self._count = 0
        self._last = None

    def label(self, frame: Frame) -> Labels:
        number, self._count = self._count, self._count + 1
        if (number % self._interval == 0 or self._last is None
                or self._last[0].shape != frame.rgb.shape):
            made = self._segmenter.step(frame, self._segmenter.new_memory(), self._features)
            self._last = frame.rgb, made.labels if made.logits is None else made.logits
            return made.labels
        before, carried = self._last
        flow = optical_flow(frame.rgb, before)
        if not self._features:
            labels = warp_labels(carried, flow, keep_outside=True)
            self._last = frame.rgb, labels
            return labels
        self._last = frame.rgb, warp_logits(carried, flow)
        return np.asarray(self._last[1].argmax(0), np.uint8)


def optical_flow(start: Rgb, end: Rgb) -> NDArray[np.float32]:
    """Return where each pixel of start lies in end, as x and y offsets [H, W, 2] (DIS)."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = start.shape[:2]
    below, right = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)
    before, after = (
        cv2.copyMakeBorder(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 0, below, 0, right,
                           cv2.BORDER_REPLICATE) for image in (start, end))
    flow = np.zeros((*before.shape, 2), np.float32)
    return np.asarray(estimator.calc(before, after, flow)[:height, :width], np.float32)
