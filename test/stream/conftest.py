"""A small network and frames that look like a moving camera."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tdnet_ros.stream import Frame, VideoSegmenter

SIZE = (72, 96)
STEP_NS = 100_000_000


@pytest.fixture(scope='session')
def segmenter() -> VideoSegmenter:
    return VideoSegmenter.load('td4-tiny', device='cpu', input_size=(65, 97))


@pytest.fixture(scope='session')
def make_frame() -> Callable[..., Frame]:
    scene = np.random.default_rng(0).integers(0, 256, (6, 16, 3), np.uint8)
    scene = scene.repeat(24, 0).repeat(24, 1)

    def make(number: int, **changes: object) -> Frame:
        rgb = np.ascontiguousarray(scene[:SIZE[0], 2 * number:2 * number + SIZE[1]])
        fields = {'rgb': rgb, 'stamp_ns': number * STEP_NS, 'frame_id': 'camera', **changes}
        return Frame(**fields)  # type: ignore[arg-type]

    return make
