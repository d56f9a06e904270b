"""Numbers, notes and plot of a run."""
from pathlib import Path

import cv2
import pytest

from demo.material import results
from tdnet_ros.demo.counters import COUNTED, NodeReport
from tdnet_ros.demo.latency import losses, plot_latency, summarize

STAGES = ['transport', 'wait', 'decode', 'upload', 'network', 'download', 'publish']


def report(received: int, processed: int, **counts: int) -> NodeReport:
    return NodeReport(values={}, problem='', last_failure='bad image', last_skip='a copy', counts={
        **dict.fromkeys(COUNTED, 0), 'received': received, 'processed': processed, **counts})


def test_summary_has_the_promised_keys_and_percentiles() -> None:
    summary = summarize(results(101, report(101, 101)), sent=101)
    assert list(summary) == ['frames', 'capture_to_publish_ms', 'stages_ms']
    assert summary['frames'] == {'sent': 101, 'received': 101, 'labelled': 101, 'overwritten': 0,
                                 'failed': 0}
    assert summary['capture_to_publish_ms'] == {'p50': 357.0, 'p95': 672.0, 'p99': 700.0,
                                                'max': 707.0}
    assert list(summary['stages_ms']) == STAGES
    assert summary['stages_ms']['network']['max'] == 101.0


def test_run_without_labels_has_no_percentiles() -> None:
    summary = summarize(results(0, report(5, 0, failed=5)), sent=5)
    assert summary['capture_to_publish_ms'] == dict.fromkeys(('p50', 'p95', 'p99', 'max'))


@pytest.mark.parametrize(('sent', 'counts', 'words'), [
    (10, report(10, 10), []),
    (14, report(14, 10, overwritten=4), ['4 of 14 frames overwritten']),
    (11, report(11, 10, failed=1), ['1 frame not labelled; the last: bad image']),
    (12, report(12, 10, skipped=2), ['2 frames skipped; the last: a copy']),
    (13, report(10, 10), ['3 frames lost between player and node']),
    (12, report(12, 12), ['2 label images lost between node and bag']),
    (12, report(12, 10), ['2 frames still waiting']),
])
def test_every_missing_frame_is_named(sent: int, counts: NodeReport, words: list[str]) -> None:
    outcome = results(10, counts)
    lines = losses(summarize(outcome, sent), outcome)
    assert len(lines) == len(words)
    assert all(line.startswith(part) for line, part in zip(lines, words, strict=True))


@pytest.mark.parametrize('frames', [1, 2, 60])
def test_plot_is_a_picture(tmp_path: Path, frames: int) -> None:
    outcome = results(frames, report(frames, frames))
    plot_latency(outcome, summarize(outcome, frames), tmp_path / 'latency.png')
    picture = cv2.imread(str(tmp_path / 'latency.png'))
    assert picture.shape[1] > 1000
    blue = (picture == (0xb2, 0x72, 0x00)).all(2)  # the network's colour, BGR
    assert blue.sum() > (500 if frames > 1 else 0)
