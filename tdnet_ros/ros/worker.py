"""The one thread that runs the network for all cameras."""
from __future__ import annotations

from collections.abc import Sequence
import threading

from tdnet_ros.ros.camera_stream import CameraStream


class Worker:
    """Labels the newest image of each camera in turn, so that no camera starves."""

    def __init__(self, streams: Sequence[CameraStream]) -> None:
        self._streams = streams
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name='tdnet_worker')
        self._thread.start()

    def wake(self) -> None:
        """Say that an image waits."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the image in work and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            self._wake.clear()
            for stream in self._streams:
                if self._stopping:
                    return
                stream.serve()
