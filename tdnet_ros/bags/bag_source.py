"""The camera images of a rosbag, to be played."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
import weakref

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.message import CAMERA_INFO, has_header, header_stamp_ns
from tdnet_ros.bags.sources import DEFAULT_RATE_HZ, Sample, info_topic
from tdnet_ros.ros.names import made_by_node

NEAR_NS = 10**9
'''So close to the last message of a topic all of its messages are read.'''


class BagSource:
    """Image messages of a bag and the cameras' calibration, spaced in time as recorded.

    A given rate speeds the whole bag up or slows it down until its busiest image topic averages
    that rate, so that several cameras keep their order and their offsets.
    """

    def __init__(self, path: Path, rate_hz: float | None = None,
                 topics: tuple[str, ...] = ()) -> None:
        self._bag = bag = Bag(path)
        weakref.finalize(self, bag.close)
        self.problems, self.unread = bag.problems, bag.unread
        try:
            self.topics: Mapping[str, str] = _image_topics(bag, topics)
            self.count: int | None = sum(bag.topics[name].count for name in self.topics)
            if not self.count:
                raise BagError(f'{path} holds no message on {", ".join(self.topics)}')
        except BagError as error:
            raise BagError('\n'.join([str(error), *bag.problems])) from error
        self.left_out = () if topics else tuple(sorted({*bag.image_topics()} - {*self.topics}))
        self.infos: Mapping[str, str] = {
            image: info_topic(image) for image in self.topics
            if (info := bag.topics.get(info_topic(image))) and info.msgtype == CAMERA_INFO}
        self._rate_hz = rate_hz

    @property
    def period_s(self) -> float:
        """See Source."""
        return 1.0 / self._rate_hz if self._rate_hz else self._recorded_s

    @cached_property
    def _recorded_s(self) -> float:
        """Time from one image of the busiest topic to the next, as recorded."""
        topic = max(self.topics, key=lambda name: self._bag.topics[name].count)
        seconds = _span_ns(self._bag, topic) * 1e-9
        return (seconds / max(self._bag.topics[topic].count - 1, 1)
                or 1.0 / DEFAULT_RATE_HZ)

    def __iter__(self) -> Iterator[Sample]:
        start_ns = None
        stretch = self.period_s / self._recorded_s if self._rate_hz else 1.0
        for message in self._bag.messages({*self.topics, *self.infos.values()}):
            if not has_header(message, self.unread):
                continue
            topic, logged_ns, cdr = message
            start_ns = logged_ns if start_ns is None else start_ns
            yield Sample(due_s=(logged_ns - start_ns) * 1e-9 * stretch, topic=topic,
                         stamp_ns=header_stamp_ns(cdr), payload=cdr, logged_ns=logged_ns)


def _span_ns(bag: Bag, topic: str) -> int:
    """From the first to the last message of a topic, of which only a few others are read."""
    if not all(file.searchable for file in bag.files if file.end_ns):
        return bag.end_ns - 1 - bag.start_ns
    first = next(bag.messages({topic}), None)
    if first is None:
        return 0
    last_ns, end_ns = first.logged_ns, bag.end_ns
    while end_ns - last_ns > NEAR_NS:
        middle_ns = (last_ns + end_ns) // 2
        later = next(bag.messages({topic}, middle_ns, end_ns), None)
        last_ns, end_ns = (later.logged_ns, end_ns) if later else (last_ns, middle_ns)
    times_ns = (message.logged_ns for message in bag.messages({topic}, last_ns, end_ns))
    return max(times_ns, default=last_ns) - first.logged_ns


def _image_topics(bag: Bag, wanted: tuple[str, ...]) -> dict[str, str]:
    found = bag.image_topics(wanted)
    chosen = {topic: kind for topic, kind in found.items() if wanted or not made_by_node(topic)}
    if not chosen:
        raise BagError(f'{bag.path} holds no camera images, only what a node made of them: '
                       f'{", ".join(found)}; `tdnet_bag play --from` plays one')
    return chosen
