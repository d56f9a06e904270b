"""One network, many cameras: a frame and a memory in, labels out."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
import os
from pathlib import Path
import time
from typing import Any
import warnings

import numpy as np
import torch

from tdnet_ros.nets.architecture import checked_pair, checked_size
from tdnet_ros.nets.card import ModelCard, find_model
from tdnet_ros.nets.engines import RESIZABLE
from tdnet_ros.stream.batch import largest_worthwhile, measured, runs
from tdnet_ros.stream.devices import find_device, has_bfloat16
from tdnet_ros.stream.engines import load_engine
from tdnet_ros.stream.engines.graphs import GraphEngine
from tdnet_ros.stream.flight import FAILED, Failure, Flight, Turn, check, launch
from tdnet_ros.stream.frame import Frame, Segmentation
from tdnet_ros.stream.memory import MAX_GAP_S, FrameMemory, checked_cut, checked_gap
from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Lanes

TRIES = 3


class VideoSegmenter:
    """Weights on a device. It keeps no frame: each camera has a memory, and maybe a thread."""

    def __init__(self, card: ModelCard, device: str | torch.device,
                 input_size: tuple[int, int] | None = None, max_gap_s: float = MAX_GAP_S,
                 scene_cut: bool = True, engine: str = 'torch',
                 precision: str = 'float32') -> None:
        if not isinstance(card, ModelCard):
            raise ValueError(f'card is of type {type(card).__name__}, expected ModelCard; '
                             'VideoSegmenter.load takes names and files')
        self.card = card
        self.device = device = find_device(device)
        self.input_size = checked_size(card.input_size if input_size is None else input_size)
        self.max_gap_s = checked_gap(max_gap_s)
        self.scene_cut = checked_cut(scene_cut)
        self.engine, self.precision = engine, precision
        self._engine = load_engine(engine, card, device, self.input_size, precision)
        if precision == 'bfloat16' and not has_bfloat16(device):
            here = 'CPU' if device.type == 'cpu' else 'GPU'
            warnings.warn(f'PyTorch finds no instructions for bfloat16 in this {here}: '
                          'float32 is likely faster', stacklevel=2)
        self._process = os.getpid()
        self._lanes = Lanes(device)
        self._preprocessor = self._new_preprocessor()
        self.batch_ms: dict[int, float] = {}
        '''Milliseconds of a frame in a batch of so many, as far as `measure_batches` went.'''

    @classmethod
    def load(cls, model: str | Path, device: str | torch.device = 'auto',
             input_size: tuple[int, int] | None = None, weights: str | Path | None = None,
             max_gap_s: float = MAX_GAP_S, scene_cut: bool = True, engine: str = 'torch',
             precision: str = 'float32') -> VideoSegmenter:
        """Load a model card, a safetensors file, a shipped model or a row of the table.

        device: 'cpu', 'cuda', 'cuda:1' or 'auto' (CUDA if there is one). input_size: (height,
        width) of the network's input, None for the card's. weights: a safetensors file for
        the model, in place of its own. max_gap_s and scene_cut: see FrameMemory. engine and
        precision: see nets/engines.py. Raises FileNotFoundError or ValueError with one line
        that says what is wrong.
        """
        return cls(find_model(model, weights), device, input_size, max_gap_s, scene_cut, engine,
                   precision)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process, or a copy, load the same."""
        return type(self), (self.card, self.device, self.input_size, self.max_gap_s,
                            self.scene_cut, self.engine, self.precision)

    @property
    def paths(self) -> int:
        """Number of sub-networks, N."""
        return self.card.architecture.paths

    @property
    def trained(self) -> bool:
        """Whether the network has weights; without, the labels are noise."""
        return self.card.trained

    @property
    def is_resizable(self) -> bool:
        """Whether the engine takes another input size."""
        return self.engine in RESIZABLE

    def new_memory(self) -> FrameMemory:
        """Make the memory of one camera."""
        return FrameMemory(self.paths, self.max_gap_s, self.scene_cut, owner=self._engine)

    @property
    def batch(self) -> int:
        """Frames that `step_batch` runs together at most: 1 until batches proved faster."""
        return largest_worthwhile(self.batch_ms)

    @property
    def is_asynchronous(self) -> bool:
        """Whether `step_batch` returns before the work is done."""
        return self.device.type == 'cuda' and self._engine.launches

    def step(self, frame: Frame, memory: FrameMemory, keep_logits: bool = False,
             confidence: bool = False) -> Segmentation:
        """Label one frame with the next path and put its features into the memory.

        If anything fails the memory is reset, since its order of paths would be broken. The
        memory must be one of `new_memory`, else ValueError.
        """
        check(frame, memory, self._engine)
        turn = self._turn(frame, memory)
        try:
            return self._launch([turn], confidence).land(
                self.input_size if keep_logits else None)[0]
        except Exception:
            memory.reset(FAILED)
            raise

    def step_batch(self, frames: Sequence[Frame], memories: Sequence[FrameMemory],
                   confidence: bool = False) -> Iterator[tuple[int, Segmentation | Exception]]:
        """Label frames of as many cameras, each as `step` would, in as few runs as pay.

        Frames share a run if the same path is next in their memories and these are equally
        full. On CUDA the work is under way when this returns, else it begins, with the memories
        as they are then, when the first labels are taken. Yields the index of a frame and its
        labels as soon as its run is over. When a run fails its frames are tried one by one:
        one that fails yields what it raised, its memory is reset, and the others are not
        affected. Each memory may come once, else ValueError.
        """
        try:
            frames, memories = tuple(frames), tuple(memories)
        except TypeError:
            raise ValueError(f'frames of type {type(frames).__name__} came with memories of type '
                             f'{type(memories).__name__}, expected a list of each') from None
        if len(frames) != len(memories):
            raise ValueError(f'{len(frames)} frames came with {len(memories)} memories: '
                             'expected one of each camera')
        for frame, memory in zip(frames, memories, strict=True):
            check(frame, memory, self._engine)
        if len(set(memories)) < len(memories):
            raise ValueError('two frames came with the same memory: expected one of each camera')
        flights = self._flights(frames, memories, confidence)
        under_way = list(flights) if self.is_asynchronous else flights
        return (labelled for indices, parts in under_way for labelled in zip(
            indices, chain.from_iterable(part.outcomes() for part in parts), strict=True))

    def resize(self, input_size: tuple[int, int]) -> None:
        """Give the network another input size, (height, width), from the next frame on.

        Memories are carried over by resampling: right after a change labels are nearly those
        of a stream that always had the new size, unlike those with an empty memory. ValueError
        if the engine is bound to its size.
        """
        if not self.is_resizable:
            raise ValueError(f'engine {self.engine} is bound to the input size it was made for: '
                             f'expected one of {", ".join(RESIZABLE)}')
        self.input_size = checked_size(input_size)
        self._preprocessor = self._new_preprocessor()

    def forget(self) -> None:
        """Free what was prepared for the input sizes so far; it is made again when needed."""
        if isinstance(self._engine, GraphEngine):
            self._engine.forget()

    def warm_up(self, size: tuple[int, int]) -> float:
        """Run every path on a black frame of a camera's (height, width) with a full memory.

        On CUDA, where each is recorded, in the batches that pay, too. Returns ms of one frame.
        """
        alone_ms = self.frame_ms(size)
        if self.is_asynchronous:
            with suppress(RuntimeError):  # no room: frames then go one by one
                for count in range(2, self.batch + 1):
                    self.frame_ms(size, count)
        return alone_ms

    def frame_ms(self, size: tuple[int, int], count: int = 1) -> float:
        """Time a frame of (height, width) in a batch of `count`, in ms.

        Every path runs on black frames, first to fill the memory, then to be timed.
        """
        memories = [FrameMemory(self.paths, scene_cut=False, owner=self._engine)
                    for _ in range(count)]
        rgb = np.zeros((*checked_pair('image', size), 3), np.uint8)
        starts = []
        for number in range(2 * self.paths):
            starts.append(time.perf_counter())
            self._launch([self._turn(Frame(rgb, number), memory)
                          for memory in memories]).land()
        return (time.perf_counter() - starts[self.paths]) * 1e3 / (self.paths * count)

    def measure_batches(self, size: tuple[int, int], limit: int) -> None:
        """Find out up to how many frames, `limit` at most, are faster together than alone.

        size: (height, width) of the cameras' images. Fills `batch_ms`. Of a few tries the
        fastest counts: whatever else the machine did only makes the others slower.
        """
        def frame_ms(count: int) -> float:
            return min(self.frame_ms(size, count) for _ in range(TRIES))

        self.batch_ms = measured(frame_ms, limit)
        if self.is_asynchronous and limit > self.batch:  # free what was one too many
            self.forget()
            self.warm_up(size)

    def _turn(self, frame: Frame, memory: FrameMemory) -> Turn:
        if os.getpid() != self._process and torch.get_num_threads() > 1:
            raise RuntimeError('the threads that PyTorch computes with did not come along into '
                               'this process, which was forked: start processes with spawn, or '
                               'call torch.set_num_threads(1) in them')
        reason = memory.prepare(frame)
        return Turn(frame, memory, reason, *memory.turn)

    def _flights(self, frames: Sequence[Frame], memories: Sequence[FrameMemory],
                 confidence: bool) -> Iterator[tuple[list[int], list[Flight | Failure]]]:
        """Launch frames in as few runs as pay; yields the indices of each run and what it is."""
        turns = [self._turn(frame, memory)
                 for frame, memory in zip(frames, memories, strict=True)]
        for indices in runs([(turn.path, turn.fill) for turn in turns], self.batch):
            yield indices, self._attempt([turns[index] for index in indices], confidence)

    def _attempt(self, turns: list[Turn], confidence: bool) -> list[Flight | Failure]:
        """Launch frames together or, if that fails, one by one."""
        try:
            return [self._launch(turns, confidence)]
        except Exception as error:
            if len(turns) == 1:
                turns[0].memory.reset(FAILED)
                return [Failure(error)]
        parts = [part for turn in turns for part in self._attempt([turn], confidence)]
        if not any(isinstance(part, Failure) for part in parts):
            # No frame was to blame but their number: do not try so many again.
            self.batch_ms = {count: ms for count, ms in self.batch_ms.items()
                             if count != len(turns)}  # a new one: other threads may read the old
        return parts

    def _launch(self, turns: Sequence[Turn], confidence: bool = False) -> Flight:
        return launch(self._engine, self._preprocessor, turns, confidence)

    def _new_preprocessor(self) -> Preprocessor:
        return Preprocessor(self.input_size, self.card.mean, self.card.std, self._lanes)
