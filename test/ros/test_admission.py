"""Which images are labelled at all."""
from __future__ import annotations

import numpy as np
import pytest

from tdnet_ros.ros.admission import RateLimit, stale_reason

S = 10**9


def admitted(camera_hz: float, max_hz: float, seconds: float = 20.0,
             jitter_s: float = 0.0) -> np.ndarray:
    """Times of the images that pass."""
    generator, limit = np.random.default_rng(0), RateLimit()
    times = np.arange(0, seconds, 1 / camera_hz) + 50.0
    times += generator.uniform(-jitter_s, jitter_s, len(times))
    return np.array([time for time in times if limit.admits(time, max_hz)])


@pytest.mark.parametrize(('camera_hz', 'max_hz'), [
    (30, 10), (30, 20), (60, 7), (15, 15), (10, 30)])
def test_the_rate_is_met(camera_hz: float, max_hz: float) -> None:
    count = len(admitted(camera_hz, max_hz))
    assert count == pytest.approx(20 * min(camera_hz, max_hz), abs=2)


def test_the_spacing_is_even_in_spite_of_jitter() -> None:
    gaps = np.diff(admitted(30, 10, jitter_s=0.005))
    assert gaps.min() > 0.08
    assert gaps.max() < 0.12


def test_zero_is_no_limit() -> None:
    assert len(admitted(1000, 0)) == 20_000


def test_after_a_pause_there_is_no_burst() -> None:
    limit = RateLimit()
    assert limit.admits(1.0, 10)
    assert [limit.admits(60 + 0.01 * index, 10) for index in range(10)].count(True) <= 2


def test_a_higher_limit_counts_at_once() -> None:
    limit = RateLimit()
    assert limit.admits(50.0, 0.1)
    assert not limit.admits(50.2, 0.1)
    assert limit.admits(50.2, 10)


@pytest.mark.parametrize(('stamp_ns', 'last_ns', 'words'), [
    (2 * S, S, None), (2 * S, 2 * S, 'same stamp'), (2 * S - 1, 2 * S, 'older'),
    (2 * S - S // 10, 2 * S, None), (S, 2 * S, None), (0, 0, None)],
    ids=['newer', 'twice', 'late', 'too old to be late', 'started over', 'without stamp'])
def test_copies_and_latecomers(stamp_ns: int, last_ns: int, words: str | None) -> None:
    reason = stale_reason(stamp_ns, last_ns)
    assert reason is None if words is None else words in reason
