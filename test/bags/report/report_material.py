"""Bags with known labels, and their reports."""
import json
from pathlib import Path
from typing import Any

import pytest

from bags.labelled_material import labels
from tdnet_ros.bags.label_record import LabelRecord, TopicRecord
from tdnet_ros.bags.report import writing

ROAD, CAR, SKY, NONE = 0, 1, 2, 255
NAMES = ('road', 'car', 'sky')
# Of 8 pixels, 2 change from the first to the second and 4 from there to the third.
FRAMES = {0: labels([[ROAD] * 4, [CAR, CAR, SKY, NONE]]),
          100: labels([[ROAD] * 4, [CAR, CAR, CAR, CAR]]),
          200: labels([[CAR] * 4, [CAR, CAR, CAR, CAR]])}


def report(*bags: Path, drawn: bool = False, **options: Any) -> dict[str, Any]:
    """The figures; the page, which shows no camera unless `drawn`, is beside the first bag."""
    out = bags[0].parent / 'report.html'
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr(writing, 'MAX_DETAILED', 0)
        problems = writing.write_report(bags, out, **options)
    content = json.loads(out.with_suffix('.json').read_text())
    content['problems'] = problems
    return content


def camera_of(*bags: Path, **options: Any) -> dict[str, Any]:
    camera, = report(*bags, **options)['bags'][0]['cameras']
    return camera


def record(bag: Path, image_topic: str = '/front/image_raw', **outcome: Any) -> Path:
    """Leave the record of `tdnet_bag label` in a bag."""
    LabelRecord(input='drive', model='street-small', engine='torch', device='cpu',
                input_size=(360, 480), classes=NAMES, palette=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
                options={}, complete=True, frames_per_second=12.5, seconds=2.0, topics={
                    image_topic: TopicRecord(labels='/tdnet/labels/compressed',
                                             label_info='/tdnet/label_info', **outcome)}
                ).write(bag)
    return bag


def pictures(page: str) -> int:
    return page.count('src="data:image/jpeg;base64,')
