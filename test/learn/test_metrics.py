"""Metrics against cases counted by hand."""
from functools import partial

import numpy as np
import pytest

from tdnet_ros.learn.metrics import (
    Confusion,
    flip_rate,
    video_consistency,
    warp_labels,
    warp_logits,
)

VOID = 255


def labels(*rows):
    return np.array(rows, np.uint8)


def test_iou_counts_hits_over_union_and_ignores_unlabelled_pixels():
    confusion = Confusion(3)
    confusion.add(predicted=labels([0, 0, 1, 1]), truth=labels([0, 1, 1, VOID]))
    assert confusion.matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert confusion.iou()[:2].tolist() == [0.5, 0.5]


def test_absent_class_does_not_count_but_a_wrongly_predicted_one_does():
    confusion = Confusion(3)
    confusion.add(labels([0, 0]), labels([0, 0]))
    assert np.isnan(confusion.iou()[1:]).all()
    assert confusion.miou() == 1
    confusion.add(labels([2, 0]), labels([0, 0]))
    assert confusion.iou()[2] == 0
    assert confusion.miou() == pytest.approx((3 / 4 + 0) / 2)


def test_confusion_is_pooled_over_images_not_averaged():
    confusion = Confusion(2)
    confusion.add(labels([0] * 9 + [1]), labels([0] * 10))
    confusion.add(labels([1]), labels([1]))
    assert confusion.iou().tolist() == [9 / 10, 1 / 2]


def test_confusion_refuses_another_size():
    with pytest.raises(ValueError, match='expected one size'):
        Confusion(2).add(labels([0, 0]), labels([0]))


def test_video_consistency_looks_at_pixels_whose_truth_stays():
    truth = [labels([0, 0, 1, VOID]), labels([0, 0, 0, VOID]), labels([1, 1, 1, 1])]
    steady = [labels([1, 1, 0, 0]), labels([1, 1, 1, 1]), labels([0, 0, 0, 0])]
    flicker = [labels([1, 0, 0, 0]), labels([1, 1, 1, 1]), labels([0, 0, 0, 0])]
    assert video_consistency(steady, truth, 2) == [1.0]  # steady counts, right or wrong
    assert video_consistency(flicker, truth, 2) == [0.5]
    assert video_consistency(steady[:2], truth[:2], 2) == []


def test_warp_fetches_the_nearest_label_and_marks_what_left_the_image():
    flow = np.zeros((1, 4, 2), np.float32)
    flow[..., 0] = 1.4
    assert warp_labels(labels([0, 1, 2, 3]), flow).tolist() == [[1, 2, 3, VOID]]
    flow[..., 0] = -1.6
    assert warp_labels(labels([0, 1, 2, 3]), flow).tolist() == [[VOID, VOID, 0, 1]]


def test_scores_are_interpolated_and_those_from_outside_are_of_the_edge():
    flow = np.zeros((1, 4, 2), np.float32)
    scores = np.array([[[0, 1, 2, 4]], [[8, 0, 0, 0]]], np.float32)
    flow[..., 0] = 0.5
    close = partial(np.testing.assert_allclose, atol=1e-5)
    close(warp_logits(scores, flow), [[[0.5, 1.5, 3, 4]], [[4, 0, 0, 0]]])
    flow[..., 0] = -2
    close(warp_logits(scores, flow)[0], [[0, 0, 0, 1]])
    wide = warp_logits(scores, np.zeros((1, 7, 2), np.float32))
    close(wide[0], [[0, 0.5, 1, 1.5, 2, 3, 4]])


def test_flip_rate_is_the_mean_share_of_changed_pixels():
    outputs = [labels([0, 0, 0, 0]), labels([0, 0, 0, 1]), labels([0, 0, 1, 0])]
    assert flip_rate(outputs) == pytest.approx((1 / 4 + 2 / 4) / 2)
