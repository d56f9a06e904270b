"""What to do when the device has no room: free what can be, then take a smaller input."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
import math
import time

from rclpy.impl.rcutils_logger import RcutilsLogger

from tdnet_ros.ros.device import hardware_name, release_memory
from tdnet_ros.stream import VideoSegmenter
from tdnet_ros.stream.adaptive import SMALLEST_PX
from tdnet_ros.stream.engines.allocator import causes, is_out_of_memory, shortage
from tdnet_ros.stream.flight import ImageSizeError

SHRINK = 0.75
'''Factor on height and width: the smaller input takes about half the memory.'''
AGAIN_S = 10.0
'''Running out twice within so much time is no accident of another program.'''


class MemoryGuard:
    """Watches one segmenter; `finding` is what an operator should know, or empty.

    The full size comes back with the next configure, which makes another segmenter.
    """

    def __init__(self, segmenter: VideoSegmenter, logger: RcutilsLogger) -> None:
        self._segmenter = segmenter
        self._logger = logger
        self._full_size = segmenter.input_size
        self._last_s = self._freed_s = -math.inf
        self.finding = ''

    def warm_up(self, cameras: int) -> None:
        """Run the network on every path, and batches if there are several cameras.

        An input that does not fit is made smaller until it does; raises if none does.
        """
        segmenter = self._segmenter
        while True:
            try:
                segmenter.warm_up(segmenter.input_size)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                why = shortage(error)
                if not self._can_shrink():
                    raise RuntimeError(f'{why}: {error}') from error
            self._shrink(why)
        if cameras > 1:
            segmenter.measure_batches(segmenter.input_size, cameras)

    def failed(self, errors: Sequence[Exception], launched_s: float) -> None:
        """Images that ran together failed: free memory if that was why; the second time shrink.

        They count once, and not at all if they were launched before memory was freed for others.
        """
        short = [error for error in errors if is_out_of_memory(error)]
        if not short:
            return
        for cause in chain.from_iterable(map(causes, short)):
            cause.__traceback__ = None  # it holds the tensors of the image
        if launched_s < self._freed_s:
            release_memory()
            return
        # A smaller input leaves little more room for labels of the camera's size: try it once.
        in_vain = bool(self.finding) and isinstance(short[0], ImageSizeError)
        now_s = time.monotonic()
        if now_s - self._last_s <= AGAIN_S and not in_vain and self._can_shrink():
            self._last_s = -math.inf
            self._shrink(shortage(short[0]))
        else:
            self._last_s = now_s
            release_memory()
        self._freed_s = time.monotonic()

    def _can_shrink(self) -> bool:
        return self._segmenter.is_resizable and min(self._smaller()) >= SMALLEST_PX

    def _smaller(self) -> tuple[int, int]:
        height, width = self._segmenter.input_size
        return round(height * SHRINK), round(width * SHRINK)

    def _shrink(self, why: str) -> None:
        self._segmenter.resize(self._smaller())
        self._segmenter.forget()
        release_memory()
        sizes = [f'{height} x {width}' for height, width in
                 (self._full_size, self._segmenter.input_size)]
        self.finding = (f'{why} on {hardware_name(self._segmenter.device)}: the '
                        f"network's input is {sizes[1]} instead of {sizes[0]}, so labels are "
                        'coarser; free memory and configure the node again')
        self._logger.warning(self.finding)
