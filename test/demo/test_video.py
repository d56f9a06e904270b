"""The overlay video: as long as the clip, readable, whatever the size of the images."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from tdnet_ros.demo.processes import DemoError
from tdnet_ros.demo.video import write_video


def flat(value: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*shape, 3), value, np.uint8)


def brightness(path: Path) -> list[int]:
    capture, values = cv2.VideoCapture(str(path)), []
    while True:
        ok, image = capture.read()
        if not ok:
            return values
        values.append(round(float(image.mean()) / 10) * 10)


def test_frames_without_a_label_show_the_overlay_before(tmp_path: Path) -> None:
    overlays = [(20, flat(50)), (50, flat(200))]
    write_video(tmp_path / 'v.mp4', overlays, [10, 20, 30, 40, 50, 60], rate_hz=10.0)
    assert brightness(tmp_path / 'v.mp4') == [50, 50, 50, 200, 200]
    assert cv2.VideoCapture(str(tmp_path / 'v.mp4')).get(cv2.CAP_PROP_FPS) == 10


def test_odd_and_changing_sizes_fit(tmp_path: Path) -> None:
    overlays = [(0, flat(50, (47, 63))), (1, flat(100, (90, 40)))]
    write_video(tmp_path / 'v.mp4', overlays, [0, 1], rate_hz=10.0)
    assert brightness(tmp_path / 'v.mp4') == [50, 100]


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match='no overlay'):
        write_video(tmp_path / 'v.mp4', [], [0, 1], rate_hz=10.0)
