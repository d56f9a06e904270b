"""Labels meet their depth, whichever comes first and whatever comes in between."""
from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from tdnet_ros.ros import points
from tdnet_ros.ros.cloud import Labelled
from tdnet_ros.ros.inputs import Input
from tdnet_ros.ros.points import DEPTH_QOS, IN_WORK, KEPT, Match, PointPainter

S = 10**9
START, PERIOD = S, 33_000_000
PIXELS = np.zeros((2, 2), np.uint8)


class Source:
    """Depth that is given by hand; its clouds are pairs of stamps."""

    send: Callable[[Any], None]
    size = 1

    def __init__(self) -> None:
        node: Any = self
        self.inputs = Input(node, 'depth image', 'depth', Image, DEPTH_QOS),

    def resolve_topic_name(self, name: str) -> str:
        return f'/{name}'

    def paint(self, msg: Any, seen: Labelled) -> Any:
        return nanoseconds(seen.header), nanoseconds(msg.header)

    def create_subscription(self, kind: Any, topic: str, callback: Any, **qos: Any) -> None:
        self.send = lambda stamp: callback(SimpleNamespace(
            header=header(stamp), data=bytes(self.size)))

    def destroy_subscription(self, subscription: None) -> None:
        pass


def header(stamp: int) -> Header:
    return Header(stamp=Time(nanoseconds=stamp).to_msg())


def nanoseconds(header: Header) -> int:
    return Time.from_msg(header.stamp).nanoseconds


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clouds() -> list[Any]:
    return []


@pytest.fixture
def painter(source: Source, clouds: list[Any]) -> PointPainter:
    publisher: Any = SimpleNamespace(publish=clouds.append, get_subscription_count=lambda: 1)
    node: Any = source
    painter = PointPainter(node, source, publisher)
    painter.open(lambda: None, lambda count: None)
    return painter


def label(painter: PointPainter, match: Match) -> None:
    painter.add(match, Labelled(header(match.stamp), PIXELS, PIXELS, PIXELS))
    painter.publish_due()


@pytest.mark.parametrize('lead', [0, 1], ids=['depth after the image', 'depth before the image'])
def test_any_number_may_come_while_an_image_is_labelled(
        painter: PointPainter, source: Source, clouds: list[Any], lead: int) -> None:
    for number in range(lead):
        source.send(START + number * PERIOD)
    match = painter.expect(header(START))
    for number in range(lead, 5 * KEPT):
        source.send(START + number * PERIOD)
    assert not clouds
    label(painter, match)
    assert clouds == [(START, START)]


