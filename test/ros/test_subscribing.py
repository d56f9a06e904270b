"""What is counted as lost on the way."""
from types import SimpleNamespace

import pytest

from tdnet_ros.ros.subscribing import lost_count

OVERFLOW = 2**31 - 1


@pytest.mark.parametrize(('change', 'lost'), [
    (1, 1), (7, 7), (OVERFLOW, 0), (OVERFLOW + 3, 3), (-2**31, 1),
    (-2, 0), (-1, 1), (2**64 - 1, 1)])  # twice the overflow, in counters that wrap
def test_an_overflow_of_the_middlewares_counter_is_no_loss(change: int, lost: int) -> None:
    assert lost_count(SimpleNamespace(total_count_change=change)) == lost
