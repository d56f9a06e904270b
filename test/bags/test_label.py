"""Labelling bags: the labels of the live node, from every format, into one bag."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import threading

import numpy as np
import pytest

from bags.label_material import (
    FORMATS,
    assert_same,
    eventful,
    expected,
    read_labels,
    save_model,
    write_bag,
)
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.run import label_bag
from tdnet_ros.bags.label_record import LabelRecord


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp('model'))


@pytest.fixture(scope='module')
def labeller(model: Path) -> Iterator[Labeller]:
    with Labeller(LabelOptions(model=str(model), device='cpu')) as labeller:
        yield labeller


@pytest.mark.parametrize('kind', FORMATS)
def test_every_format_gives_the_labels_of_the_node(tmp_path: Path, model: Path,
                                                   labeller: Labeller, kind: str) -> None:
    bag = write_bag(tmp_path / 'drive', eventful(), kind)
    outcome = label_bag(bag, tmp_path / 'out', labeller, threading.Event())
    assert [problem for problem in outcome.problems if 'frames failed' not in problem] == []
    wanted = expected(bag, model)
    front = read_labels(tmp_path / 'out' / 'drive', '/tdnet/front/labels/compressed')
    assert_same(front, wanted['/front/image_raw'])
    assert_same(read_labels(tmp_path / 'out' / 'drive', '/tdnet/rear/labels/compressed'),
                wanted['/rear/image_raw/compressed'])
    assert len({labels.tobytes() for labels in front.values()}) > 20
    record = LabelRecord.read(tmp_path / 'out' / 'drive').topics['/front/image_raw']
    assert record.frames == len(front) == 34 - 3
    assert [len(record.skipped), len(record.failed)] == [2, 1]
    assert [entry['reason'].split(' ')[0] for entry in record.resets] == [
        'frame_id', 'frame_id', 'scene', 'encoding', 'encoding', 'stamp', 'image', 'image', 'gap']
    assert np.diff(list(front)).min() > 0
