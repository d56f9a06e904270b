"""The contact sheet: pairs of pictures and the colours of the classes."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from tdnet_ros.demo.sheet import Pair, write_sheet
from tdnet_ros.nets.classes import CITYSCAPES


@pytest.mark.parametrize('count', [1, 3])
def test_sheet_shows_pairs_and_legend(tmp_path: Path, count: int) -> None:
    image, overlay = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64, 3), np.uint8)
    image[:], overlay[:] = (200, 10, 90), (10, 200, 90)
    pairs = [Pair(float(index), image, overlay) for index in range(count)]
    write_sheet(tmp_path / 'sheet.png', pairs, CITYSCAPES, 'title', 'subtitle')
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape[1] == 1920

    def area(bgr: tuple[int, int, int]) -> int:
        return int((sheet == bgr).all(2).sum())

    assert area((200, 10, 90)) == pytest.approx(area((10, 200, 90)), rel=0.02)
    assert area((200, 10, 90)) > count * 100_000
    assert all(area(color[::-1]) > 100 for color in CITYSCAPES.palette)
