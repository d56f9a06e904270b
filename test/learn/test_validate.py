"""What validation runs, and that leaving frames out changes nothing."""
import pytest
import torch

from learn.synthetic import write_folder
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.validate import StreamingValidation
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build

LABELLED = (2, 7, 13)


@pytest.mark.parametrize(('model', 'expected'), [
    ('td4-tiny', [0, 1, 2, 4, 5, 6, 7, 10, 11, 12, 13]),
    ('td2-tiny', [1, 2, 6, 7, 12, 13]),
    ('bise18-half', LABELLED),
])
def test_only_frames_that_a_labelled_one_remembers_run(tmp_path, model, expected):
    root = write_folder(tmp_path / 'data', videos=1, frames=16, splits=('val',))
    dataset = open_dataset('folder', root, 'val')
    network = build(variant(model), 3)
    every = dict(_logits(dataset, network))
    for number in set(range(16)) - set(LABELLED):
        (root / f'val/labels/v0_{number:03}.png').unlink()
    ran = []
    network.register_forward_pre_hook(lambda _, arguments: ran.append(arguments[1]))
    few = dict(_logits(open_dataset('folder', root, 'val'), network))
    assert ran == [number % network.architecture.paths for number in expected]
    assert list(few) == list(LABELLED)
    for number, logits in few.items():
        assert torch.equal(logits, every[number])


def _logits(dataset, network):
    return [(frame.number, logits) for frame, logits in _stream(dataset, network)]


def _stream(dataset, network):
    return StreamingValidation(dataset, torch.device('cpu'), (65, 97)).predict(network)


def test_a_still_fills_the_memory_by_itself(tmp_path):
    root = write_folder(tmp_path / 'data', videos=1, frames=1, splits=('val',))
    network = build(variant('td4-tiny'), 3)
    ran = []
    network.register_forward_pre_hook(lambda _, arguments: ran.append(arguments[1]))
    assert len(_logits(open_dataset('stills', root, 'val'), network)) == 1
    assert ran == [0, 1, 2, 3]


def test_every_path_is_judged_where_all_clips_are_alike(tmp_path):
    root = write_folder(tmp_path / 'data', videos=4, frames=6, splits=('val',))
    for label in root.glob('val/labels/*'):
        if not label.name.endswith('_005.png'):
            label.unlink()
    network = build(variant('td4-tiny'), 3)
    ran = []
    network.register_forward_pre_hook(lambda _, arguments: ran.append(arguments[1]))
    for kind, expected in (('folder', [1, 2, 3, 0]), ('stills', [3, 0, 1, 2])):
        dataset = open_dataset(kind, root, 'val')
        assert [ran[-1] for _ in _stream(dataset, network)] == expected
