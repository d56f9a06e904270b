"""Classes merged and left out, ids kept."""
from __future__ import annotations

import numpy as np
import pytest

from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.ros.label_map import LabelMap

CLASSES = ClassSet('street', ('road', 'car', 'truck', 'sky'), ((1, 1, 1),) * 4)
LABELS = np.array([[0, 1, 2], [3, 255, 0]], np.uint8)


def test_nothing_asked_nothing_changed() -> None:
    mapping = LabelMap(CLASSES, ('',), ('',))
    assert mapping.apply(LABELS) is LABELS
    assert mapping.names == dict(enumerate(CLASSES.names))


def test_others_become_unlabeled() -> None:
    mapping = LabelMap(CLASSES, keep=('road', 'sky'))
    np.testing.assert_array_equal(mapping.apply(LABELS), [[0, 255, 255], [3, 255, 0]])
    assert mapping.names == {0: 'road', 3: 'sky'}


def test_classes_merge_before_they_are_left_out() -> None:
    mapping = LabelMap(CLASSES, keep=('car',), remap=('truck:car', 'sky : road'))
    np.testing.assert_array_equal(mapping.apply(LABELS), [[255, 1, 1], [255, 255, 255]])
    assert mapping.names == {1: 'car'}
    assert LabelMap(CLASSES, keep=('truck', 'car'), remap=('truck:car',)).names == {1: 'car'}


@pytest.mark.parametrize(('keep', 'remap', 'words'), [
    (('rod',), (), "keep_classes: there is no class 'rod', expected one of road, car, truck, sky"),
    ((), ('truck:van',), "class_remap: there is no class 'van'"),
    ((), ('truck:car', 'sky:road', 'truck:road'),
     "class_remap has 'truck' as 'car' and as 'road': expected one of them"),
    (('road', 'truck'), ('truck:car',), "keep_classes has 'truck', which class_remap publishes as "
                                        "'car': expected 'car' in keep_classes"),
    ((), ('truck=car',), "class_remap has 'truck=car': expected 'class:class'"),
])
def test_what_cannot_be_meant_is_named(keep: tuple[str, ...], remap: tuple[str, ...],
                                       words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LabelMap(CLASSES, keep, remap)
