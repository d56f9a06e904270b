"""Counts, rates and spreads of a camera's stream."""
from __future__ import annotations

from array import array

import pytest

from tdnet_ros.ros import meter
from tdnet_ros.ros.meter import Spread, StreamMeter


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(meter, 'time', clock)
    return clock


def test_a_spread_is_in_percentiles() -> None:
    assert Spread.of(array('d', range(101))) == (50, 95, 99, 100)


def test_every_image_received_is_accounted_for(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    for index in range(6):
        stream.received(0.01)
        if index in (2, 3):
            stream.overwritten()
    stream.processed({'network': 5.0}, path=0, memory_fill=0, reset_reason=None)
    stream.failed('short buffer')
    stream.skipped('same stamp')
    stream.throttled()
    snapshot = stream.snapshot()
    assert (snapshot.received, snapshot.processed, snapshot.failed, snapshot.overwritten) == (
        6, 1, 1, 2)
    assert (snapshot.skipped, snapshot.throttled) == (1, 1)
    assert (snapshot.last_failure, snapshot.last_skip) == ('short buffer', 'same stamp')


def test_rates_and_failures_are_those_of_the_window(clock: Clock) -> None:
    stream = StreamMeter(window_s=2.0, memory_size=3)
    stream.failed('old')
    for _ in range(40):
        clock.now += 0.1
        stream.received(0.0)
    snapshot = stream.snapshot()
    assert snapshot.input_hz == pytest.approx(10.0)
    assert (snapshot.output_hz, snapshot.recent_failures, snapshot.failed) == (0.0, 0, 1)


def test_the_age_of_an_image_is_told_while_images_come(clock: Clock) -> None:
    """A bag that was played, or a driver whose clock was not set yet, is no finding for ever."""
    stream = StreamMeter(window_s=2.0, memory_size=3)
    stream.received(1e9)
    assert stream.snapshot().image_age_s == 1e9
    clock.now += 3
    assert stream.snapshot().image_age_s is None


def test_a_rate_starts_with_the_first_image_and_sinks_after_the_last(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    clock.now += 8
    for _ in range(11):
        stream.received(0.0)
        clock.now += 0.1
    assert stream.snapshot().input_hz == pytest.approx(10.0, rel=0.1)
    clock.now += 5
    assert stream.snapshot().input_hz < 2


def test_spreads(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    for value in range(1, 101):
        stream.processed({'latency': float(value)}, 0, 0, None)
    spread = stream.snapshot().spreads['latency']
    assert (spread.p50, spread.max) == (50.5, 100.0)
    assert 95 <= spread.p95 <= 96
    assert 99 <= spread.p99 <= 100
    clock.now += 11
    stream.processed({'latency': 7.0}, 0, 0, None)
    assert stream.snapshot().latencies_ms == [97, 98, 99, 100, 7], 'never less than five'


def test_what_was_before_a_pause_is_not_judged(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    stream.processed({'latency': 1.0}, 0, 0, 'gap')
    stream.opened()
    snapshot = stream.snapshot()
    assert (snapshot.spreads, snapshot.labelled, snapshot.emptied) == ({}, 0, 0)


def test_what_became_of_images_is_told_of_the_window(clock: Clock) -> None:
    stream = StreamMeter(window_s=2.0, memory_size=3)
    stream.processed({}, 0, 0, None)
    stream.skipped('same stamp')
    clock.now += 3
    stream.processed({}, 0, 0, None)
    stream.skipped('older')
    snapshot = stream.snapshot()
    assert (snapshot.recent_processed, snapshot.recent_skips) == (1, 1)
    assert (snapshot.processed, snapshot.skipped) == (2, 2)


def test_an_image_left_from_before_a_pause_waits_from_opening_on(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    stream.received(0.0)
    clock.now += 50
    stream.opened()
    clock.now += 2
    assert stream.snapshot().unanswered_s == 2


def test_silence_counts_from_opening(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    clock.now += 50
    stream.opened()
    clock.now += 3
    assert stream.snapshot().since_image_s == 3
    stream.received(0.5)
    clock.now += 1
    snapshot = stream.snapshot()
    assert (snapshot.since_image_s, snapshot.image_age_s) == (1, 0.5)


def test_images_that_nothing_becomes_of_are_timed(clock: Clock) -> None:
    """From the first of them on, or from the one before, however many newer ones come."""
    stream = StreamMeter(window_s=10.0, memory_size=3)
    clock.now += 5
    assert stream.snapshot().unanswered_s == 0
    for _ in range(3):
        stream.received(0.0)
        clock.now += 2
    stream.overwritten()
    assert stream.snapshot().unanswered_s == 6
    stream.processed({}, 0, 0, None)
    clock.now += 3
    assert stream.snapshot().unanswered_s == 3, 'one is left'
    stream.failed('short buffer')
    clock.now += 1
    assert stream.snapshot().unanswered_s == 0


def test_resets_are_counted_with_the_last_reason(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    for reason in ('scene cut', None, 'gap', None):
        stream.processed({}, path=1, memory_fill=3, reset_reason=reason)
    snapshot = stream.snapshot()
    assert (snapshot.resets, snapshot.last_reset, snapshot.path, snapshot.memory_fill) == (
        2, 'gap', 1, 3)
    assert (snapshot.labelled, snapshot.emptied, snapshot.memory_size) == (4, 2, 3)


def test_losses_are_counted_apart(clock: Clock) -> None:
    stream = StreamMeter(window_s=10.0, memory_size=3)
    stream.lost(3)
    stream.depth_lost(7)
    clock.now += 11
    stream.lost(2)
    stream.depth_lost(1)
    snapshot = stream.snapshot()
    assert (snapshot.lost, snapshot.recent_losses, snapshot.received) == (5, 2, 0)
    assert snapshot.recent_depth_losses == 1


def test_memory_is_bounded_at_any_rate(clock: Clock) -> None:
    stream = StreamMeter(window_s=600.0, memory_size=3)
    for _ in range(10_000):
        stream.processed({'latency': 1.0}, 0, 0, None)
    assert len(stream.snapshot().latencies_ms) == 4096
