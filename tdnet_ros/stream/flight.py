"""Frames on their way through the device: launched first, landed later."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from tdnet_ros.nets.pyramid import upsample
from tdnet_ros.stream.batch import stacked, unstacked
from tdnet_ros.stream.classify import classify, with_confidence
from tdnet_ros.stream.engines.allocator import is_out_of_memory
from tdnet_ros.stream.engines.engine import Engine
from tdnet_ros.stream.frame import Frame, Segmentation
from tdnet_ros.stream.memory import FrameMemory
from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Download, Stopwatch

FAILED = 'the frame before failed'


class ImageSizeError(RuntimeError):
    """What has the size of a camera's image does not fit, whatever the network's input is."""


class Turn(NamedTuple):
    """A frame whose memory is ready for it."""

    frame: Frame
    memory: FrameMemory
    reset_reason: str | None
    path: int
    fill: int


@dataclass(frozen=True)
class Flight:
    """Frames that run together. On CUDA they are under way, on the CPU they are done."""

    turns: Sequence[Turn]
    logits: Tensor
    labels: Download
    scores: Download
    watch: Stopwatch

    def land(self, logits_size: tuple[int, int] | None = None) -> list[Segmentation]:
        """Wait for the labels of each frame.

        logits_size: (height, width) that logits are upsampled to and returned at, if given.
        """
        labels = self.labels.wait()
        scores = self.scores.wait()
        stage_ms = {'upload': self.watch.ms('start', 'uploaded'),
                    'network': self.watch.ms('begun', 'computed'),
                    'download': self.watch.ms('computed', 'downloaded')}
        logits = [None if logits_size is None else upsample(one, logits_size)[0].cpu().numpy()
                  for one in self.logits.split(1)]
        return [Segmentation(
            labels=labels[index], confidence=scores[index] if scores else None, path=turn.path,
            memory_fill=turn.fill if turn.fill == turn.memory.paths - 1 else 0,
            reset_reason=turn.reset_reason, stage_ms=stage_ms, batch=len(labels),
            logits=logits[index]) for index, turn in enumerate(self.turns)]

    def outcomes(self) -> list[Segmentation | Exception]:
        """Wait for the frames; if they fail on the way their memories are reset."""
        try:
            return list(self.land())
        except Exception as error:
            for turn in self.turns:
                turn.memory.reset(FAILED)
            return [error] * len(self.turns)


class Failure(NamedTuple):
    """In the place of a flight: why a frame was not launched."""

    error: Exception

    def outcomes(self) -> list[Segmentation | Exception]:
        """The error, as what became of the frame."""
        return [self.error]


def check(frame: Frame, memory: FrameMemory, engine: Engine) -> None:
    """Raise ValueError unless these are a frame and a memory for what the engine returns."""
    for what, given, kind in ('frame', frame, Frame), ('memory', memory, FrameMemory):
        if not isinstance(given, kind):
            raise ValueError(f'{what} is of type {type(given).__name__}, '
                             f'expected {kind.__name__}')
    if memory.owner is not engine:
        raise ValueError('this memory was made by another segmenter: take one of new_memory()')


@torch.inference_mode()
def launch(engine: Engine, preprocessor: Preprocessor, turns: Sequence[Turn],
           confidence: bool) -> Flight:
    """Run frames of the same path with equally full memories; put their features there."""
    for turn in turns:
        turn.memory.fit(preprocessor.input_size, engine.resample)
    lanes = preprocessor.lanes
    watch = Stopwatch(lanes.device)
    watch.mark('start', lanes.up)
    pixels = [lanes.upload(turn.frame.rgb) for turn in turns]
    watch.mark('uploaded', lanes.up)
    watch.mark('begun')
    images = [preprocessor.normalise(frame) for frame in pixels]
    memory = (turns[0].memory.entries if len(turns) == 1 else
              [stacked(entries) for entries in zip(*(turn.memory.entries for turn in turns),
                                                   strict=True)])
    image = images[0] if len(turns) == 1 else torch.cat(images)
    with torch.autocast(lanes.device.type, enabled=False):  # which is for the caller's networks
        logits, features = engine.run(image, turns[0].path, memory)
    each = [(one, turn.frame.size) for one, turn in zip(logits.split(1), turns, strict=True)]
    labels, scores = _labelled(each, confidence)
    watch.mark('computed')
    downloads = lanes.download(labels), lanes.download(scores)
    watch.mark('downloaded', lanes.down)
    for turn, entry in zip(turns, unstacked(features, len(turns)), strict=True):
        turn.memory.push(entry)
    return Flight(turns, logits, *downloads, watch)


def _labelled(each: Sequence[tuple[Tensor, tuple[int, int]]],
              confidence: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Labels at the cameras' sizes from logits, and their confidence if it is wanted."""
    try:
        if not confidence:
            return [classify(logits, size) for logits, size in each], []
        both = [with_confidence(logits, size) for logits, size in each]
        return [labels for labels, _ in both], [scores for _, scores in both]
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        height, width = max(size for _, size in each)
        raise ImageSizeError(
            f'out of memory for the labels of an image of {width} x {height}') from error
