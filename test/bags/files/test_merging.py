"""Messages of files or chunks that overlap in time, of which few are open at a time."""
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tdnet_ros.bags.files.merging import in_time


class Message(NamedTuple):
    logged_ns: int
    name: str


def test_overlapping_sources_are_in_order_and_opened_when_they_are_due() -> None:
    opened: list[str] = []

    def source(name: str, *times_ns: int) -> tuple[int, Callable[[], Iterator[Message]]]:
        def messages() -> Iterator[Message]:
            opened.append(name)
            yield from (Message(time_ns, name) for time_ns in times_ns)
        return times_ns[0], messages

    merged = in_time([source('late', 20, 21), source('long', 0, 5, 20), source('short', 5, 6)])
    found = [(*next(merged), len(opened)) for _ in range(4)]
    assert found == [(0, 'long', 1), (5, 'long', 2), (5, 'short', 2), (6, 'short', 2)]
    assert [(*message,) for message in merged] == [(20, 'late'), (20, 'long'), (21, 'late')]
    assert opened == ['long', 'short', 'late']


def test_a_source_may_have_less_than_it_promised() -> None:
    assert list(in_time([(0, lambda: iter(())), (3, lambda: iter([Message(3, 'a')]))])) == [
        (3, 'a')]
    assert list(in_time([])) == []
