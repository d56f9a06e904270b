"""Between host and device: streams of their own for what goes up and down, and times of stages.

On the CPU nothing is copied; what is said of streams and events holds for CUDA.
"""
from __future__ import annotations

from collections.abc import Sequence
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from tdnet_ros.stream.frame import Image


class Lanes:
    """Streams for uploads and downloads, so that they overlap the network; None on the CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        on_cuda = device.type == 'cuda'
        self.up: Any = torch.cuda.Stream(device) if on_cuda else None
        self.down: Any = torch.cuda.Stream(device) if on_cuda else None

    def upload(self, rgb: Image) -> Tensor:
        """Copy uint8 [H, W, 3] to the device as uint8 [1, 3, H, W] (channels last).

        On CUDA it returns at once: the copy goes through pinned memory, which PyTorch keeps for
        the next frame, and the current stream waits for it.
        """
        if not rgb.flags.writeable or min(rgb.strides) < 0:
            rgb = rgb.copy()
        pixels = torch.from_numpy(rgb)
        if self.up is not None:
            pinned = torch.empty(rgb.shape, dtype=torch.uint8, pin_memory=True).copy_(pixels)
            with torch.cuda.stream(self.up):
                pixels = pinned.to(self.device, non_blocking=True)
            current = torch.cuda.current_stream(self.device)
            current.wait_stream(self.up)
            pixels.record_stream(current)
        return pixels.unsqueeze(0).permute(0, 3, 1, 2)

    def download(self, tensors: Sequence[Tensor]) -> Download:
        """Start to copy tensors to the host, after what the current stream has to do."""
        if self.down is None:
            return Download([tensor.cpu() for tensor in tensors], None)
        self.down.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.down):
            pinned = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(
                tensor, non_blocking=True) for tensor in tensors]
            for tensor in tensors:
                tensor.record_stream(self.down)
            # A thread that waits for it sleeps, where by default it would keep a core busy.
            return Download(pinned, self.down.record_event(torch.cuda.Event(blocking=True)))


class Download:
    """Tensors on their way to the host."""

    def __init__(self, tensors: Sequence[Tensor], arrived: Any) -> None:
        self._tensors = tensors
        self._arrived = arrived

    def wait(self) -> list[NDArray[np.uint8]]:
        """Return the arrays when they are there; other threads run meanwhile."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return [tensor.numpy() for tensor in self._tensors]


class Stopwatch:
    """Marks moments of a frame; on CUDA those at which a stream gets there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: dict[str, Any] = {}

    def mark(self, name: str, stream: Any = None) -> None:
        """Mark a moment, on CUDA in a stream: by default the current one."""
        if self._device.type != 'cuda':
            self._marks[name] = time.perf_counter()
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record(stream or torch.cuda.current_stream(self._device))
        self._marks[name] = event

    def ms(self, first: str, last: str) -> float:
        """Milliseconds between two marks; waits until both have been passed."""
        start, end = self._marks[first], self._marks[last]
        if self._device.type != 'cuda':
            return float(end - start) * 1e3
        start.synchronize()
        end.synchronize()
        return float(start.elapsed_time(end))
