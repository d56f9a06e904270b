"""The pictures of a report: each over the image that the labels were made of."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from bags.labelled_material import labels, png, raw
from bags.material import write_bag
from bags.report.report_material import record, report
from tdnet_ros.bags.report.strip import strip
from tdnet_ros.ros.messages import array_to_image

PIXELS = labels([[0] * 16] * 16)


def shown(bag: Path) -> list[tuple[float, float]]:
    """Time and brightness of each picture."""
    camera, = report(bag)['bags'][0]['cameras']
    return [(picture.time_s, cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8),
                                          cv2.IMREAD_COLOR).mean())
            for picture in strip(bag, camera)]


@pytest.mark.parametrize(('logged_ms', 'found'), [
    (1500, True), (500, False), (6900, True), (7100, False)])
def test_image_with_the_stamp_of_the_labels_is_looked_for_around_them(
        tmp_path: Path, logged_ms: int, found: bool) -> None:
    def image(stamp_ms: int, grey: int) -> object:
        return array_to_image(np.full((16, 16, 3), grey, np.uint8), 'bgr8', raw(
            stamp_ms, PIXELS)[1].header)

    topics = {'/tdnet/labels/compressed': [(6000, png(1400, PIXELS)[1])],
              '/cam': [(0, image(0, 0)), (5990, image(5980, 0)), (logged_ms, image(1400, 255)),
                       (9000, image(9000, 0))]}
    (_, bright), = shown(record(write_bag(tmp_path / 'bag', topics), '/cam'))
    (_, plain), = shown(record(write_bag(tmp_path / 'plain', {
        '/tdnet/labels/compressed': topics['/tdnet/labels/compressed']})))
    assert bright == pytest.approx((plain + 255) / 2 if found else plain, abs=3)


def test_pictures_say_when_they_were_taken(tmp_path: Path) -> None:
    bag = record(write_bag(tmp_path / 'bag', {
        '/tdnet/labels/compressed': [png(ms, PIXELS) for ms in (0, 700, 1900)]}))
    assert [time_s for time_s, _ in shown(bag)] == pytest.approx([0, 0.7, 1.9])
    report(bag, drawn=True)
    page = (tmp_path / 'report.html').read_text()
    assert [page.count(f'{time_s} s</figcaption>') for time_s in (0.0, 0.7, 1.9)] == [1, 1, 1]