def test_the_next_image_is_taken_up_before_one_is_labelled(
        painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    stamps = [START + number * 10 * KEPT * PERIOD for number in range(4)]
    matches = []
    for stamp in stamps:
        matches.append(painter.expect(header(stamp)))
        for number in range(5 * KEPT):
            source.send(stamp + number * PERIOD)
        if len(matches) == IN_WORK:
            label(painter, matches.pop(0))
    label(painter, *matches)
    assert clouds == [(stamp, stamp) for stamp in stamps]


def test_depth_may_come_after_the_labels(
        painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    source.send(START - PERIOD)
    label(painter, painter.expect(header(START)))
    assert not clouds
    source.send(START + 5_000_000)
    painter.publish_due()
    painter.publish_due()
    assert clouds == [(START, START + 5_000_000)]


def test_the_nearest_counts(painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    for offset in (-15, -4, 12):
        source.send(START + offset * 1_000_000)
    match = painter.expect(header(START))
    for offset in (3, 14):
        source.send(START + offset * 1_000_000)
    label(painter, match)
    assert clouds == [(START, START + 3_000_000)]


def test_fast_depth_is_not_that_of_the_image_before(
        painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    """At 60 Hz both are near enough."""
    stamps = [START + number * 16_700_000 for number in range(4)]
    for stamp in stamps:
        label(painter, painter.expect(header(stamp)))
        source.send(stamp)
        painter.publish_due()
    assert clouds == [(stamp, stamp) for stamp in stamps]


def test_nearest_depth_is_certain_once_a_newer_one_has_come(
        painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    source.send(START - 5_000_000)
    label(painter, painter.expect(header(START)))
    assert not clouds
    source.send(START - 5_000_000 + PERIOD)
    painter.publish_due()
    assert clouds == [(START, START - 5_000_000)]


def test_depth_a_little_earlier_is_certain_once_its_period_is_known(
        painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    for earlier in (PERIOD + 5_000_000, 5_000_000):
        source.send(START - earlier)
    label(painter, painter.expect(header(START)))
    assert clouds == [(START, START - 5_000_000)]


def test_large_clouds_are_kept_in_bounded_memory(
        painter: PointPainter, source: Source, clouds: list[Any],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, 'KEPT_BYTES', 1000)
    source.size = 300
    for number in range(6):
        source.send(START + number * PERIOD)
    for number in range(6):
        label(painter, painter.expect(header(START + number * PERIOD)))
    assert clouds == [(START + number * PERIOD,) * 2 for number in (3, 4, 5)]
    source.size = 3000
    source.send(2 * START)
    label(painter, painter.expect(header(2 * START)))
    assert clouds[-1] == (2 * START, 2 * START)


def test_large_images_that_wait_are_kept_in_bounded_memory(
        painter: PointPainter, source: Source, clouds: list[Any],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, 'KEPT_BYTES', 1000)
    pixels = np.zeros((10, 10), np.uint8)
    stamps = [START + number * PERIOD for number in range(4)]
    for stamp in stamps:
        seen = Labelled(header(stamp), np.zeros((10, 10, 3), np.uint8), pixels, pixels)
        painter.add(painter.expect(seen.header), seen)
    for stamp in stamps:
        source.send(stamp)
        painter.publish_due()
    assert clouds == [(stamp, stamp) for stamp in stamps[2:]]


def test_of_messages_without_a_stamp_the_newest_counts(
        painter: PointPainter, source: Source) -> None:
    for source.size in (1, 2, 3):
        source.send(0)
    assert len(painter.expect(header(0)).msg.data) == 3


def test_messages_before_the_one_that_belongs_to_an_image_are_let_go(
        painter: PointPainter, source: Source) -> None:
    for number in range(5):
        source.send(START + number * PERIOD)
    painter.expect(header(START + 3 * PERIOD))
    assert [nanoseconds(msg.header) for msg in painter._arrived] == [
        START + 3 * PERIOD, START + 4 * PERIOD]


def test_labels_whose_depth_was_left_out_are_forgotten(
        painter: PointPainter, source: Source, clouds: list[Any]) -> None:
    label(painter, painter.expect(header(START)))
    source.send(START + PERIOD)
    painter.publish_due()
    source.send(START)
    painter.publish_due()
    assert not clouds


@pytest.mark.parametrize('first', ['depth', 'labels', 'image'])
def test_nothing_outlasts_the_end_of_a_camera(
        painter: PointPainter, source: Source, clouds: list[Any], first: str) -> None:
    if first == 'depth':
        source.send(START)
    if first == 'labels':
        label(painter, painter.expect(header(START)))
    match = painter.expect(header(START)) if first == 'image' else None
    painter.close()
    painter.open(lambda: None, lambda count: None)
    if match:
        label(painter, match)
    if first != 'depth':
        source.send(START)
    if first != 'labels':
        label(painter, match or painter.expect(header(START)))
    painter.publish_due()
    assert not clouds


def test_images_that_fail_hold_few_messages(painter: PointPainter, source: Source) -> None:
    for number in range(100):
        source.send(START + number * PERIOD)
        painter.expect(header(START + number * PERIOD))
    assert len(painter._taken) == IN_WORK


@pytest.mark.parametrize(('offset_ms', 'words'), [
    (None, 'none came'), (-650, 'of the last 16 the nearest is 650 ms older'),
    (25, 'of the last 16 the nearest is 25 ms newer')])
def test_it_says_how_far_the_nearest_is(
        painter: PointPainter, source: Source, clouds: list[Any], monkeypatch: pytest.MonkeyPatch,
        offset_ms: int | None, words: str) -> None:
    """After three seconds, in which a slow camera may have sent few images."""
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(points, 'time', clock)
    for number in range(4):
        assert not painter.problem
        stamp = START + number * S
        if offset_ms is not None:
            source.send(stamp + offset_ms * 1_000_000)
        label(painter, painter.expect(header(stamp)))
        clock.now += 1.0
    assert painter.problem == f'no depth image on /depth within 20 ms of an image: {words}'
    assert not clouds
    painter.close()
    assert painter.problem == '', 'of a camera that is closed nothing is missing'


def test_depth_that_is_rarer_than_images_is_not_missing(
        painter: PointPainter, source: Source, clouds: list[Any],
        monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(points, 'time', clock)
    for number in range(200):
        stamp = START + number * PERIOD
        if number % 60 == 0:
            source.send(stamp)
        label(painter, painter.expect(header(stamp)))
        clock.now += PERIOD / S
        assert not painter.problem
    assert len(clouds) == 4


def test_for_who_comes_later_nothing_is_kept_and_nothing_is_missing_yet(
        painter: PointPainter, source: Source, clouds: list[Any],
        monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(points, 'time', clock)
    label(painter, painter.expect(header(START)))
    with monkeypatch.context() as nobody:
        nobody.setattr(PointPainter, 'wanted', False)
        painter.publish_due()
    clock.now += 60.0
    source.send(START)
    label(painter, painter.expect(header(START + S)))
    assert not clouds
    assert not painter.problem
