"""Findings and statuses: levels are bytes, the worst counts, every finding is in words."""
from __future__ import annotations

import math

import pytest

from tdnet_ros.ros import cyclonedds
from tdnet_ros.ros.diagnostics import (
    ERROR,
    OK,
    WARN,
    Finding,
    camera_values,
    losses,
    status,
    stream_findings,
    unlabelled_findings,
)
from tdnet_ros.ros.meter import Snapshot, Spread
from tdnet_ros.ros.parameters import NodeParameters

PARAMETERS = NodeParameters(latency_budget_ms=100.0)


@pytest.fixture(autouse=True)
def on_fast_dds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tests run on; for Cyclone DDS see test_cyclonedds.py."""
    monkeypatch.setattr(cyclonedds, 'is_used', lambda: False)


def late(*latencies_ms: float) -> Snapshot:
    values = list(latencies_ms)
    return Snapshot(latencies_ms=values, spreads={'latency': Spread.of(values)})


def levels(snapshot: Snapshot) -> list[bytes]:
    return [finding.level for finding in stream_findings(snapshot, PARAMETERS)]


def test_the_worst_level_counts_and_all_is_said() -> None:
    findings = [Finding(WARN, 'late'), Finding(ERROR, 'no image')]
    msg = status('tdnet: image', 'GPU', findings, 'active', {'rate': 1.23456, 'path': 3})
    assert (msg.level, msg.message, msg.hardware_id) == (ERROR, 'no image; late', 'GPU')
    assert [(item.key, item.value) for item in msg.values] == [('rate', '1.235'), ('path', '3')]


def test_nothing_wrong_is_ok_with_the_state() -> None:
    msg = status('tdnet: image', 'GPU', [], 'active', {})
    assert (msg.level, msg.message) == (OK, 'active')
    assert isinstance(msg.level, bytes)


@pytest.mark.parametrize(('latencies_ms', 'expected'), [
    ((20, 30, 40, 50, 60, 70), []),
    ((20, 30, 400, 50, 60, 70), [WARN]),
    ((200, 300), [WARN]),
    ((100,), []),
    ((200, 300, 400, 500, 600), [ERROR]),
])
def test_a_late_image_warns_and_lateness_that_persists_is_an_error(
        latencies_ms: tuple[float, ...], expected: list[bytes]) -> None:
    assert levels(late(*latencies_ms)) == expected


@pytest.mark.parametrize(('transport_ms', 'words'), [
    (20, 'or a GPU, is faster'), (90, 'of which 90 ms passed before they came: synchronise')])
def test_images_that_come_late_are_not_the_networks_fault(transport_ms: float, words: str) -> None:
    spreads = {'latency': Spread.of([150.0]), 'transport': Spread.of([transport_ms])}
    finding, = stream_findings(Snapshot(latencies_ms=[150.0], spreads=spreads), PARAMETERS)
    assert words in finding.text


def test_failures_warn_and_are_an_error_when_nothing_else_comes() -> None:
    some = Snapshot(recent_failures=2, last_failure='short buffer', recent_processed=9)
    assert levels(some) == [WARN]
    assert 'short buffer' in stream_findings(some, PARAMETERS)[0].text
    one = Snapshot(recent_failures=1, last_failure='short buffer')
    assert stream_findings(one, PARAMETERS) == [
        Finding(ERROR, '1 image failed, last: short buffer')]


@pytest.mark.parametrize('words', ['1 image lost', 'fastdds.xml', '/dev/shm (in Docker'])
def test_lost_images_warn_of_each_cause(words: str) -> None:
    finding, = stream_findings(Snapshot(recent_losses=1), PARAMETERS)
    assert finding.level == WARN
    assert words in finding.text


@pytest.mark.parametrize(('what', 'words'), [
    ('depth image',
     '2 depth images lost between driver and node: large depth images need config/'),
    ('cloud', '2 clouds lost between driver and node: large clouds need config/fastdds.xml')])
def test_so_does_depth_that_is_lost(what: str, words: str) -> None:
    finding = losses(2, what)
    assert finding.level == WARN
    assert words in finding.text
    assert 'image_transport' not in finding.text, 'that is of the images'


def test_skipped_images_warn_and_are_an_error_when_nothing_else_comes() -> None:
    some = Snapshot(recent_skips=2, last_skip='same stamp', recent_processed=9)
    assert [finding.level for finding in unlabelled_findings(some, PARAMETERS)] == [WARN]
    assert unlabelled_findings(Snapshot(recent_skips=2, last_skip='same stamp'), PARAMETERS) == [
        Finding(ERROR, '2 images skipped, last: same stamp')]


def test_a_memory_that_is_emptied_all_the_time_warns() -> None:
    slow = Snapshot(emptied=5, labelled=6, last_reset='gap of 2 s', memory_size=1)
    assert levels(slow) == [WARN]
    assert 'gap of 2 s' in stream_findings(slow, PARAMETERS)[0].text
    assert levels(Snapshot(emptied=2, labelled=6, memory_size=1)) == []
    assert levels(Snapshot(emptied=5, labelled=6, memory_size=0)) == [], 'it has none'
    stopped = Snapshot(emptied=5, labelled=6, since_image_s=4.0, memory_size=1)
    assert levels(stopped) == [], 'it is of the past'


@pytest.mark.parametrize(('budget_ms', 'expected'), [(100.0, [ERROR]), (60_000.0, [])])
def test_images_that_nothing_becomes_of_are_an_error(
        budget_ms: float, expected: list[bytes]) -> None:
    """Unless they may take so long."""
    parameters = NodeParameters(latency_budget_ms=budget_ms, no_image_timeout_s=3.0)
    assert [finding.level for finding in unlabelled_findings(
        Snapshot(unanswered_s=12.0), parameters)] == expected
    assert unlabelled_findings(Snapshot(unanswered_s=2.0), parameters) == []


@pytest.mark.parametrize(('age_s', 'words'), [
    (1e9, "1000000000.0 s behind the node's clock, so latency counts from arrival: play bags "
     'with --clock and set use_sim_time, or synchronise the clocks'),
    (-1e9, "ahead of the node's clock, so latency counts from arrival: play bags"),
    (-0.5, "0.5 s ahead of the node's clock, so latency counts from arrival: synchronise"),
    (-0.006, '0.006 s ahead of'), (0.2, ''), (-0.004, '')])
def test_stamps_of_another_clock_are_named(age_s: float, words: str) -> None:
    findings = stream_findings(Snapshot(image_age_s=age_s), PARAMETERS)
    assert [finding.level for finding in findings] == ([WARN] if words else [])
    assert all(words in finding.text for finding in findings)


def test_images_without_a_stamp_are_named() -> None:
    finding, = stream_findings(Snapshot(image_age_s=math.inf), PARAMETERS)
    assert finding.level == WARN
    assert 'header.stamp' in finding.text
    assert 'use_sim_time' not in finding.text


def test_keys_that_other_programs_read() -> None:
    values = camera_values(late(20, 30), '/image')
    assert {'frames received', 'frames processed', 'frames overwritten', 'frames failed',
            'latency p50 (ms)', 'latency p99 (ms)', 'latency max (ms)', 'input rate (Hz)',
            'memory fill', 'path', 'resets', 'last reset', 'image age (s)'} <= set(values)
    stages = camera_values(Snapshot(spreads={'wait': Spread.of([1.0, 3.0])}), '/image')
    assert (stages['wait p50 (ms)'], stages['wait max (ms)']) == (2, 3)
