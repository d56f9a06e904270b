"""Numbers, notes and plot of a run."""
from pathlib import Path

import cv2
import pytest

from demo.material import results
from tdnet_ros.demo.counters import NodeReport
from tdnet_ros.demo.latency import losses, plot_latency, summarize

STAGES = ['transport', 'wait', 'decode', 'upload', 'network', 'download', 'publish']


def report(received: int, processed: int, overwritten: int = 0, failed: int = 0) -> NodeReport:
    return NodeReport(values={}, problem='', received=received, processed=processed,
                      overwritten=overwritten, failed=failed, last_failure='bad image')


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
    (10, (10, 10, 0, 0), []),
    (14, (14, 10, 4, 0), ['4 of 14 frames overwritten']),
    (11, (11, 10, 0, 1), ['1 frame not labelled; the last: bad image']),
    (13, (10, 10, 0, 0), ['3 frames lost between player and node']),
    (12, (12, 12, 0, 0), ['2 label images lost between node and bag']),
    (12, (12, 10, 0, 0), ['2 frames still waiting']),
])
def test_every_missing_frame_is_named(sent: int, counts: tuple[int, int, int, int],
                                      words: list[str]) -> None:
    outcome = results(10, report(*counts))
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
