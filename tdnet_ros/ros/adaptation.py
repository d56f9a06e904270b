"""The parameter `adaptive`: run the network at the input size that holds the latency budget."""
from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

from tdnet_ros.stream import VideoSegmenter
from tdnet_ros.stream.adaptive import Prepared, SizeControl, ladder
from tdnet_ros.stream.engines.allocator import is_out_of_memory, shortage


class Adaptation:
    """Prepares one segmenter for several input sizes and switches between them."""

    def __init__(self, segmenter: VideoSegmenter, logger: RcutilsLogger) -> None:
        """Run the network at every size that there is room for; its engine takes any."""
        self._segmenter = segmenter
        self._logger = logger
        full = segmenter.input_size
        self._prepared: list[Prepared] = []
        for size in ladder(full):
            self._prepare(size)
        segmenter.resize(full)
        self._control = SizeControl(self._prepared)
        self.last_change = ''
        sizes = ', '.join(f'{height} x {width} ({ms:.0f} ms)'
                          for (height, width), ms in self._prepared)
        logger.info(f'adaptive: prepared {sizes}')

    def observe(self, latency_ms: float, budget_ms: float) -> None:
        """Take the latency of an image and change the size if that is due."""
        if self._segmenter.input_size != self._control.size:
            self._give_way()
        why = self._control.observe(latency_ms, budget_ms)
        if why is not None:
            self.last_change = why
            self._segmenter.resize(self._control.size)
            self._logger.info(f'adaptive: {why}')

    def _prepare(self, size: tuple[int, int]) -> None:
        """Run the network at a size; without room for that, other than the full one is let be."""
        self._segmenter.resize(size)
        try:
            self._prepared.append(Prepared(size, self._segmenter.warm_up(size)))
        except Exception as error:
            if not self._prepared or not is_out_of_memory(error):
                raise
            self._logger.warning(f'adaptive: {shortage(error)} for {size[0]} x {size[1]}')

    def _give_way(self) -> None:
        """Somebody else made the input smaller, for want of memory: no larger one from now on."""
        height, width = self._segmenter.input_size
        self._prepared = [item for item in self._prepared
                          if item.size[0] * item.size[1] < height * width]
        self._prepared.insert(0, Prepared((height, width), self._segmenter.frame_ms(
            (height, width))))
        self._control = SizeControl(self._prepared)
        self.last_change = f'network input {height} x {width}, smaller: for want of memory'
