"""Which input size holds a latency budget."""
from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tdnet_ros.stream.adaptive import (
    MOST_PATIENCE,
    PATIENCE,
    WINDOW,
    Prepared,
    SizeControl,
    ladder,
)

PREPARED = [Prepared((360, 480), 80.0), Prepared((288, 384), 52.0), Prepared((232, 304), 34.0)]
OTHER_MS = 10.0


def drive(control: SizeControl, images: int, budget_ms: float,
          load: Callable[[int], float] = lambda number: 1.0) -> list[tuple[int, tuple[int, int]]]:
    """Feed images whose network takes `load` times what was prepared; list the changes."""
    changes = []
    cost = {item.size: item.network_ms for item in PREPARED}
    for number in range(images):
        if control.observe(load(number) * cost[control.size] + OTHER_MS, budget_ms):
            changes.append((number, control.size))
    return changes


def feed(control: SizeControl, latency_ms: float, images: int) -> None:
    """Images of one latency; the budget is 100 ms."""
    for _ in range(images):
        control.observe(latency_ms, 100)


def test_stays_where_the_budget_holds() -> None:
    control = SizeControl(PREPARED)
    assert drive(control, 500, budget_ms=100) == []
    assert control.size == (360, 480)


def test_falls_until_the_budget_holds_and_stays() -> None:
    control = SizeControl(PREPARED)
    assert drive(control, 500, budget_ms=50) == [
        (WINDOW - 1, (288, 384)), (2 * WINDOW - 1, (232, 304))]


def test_the_smallest_is_the_end() -> None:
    control = SizeControl(PREPARED)
    drive(control, 500, budget_ms=1)
    assert control.size == (232, 304)


def test_comes_back_when_the_load_is_gone_but_not_at_once() -> None:
    control = SizeControl(PREPARED)
    changes = drive(control, 300, budget_ms=110, load=lambda number: 3 if number < 50 else 1)
    assert [size for _, size in changes] == [
        (288, 384), (232, 304), (288, 384), (360, 480)]
    assert changes[2][0] >= 50 + PATIENCE - 1


def test_one_late_image_changes_nothing() -> None:
    control = SizeControl(PREPARED)
    assert drive(control, 300, 100, load=lambda number: 5 if number % WINDOW == 0 else 1) == []


@pytest.mark.parametrize(('late', 'falls'), [(4, False), (5, True)])
def test_half_of_the_images_late_are_too_many(late: int, falls: bool) -> None:
    control = SizeControl(PREPARED)
    feed(control, 200, late)
    feed(control, 10, WINDOW - late)
    assert (control.size != (360, 480)) == falls


@pytest.mark.parametrize(('expected_ms', 'climbs'), [(84, True), (86, False)])
def test_a_larger_size_needs_room(expected_ms: float, climbs: bool) -> None:
    control = SizeControl(PREPARED)
    feed(control, 200, WINDOW)
    feed(control, expected_ms - (80 - 52), PATIENCE)
    assert (control.size == (360, 480)) == climbs


def test_a_climb_that_held_costs_no_patience() -> None:
    """One that was followed by lateness at once does."""
    for held, waits in ((PATIENCE, PATIENCE), (0, 2 * PATIENCE)):
        control = SizeControl(PREPARED)
        feed(control, 200, WINDOW)
        feed(control, 10, PATIENCE)
        assert control.size == (360, 480)
        feed(control, 10, held)
        while control.size == (360, 480):
            feed(control, 200, 1)
        feed(control, 10, waits - 1)
        assert control.size == (288, 384)
        feed(control, 10, 1)
        assert control.size == (360, 480)


def test_does_not_swing_at_the_edge() -> None:
    """Where a size is expected to fit but does not, tries become rare."""
    prepared = [Prepared((360, 480), 60.0), Prepared((288, 384), 52.0)]  # measured when idle
    control = SizeControl(prepared)
    falls = []
    for number in range(4 * MOST_PATIENCE):
        latency = 120.0 if control.size == (360, 480) else 60.0
        why = control.observe(latency, 100)
        if why and 'smaller' in why:
            falls.append(number)
    gaps = [later - sooner for sooner, later in pairwise(falls)]
    assert 3 <= len(gaps) <= 8
    assert all(later >= sooner for sooner, later in pairwise(gaps))
    assert gaps[-1] >= MOST_PATIENCE


def test_says_what_and_why() -> None:
    control = SizeControl(PREPARED)
    words = [control.observe(200, 100) for _ in range(WINDOW)]
    assert words[:-1] == [None] * (WINDOW - 1)
    assert words[-1] == (
        f'network input 288 x 384, smaller: {WINDOW} of {WINDOW} images were later than 100 ms')


@pytest.mark.parametrize(('size', 'expected'), [
    ((360, 480), [(360, 480), (288, 384), (232, 304), (176, 240)]),
    ((769, 1537), [(769, 1537), (609, 1217), (481, 993), (385, 769)]),
    ((97, 129), [(97, 129), (65, 97)]),
    ((64, 64), [(64, 64)])])
def test_ladder(size: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert ladder(size) == expected
