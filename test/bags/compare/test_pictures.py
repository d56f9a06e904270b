"""The pictures of the frames that differ: both sides, and where they differ."""
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from bags.labelled_material import labels, write_labels
from tdnet_ros.bags.compare.comparison import compare
from tdnet_ros.bags.compare.pictures import (
    CAPTION,
    DIFFERENT,
    GAP,
    HEADER,
    MARGIN,
    PANEL,
    write_pictures,
)

pytest.importorskip('vision_msgs.msg', reason='the bags name their classes in a LabelInfo')
ROAD, CAR, SKY = 0, 1, 2
FIRST = labels([[ROAD, ROAD, ROAD, ROAD], [CAR, CAR, SKY, SKY]])
SECOND = labels([[ROAD, ROAD, ROAD, CAR], [CAR, CAR, CAR, SKY]])


def test_no_folder_is_left_where_nothing_differs(
        tmp_path: Path, tdnet_bag: Callable[..., tuple[int, str, str]]) -> None:
    bag = write_labels(tmp_path / 'a', {0: np.zeros((4, 6), np.uint8)})
    status, out, _ = tdnet_bag('compare', bag, bag, '--out', tmp_path / 'worst')
    assert (status, out.splitlines()[-1]) == (
        0, f'no picture for {tmp_path}/worst: no frame differs')
    assert not (tmp_path / 'worst').exists()


def test_picture_shows_both_and_marks_what_differs(tmp_path: Path) -> None:
    pair = [write_labels(tmp_path / name, {0: FIRST, 100: pixels},
                         classes=('road', 'car', 'sky'))
            for name, pixels in (('a', FIRST), ('b', SECOND))]
    comparison = compare(*pair, worst=3)
    assert write_pictures(comparison, tmp_path / 'worst') == {
        '/tdnet': ['tdnet_01_0.10s.png']}
    picture = cv2.imread(str(tmp_path / 'worst' / 'tdnet_01_0.10s.png'))[..., ::-1]
    top = HEADER + CAPTION
    color = comparison.classes.color
    for index, shown in enumerate([{ROAD: 4, CAR: 2, SKY: 2}, {ROAD: 3, CAR: 4, SKY: 1}]):
        left = MARGIN + index * (PANEL + GAP)
        panel = picture[top:top + PANEL // 2, left:left + PANEL].reshape(-1, 3)
        assert {label: (panel == color(label)).all(1).mean() * 8 for label in shown} == (
            pytest.approx(shown, abs=0.1))
    left = MARGIN + 2 * (PANEL + GAP)
    panel = picture[top:top + PANEL // 2, left:left + PANEL].reshape(-1, 3)
    assert (panel == DIFFERENT).all(1).mean() * 8 == pytest.approx(2, abs=0.1)
    assert len(np.unique(panel, axis=0)) > 2
