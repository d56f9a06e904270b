"""Shifts of logits against cases whose best shift is known."""
import torch

from learn.synthetic import write_folder
from tdnet_ros.learn.calibrate import best_shift, calibrate, has_bias, sample_pixels
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.validate import StreamingValidation
from tdnet_ros.nets.zoo import build, variant


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
    assert [len(labels) for _, labels in whole] == [13 * 20] * 4
    some = list(sample_pixels(network, dataset, streaming, most=40))
    for (logits, labels), (all_logits, all_labels) in zip(some, whole, strict=True):
        assert logits.shape == (10, 3)
        places = torch.linspace(0, 13 * 20 - 1, 10).long()
        assert torch.equal(logits, all_logits[places])
        assert torch.equal(labels, all_labels[places])


def test_a_classifier_without_a_bias_is_known():
    assert has_bias(build(variant('td2-tiny'), 3))
    assert not has_bias(build(variant('fa18'), 3))
