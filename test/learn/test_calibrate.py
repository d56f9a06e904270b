"""Shifts of logits against cases whose best shift is known."""
import math

import cv2
import numpy as np
import torch

from learn.synthetic import write_folder
from tdnet_ros.learn.calibrate import best_shift, calibrate, has_bias, sample_pixels
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.validate import StreamingValidation
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build


def test_a_bias_towards_a_class_is_taken_back():
    torch.manual_seed(0)
    labels = torch.randint(0, 4, (4000,))
    logits = torch.randn(4000, 4) + 3 * torch.nn.functional.one_hot(labels, 4)
    right = (logits.argmax(1) == labels).float().mean()
    logits[:, 2] += 2
    shift = best_shift(logits, labels)
    assert shift[2] - shift[[0, 1, 3]].mean() < -1.5
    assert ((logits + shift).argmax(1) == labels).float().mean() > right - 0.01


def test_what_is_right_stays():
    labels = torch.tensor([0, 1, 2, 0])
    assert torch.equal(best_shift(5.0 * torch.nn.functional.one_hot(labels, 3), labels),
                       torch.zeros(3))


def test_the_network_is_better_on_what_it_was_calibrated_on(tmp_path):
    root = write_folder(tmp_path / 'squares', videos=4, frames=1)
    dataset = open_dataset('folder', root, 'train')
    streaming = StreamingValidation(dataset, torch.device('cpu'), (65, 97))
    network = build(variant('td2-tiny'), len(dataset.classes))
    before = streaming.confusion(network).miou()
    shifts = calibrate(network, dataset, streaming)
    assert any(shifts)
    assert streaming.confusion(network).miou() > before


def test_every_frame_gives_its_share_of_the_pixels(tmp_path):
    root = write_folder(tmp_path / 'squares', videos=2, frames=2)
    dataset = open_dataset('folder', root, 'train')
    streaming = StreamingValidation(dataset, torch.device('cpu'), (65, 97))
    network = build(variant('td2-tiny'), len(dataset.classes))
    whole = list(sample_pixels(network, dataset, streaming))
    assert [len(labels) for _, labels in whole] == [math.ceil(65 * 97 / 25)] * 4
    some = list(sample_pixels(network, dataset, streaming, most=40))
    for (frame, every), (logits, labels) in zip(streaming.predict(network), some, strict=True):
        places = torch.linspace(0, 65 * 97 - 1, 10).long()
        assert torch.equal(logits, every[0].flatten(1)[:, places].T)
        assert torch.equal(labels, torch.from_numpy(dataset.read_label(frame.label)).flatten()[
            places].long())


def test_a_few_labelled_pixels_are_enough(tmp_path):
    """As of labels that are clicks."""
    root = write_folder(tmp_path / 'squares', videos=2, frames=1)
    for path in root.glob('train/labels/*.png'):
        clicks = np.full((65, 97), 255, np.uint8)
        clicks[31:33, 7] = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[31:33, 7]
        cv2.imwrite(str(path), clicks)
    dataset = open_dataset('folder', root, 'train')
    streaming = StreamingValidation(dataset, torch.device('cpu'), (65, 97))
    network = build(variant('td2-tiny'), len(dataset.classes))
    assert [len(labels) for _, labels in sample_pixels(network, dataset, streaming)] == [1, 1]
    assert len(calibrate(network, dataset, streaming)) == 3


def test_a_classifier_without_a_bias_is_known():
    assert has_bias(build(variant('td2-tiny'), 3))
    assert not has_bias(build(variant('fa18'), 3))
