"""A labelled bag that many tests report on."""
from pathlib import Path

import numpy as np
import pytest

from bags.labelled_material import names, png, stamp_ns
from bags.material import write_bag
from bags.report.report_material import FRAMES, NAMES, record


def confidence(share: float) -> np.ndarray:
    return np.full((2, 4), round(255 * share), np.uint8)


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    """A bag as `tdnet_bag label --confidence` writes it; the third frame has no history."""
    bag = write_bag(tmp_path / 'drive', {
        '/tdnet/labels/compressed': [png(ms, pixels) for ms, pixels in FRAMES.items()],
        '/tdnet/confidence/compressed': [
            png(ms, confidence(share)) for ms, share in zip(FRAMES, (0.4, 0.2, 0.6))],
        '/tdnet/label_info': [names(*NAMES)]})
    return record(
        bag, resets=[{'stamp_ns': stamp_ns(200), 'reason': 'scene cut (correlation 0.10)'}],
        failed=[{'stamp_ns': stamp_ns(300), 'why': 'no whole JPEG'}],
        skipped=[{'stamp_ns': stamp_ns(200), 'why': 'same stamp as the image before'}],
        latency_ms={'p50': 20.0, 'p95': 30.0, 'p99': 40.0, 'max': 50.0})
