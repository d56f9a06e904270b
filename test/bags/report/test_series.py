"""Quantities over time in a bounded number of slices."""
import numpy as np
import pytest

from tdnet_ros.bags.report.series import SLICES, Series, pick


def test_slices_hold_mean_least_and_largest() -> None:
    series = Series(duration_s=float(SLICES), quantities=2)
    for time_s, values in ((0.25, (1, 10)), (0.75, (3, 20)), (100.5, (5, 30))):
        series.add(time_s, np.array(values, float))
    assert series.time_s.tolist() == [0.5, 100.5]
    assert series.mean.tolist() == [[2, 15], [5, 30]]
    assert series.least.tolist() == [[1, 10], [5, 30]]
    assert series.largest.tolist() == [[3, 20], [5, 30]]
    assert series.overall().tolist() == [3, 20]


def test_an_hour_takes_no_more_room_than_a_second() -> None:
    series = Series(duration_s=3600.0)
    for frame in range(36_000):
        series.add(frame / 10, float(frame))
    assert len(series.time_s) == len(series.mean) == SLICES
    assert series.overall()[0] == pytest.approx(35_999 / 2)


@pytest.mark.parametrize('duration_s', [0.0, 1.0])
def test_times_at_and_beyond_the_ends_count(duration_s: float) -> None:
    series = Series(duration_s)
    for time_s in (-0.1, 0.0, 1.0, 1.1):
        series.add(time_s, 1.0)
    assert series.overall().tolist() == [1]
    assert series.mean.tolist() == [[1]] * len(series.time_s)


def test_nothing_is_nothing() -> None:
    assert Series(1.0).overall() is None
    assert len(Series(1.0).time_s) == 0


@pytest.mark.parametrize(('count', 'expected'), [
    (0, []), (3, [0, 1, 2]), (8, list(range(8))), (80, [5, 15, 25, 35, 45, 55, 65, 75])])
def test_pictures_are_spread_over_the_clip(count: int, expected: list[int]) -> None:
    assert pick(count, 8) == expected
