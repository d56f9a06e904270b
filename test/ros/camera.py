"""A camera that sends images to the node."""
from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from ros.harness import Peer, image_message, latest_status, moving_square, stamp_of, wait_for


class Camera:
    """Sends images to a node, and knows which came back labelled and what diagnostics say."""

    def __init__(self, peer: Peer, node: str = '/tdnet', camera: str = '') -> None:
        self.peer = peer
        base = f'{camera}/' if camera else ''
        self._topic = f'{node.rpartition("/")[0]}/{base}image'
        self._name = f'{node.lstrip("/")}: {camera or "image"}'
        self.labels = peer.collect(Image, f'{node}/{base}labels')
        self.diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
        self.sender = peer.sender(topic=self._topic)
        self.stamp_ns = 0
        self._say_hello()
        peer.call(Trigger, f'{node}/reset')

    def send(self, rgb: np.ndarray, stamp_ns: int = 0, **fields: str) -> Image:
        """Send an image, stamped now unless told otherwise; fields: frame_id and encoding."""
        self.stamp_ns = stamp_ns or self.peer.now_ns()
        msg = image_message(rgb, self.stamp_ns, **fields)
        self.sender.publish(msg)
        return msg

    def step(self, rgb: np.ndarray, stamp_ns: int = 0, **fields: str) -> Image:
        """Send an image and wait for its labels, whatever else still waits."""
        count = len(self.labels)
        stamp_ns = stamp_of(self.send(rgb, stamp_ns, **fields))
        return wait_for(lambda: next((msg for msg in self.labels[count:]
                                      if stamp_of(msg) == stamp_ns), None), 'label image')

    @property
    def is_answered(self) -> bool:
        """Whether the labels of the last image have come."""
        return bool(self.labels) and stamp_of(self.labels[-1]) == self.stamp_ns

    def vanish_and_return(self) -> None:
        """Take the topic off the graph for a while."""
        self.peer.destroy(self.sender)
        wait_for(lambda: not self.peer.node.count_publishers(self._topic), 'end of the topic')
        self.sender = self.peer.sender(topic=self._topic)
        self._say_hello()

    def first_heard(self, rgb: np.ndarray) -> Image:
        """Send an image until its labels come: both sides have to discover both topics first."""
        before = len(self.labels)

        def heard() -> bool:
            time.sleep(0.1)
            return len(self.labels) > before or not self.send(rgb)

        wait_for(heard, 'labels of any image')
        wait_for(lambda: self.is_answered, 'labels of the last image')
        return self.labels[before]

    def _say_hello(self) -> None:
        before = len(self.labels)
        self.first_heard(moving_square(1)[0])
        del self.labels[before:]

    def status(self) -> dict[str, str]:
        """What diagnostics said last of this camera."""
        return latest_status(self.diagnostics, self._name)

    @property
    def dealt_with(self) -> int:
        """How many images the node has labelled, refused or skipped, as diagnostics have it."""
        return sum(map(self.count, ('processed', 'failed', 'skipped')))

    def count(self, what: str) -> int:
        """How many frames were processed, failed, ... as far as diagnostics have told."""
        return int(self.status().get(f'frames {what}', 0))

    def wait_for_value(self, key: str, words: str) -> dict[str, str]:
        """Wait until diagnostics have such words under a key (or in the message)."""
        return wait_for(lambda: (status := self.status()) and words in status[key] and status,
                        f"'{words}' under {key}")
