"""Sheets that are drawn."""
from pathlib import Path

import cv2

from tdnet_ros.bags.canvas import Canvas


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    canvas = Canvas(200, 60)
    canvas.text(10, 40, '$^$', size=20)
    canvas.save(tmp_path / 'sheet.png')
    assert (cv2.imread(str(tmp_path / 'sheet.png')) < 100).any()
