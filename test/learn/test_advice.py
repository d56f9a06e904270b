"""What the training command says before a run's first step."""
import shutil

import cv2
import numpy as np
import pytest

from learn.runs import SMALL, command, write_config
from learn.synthetic import write_folder
from tdnet_ros.learn.train import main as train
from tdnet_ros.learn.trainer import Trainer


@pytest.fixture
def said(tmp_path, capsys, monkeypatch):
    """Return what a run on a data set says; it ends before its first step."""
    def interrupt(*_):
        raise KeyboardInterrupt

    def say(root, *more, config=None):
        config = config or write_config(tmp_path / 'c.yaml', [{'steps': 1}])
        assert train(command(root, config, tmp_path / 'run', *more)) == 130
        return capsys.readouterr().out

    monkeypatch.setattr(Trainer, 'take_step', interrupt)
    return say


def test_clips_and_frames_are_counted_and_video_is_called_so(tmp_path, said):
    root = write_folder(tmp_path / 'data', videos=2, frames=3)
    (root / 'val/labels/v0_001.png').unlink()
    video, stills = said(root), said(root, '--dataset', 'stills')
    assert video.startswith('train: frames 6, labelled 6, clips 2 (longest 3); '
                            'val: frames 6, labelled 5, clips 2 (longest 3)\n')
    assert 'are --dataset stills' in video
    for told in (video, stills):
        assert 'val: 1 without a label, such as v0_001.png; ' in told
        assert told.count('without a label') == 1
    assert 'train: frames 6, labelled 6, clips 6 (longest 1)' in stills
    assert '--dataset stills' not in stills


def test_pictures_of_both_splits_are_named(data, tmp_path, said):
    assert 'pictures in train and val alike: 8, such as v0_000.png; ' in said(data)
    root = shutil.copytree(data, tmp_path / 'data')
    for path in root.glob('val/*/*.png'):
        path.rename(path.with_name(f'w{path.name}'))
    assert 'alike: 8, such as v0_000.png; ' in said(root)
    for path in root.glob('*/images/*.png'):
        pixels = cv2.imread(str(path))
        pixels[0, 0] = 9 * ('val' in path.parts)
        cv2.imwrite(str(path.with_suffix('.bmp')), pixels)
        path.unlink()
    for path in root.glob('val/*/w*'):
        path.rename(path.with_name(path.name[1:]))
    assert 'alike' not in said(root)


def test_sizes_that_differ_are_named(data, tmp_path, said):
    root = shutil.copytree(data, tmp_path / 'data')
    assert 'has pictures' not in said(root)
    for path in root.glob('val/*/v1_*.png'):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:40])
    assert 'val has pictures of 97x65 (7), 97x40 (1): ' in said(root)


def test_crops_far_from_the_pictures_are_named(data, said):
    assert 'but the pictures are' not in said(data)
    assert 'but the pictures are some 65 x 97' in said(data, '--set', 'stages.0.crop=[257, 385]')
    large = said(data, '--input-size', '300', '500')
    assert '--input-size 300 500 becomes 289 513: ' in large
    assert 'are some 289 x 513 in it; --input-size 65 97 would suit them' in large
    wide = said(data, '--input-size', '33', '289')
    assert 'are some 33 x 289 in it; crops of another shape would suit them' in wide


def test_a_large_input_is_named(tmp_path, said):
    root = write_folder(tmp_path / 'data', videos=1, frames=1)
    for path in root.glob('val/*/*.png'):
        cv2.imwrite(str(path), np.zeros((1080, 1920, 3 if path.parent.name == 'images' else 1)))
    assert ('the network sees pictures of 1089 x 1921 pixels: from the first validation on each '
            'takes gigabytes of memory; --input-size 65 97 takes little') in said(root)
    assert 'memory; a smaller --input-size takes less' in said(
        root, '--set', 'stages.0.crop=[1089, 1921]')


def test_a_start_from_a_model_wants_another_recipe_than_the_default(data, tmp_path, capsys, said):
    arguments = [*SMALL, '--init', 'street-small']
    assert '--config finetune' not in said(data, *arguments, config='finetune')
    assert train(['--dataset', 'folder', '--root', str(data), '--accelerator', 'cpu', *arguments,
                  '--out', str(tmp_path / 'own')]) == 130
    assert 'there is --config finetune' in capsys.readouterr().out
