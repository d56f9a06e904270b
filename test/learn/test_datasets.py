"""Data sets in their layouts, and one clear error for each kind of bad file."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from learn.synthetic import image, own, write, write_folder
from tdnet_ros.learn.catalogue import CAMVID_COLOURS, open_dataset, segnet_split
from tdnet_ros.nets.classes import CAMVID


def camvid(root, names, label=0, split='val'):
    for name in names:
        write(root / split / 'images' / f'{name}.png', image())
        write(root / split / 'labels' / f'{name}.png', np.full((4, 6), label, np.uint8))
    return root


def test_camvid_frames_two_apart_are_a_clip_and_void_is_unlabelled(tmp_path):
    root = camvid(tmp_path, ['0016E5_07959', '0016E5_07991', '0006R0_f01'], 11)
    camvid(tmp_path, ['0016E5_07961'])
    dataset = open_dataset('camvid', root, 'val')
    assert dataset.check().pixels.sum() == 4 * 6
    assert [[frame.number for frame in clip] for clip in dataset.clips] == [
        [1], [7959, 7961], [7991]]
    assert (dataset.label(1, 0) == 255).all()


def test_folder_takes_classes_from_yaml_and_frames_without_labels(tmp_path):
    root = write_folder(tmp_path / 'data', videos=2, frames=3)
    (root / 'val/labels/v0_001.png').unlink()
    dataset = open_dataset('folder', root, 'val')
    contents = dataset.check()
    assert dataset.classes.names == ('sky', 'ground', 'square')
    assert dataset.classes.palette[2] == (255, 255, 0)
    assert [len(clip) for clip in dataset.clips] == [3, 3]
    assert dataset.labelled() == [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert contents.pixels.sum() == 5 * 65 * 97
    assert contents.sizes == {(65, 97): 5}


@pytest.mark.parametrize('dataset', ['folder', 'stills', 'nyuv2'])
def test_equal_names_in_two_folders_are_two_videos_with_their_own_labels(tmp_path, dataset):
    names = [f'{folder}/000{number}' for folder in ('a', 'b') for number in (1, 2)]
    root = own(tmp_path, names)
    for label, name in enumerate(names):
        write(root / f'val/labels/{name}.png', np.full((4, 6), label % 3 // 2, np.uint8))
    found = open_dataset(dataset, root, 'val')
    for clip in found.clips:
        for frame in clip:
            assert frame.image.relative_to(root / 'val/images') == frame.label.relative_to(
                root / 'val/labels')
    assert [len(clip) for clip in found.clips] == ([2, 2] if dataset == 'folder' else [1] * 4)


def test_numbered_stills_are_no_video(tmp_path):
    root = write_folder(tmp_path / 'data', videos=2, frames=3)
    assert [len(clip) for clip in open_dataset('folder', root, 'val').clips] == [3, 3]
    stills = open_dataset('stills', root, 'val')
    assert [len(clip) for clip in stills.clips] == [1] * 6
    assert {clip[0].video for clip in stills.clips} == {''}


def test_labels_that_are_all_void_are_refused(tmp_path):
    root = camvid(tmp_path, ['a_1', 'b_1'], 11)
    with pytest.raises(ValueError, match=r'all pixels of the labels are void, from .*/a_1'):
        open_dataset('camvid', root, 'val').check()


def test_pictures_may_differ_in_size_but_not_within_a_video(tmp_path):
    root = write_folder(tmp_path / 'data', videos=1, frames=3)
    for path in root.glob('val/*/v0_002.png'):
        write(path, cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:40])
    assert open_dataset('stills', root, 'val').check().sizes == {(65, 97): 2, (40, 97): 1}
    with pytest.raises(ValueError, match=r'v0_002.png is 97x40, but .*v0_001.png of the same .*'
                                         r'97x65; separate pictures are --dataset stills'):
        open_dataset('folder', root, 'val').check()


def test_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    root = write_folder(tmp_path / 'squares', videos=1)
    monkeypatch.chdir(root)
    assert open_dataset('folder', Path('.'), 'val').classes.name == 'squares'


def test_cityscapes_maps_ids_and_finds_the_video(tmp_path):
    stem = 'aachen/aachen_000001_0000{}'
    for number in (17, 18, 19):
        write(tmp_path / f'leftImg8bit_sequence/train/{stem.format(number)}_leftImg8bit.png',
              image())
    write(tmp_path / f'gtFine/train/{stem.format(19)}_gtFine_labelIds.png',
          np.repeat(np.array([[7, 33, 4], [26, 24, 0]], np.uint8), 2, 0).repeat(2, 1))
    write(tmp_path / f'gtFine/train/{stem.format(19)}_gtFine_color.png', image())
    dataset = open_dataset('cityscapes', tmp_path, 'train')
    dataset.check()
    assert [frame.number for frame in dataset.clips[0]] == [17, 18, 19]
    assert dataset.labelled() == [(0, 2)]
    assert dataset.label(0, 2)[::2, ::2].tolist() == [[0, 18, 255], [13, 11, 255]]


def test_full_camvid_paints_32_classes_as_11(tmp_path):
    colours = [colour for shades in CAMVID_COLOURS.values() for colour in shades]
    label = np.array([[*colours, (0, 0, 0)]], np.uint8)
    for name in ('0016E5_07961', '0016E5_07960', '0006R0_f00930', 'Seq05VD_f00000'):
        write(tmp_path / f'701_StillsRaw_full/{name}.png', image(label.shape[:2]))
        write(tmp_path / f'LabeledApproved_full/{name}_L.png', label[..., ::-1])
    dataset = open_dataset('camvid32', tmp_path, 'val')
    assert [clip[0].image.stem for clip in dataset.clips] == ['0016E5_07961']
    expected = [number for number, name in enumerate(CAMVID.names) for _ in CAMVID_COLOURS[name]]
    assert dataset.label(0, 0).tolist() == [[*expected, 255]]
    assert len(open_dataset('camvid32', tmp_path, 'train').clips) == 2
    label[0, 0] = 1, 2, 3
    write(tmp_path / 'LabeledApproved_full/0016E5_07961_L.png', label[..., ::-1])
    with pytest.raises(ValueError, match=r'07961_L.png has the colour \(1, 2, 3\) at x 0, y 0'):
        dataset.check()
    (tmp_path / '701_StillsRaw_full/0016E5_07961.png').rename(
        tmp_path / '701_StillsRaw_full/0016E5_07963.png')
    with pytest.raises(ValueError, match=r'0016E5_07961_L.png has no image of that name in'):
        open_dataset('camvid32', tmp_path, 'val')


def test_nyuv2_counts_from_one(tmp_path):
    write(tmp_path / 'train/images/1.png', image((1, 3)))
    write(tmp_path / 'train/labels/1.png', np.array([[0, 1, 40]], np.uint8))
    assert open_dataset('nyuv2', tmp_path, 'train').label(0, 0).tolist() == [[255, 0, 39]]


def test_nyuv2_as_extracted_is_stills_and_tests_on_test(tmp_path):
    for split, stems in (('train', ('00003', '00004')), ('test', ('00001',))):
        for stem in stems:
            write(tmp_path / f'image/{split}/{stem}.png', image((1, 3)))
            write(tmp_path / f'seg40/{split}/{stem}.png', np.array([[255, 0, 39]], np.uint8))
    dataset = open_dataset('nyuv2', tmp_path, 'train')
    dataset.check()
    assert [len(clip) for clip in dataset.clips] == [1, 1]
    assert dataset.label(0, 0).tolist() == [[255, 0, 39]]
    held_back = open_dataset('nyuv2', tmp_path, 'val')
    assert held_back.clips[0][0].image == tmp_path / 'image/test/00001.png'
    write(tmp_path / 'seg40/test/00001.png', np.array([[40, 0, 1]], np.uint8))
    with pytest.raises(ValueError, match=r'seg40/test/00001.png holds the label id 40; known'):
        held_back.check()
    with pytest.raises(ValueError, match=r'there is no folder .*image/valid'):
        open_dataset('nyuv2', tmp_path, 'valid')


def test_cityscapes_long_sequences_are_cut_where_frames_are_missing(tmp_path):
    """In some cities one sequence number spans hours; in others each snippet has its own."""
    stem = 'leftImg8bit_sequence/val/bochum/bochum_000000_{:06}_leftImg8bit.png'
    for number in (294, 295, 296, 600, 601):
        write(tmp_path / stem.format(number), image())
    label = tmp_path / 'gtFine/val/bochum/bochum_000000_000296_gtFine_labelIds.png'
    write(label, np.full((4, 6), 7, np.uint8))
    dataset = open_dataset('cityscapes', tmp_path, 'val')
    assert [[frame.number for frame in clip] for clip in dataset.clips] == [
        [294, 295, 296], [600, 601]]
    write(label, np.full((4, 6), 34, np.uint8))
    with pytest.raises(ValueError, match=r'000296_gtFine_labelIds.png holds the label id 34'):
        dataset.check()
    write(label, np.full((2, 6), 7, np.uint8))
    with pytest.raises(ValueError, match=r'labelIds.png is 6x2 but its image .* is 6x4'):
        dataset.check()
    (tmp_path / stem.format(296)).unlink()
    with pytest.raises(ValueError, match=r'000296_gtFine_labelIds.png has no image of that name'):
        open_dataset('cityscapes', tmp_path, 'val')


@pytest.mark.parametrize(('stem', 'split'), [
    ('0001TP_006690', 'train'), ('0001TP_008520', 'train'), ('0001TP_008550', 'test'),
    ('0006R0_f00930', 'train'), ('0016E5_00390', 'train'), ('0016E5_07959', 'val'),
    ('0016E5_08159', 'val'), ('0016E5_08640', 'train'), ('Seq05VD_f00000', 'test')])
def test_splits_of_the_full_camvid(stem, split):
    assert segnet_split(stem) == split


def test_missing_folder_and_file_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'no folder .*val/images'):
        open_dataset('camvid', tmp_path, 'val')
    root = camvid(tmp_path, ['a_1'])
    (root / 'val/images/a_1.png').rename(root / 'val/images/a_2.png')
    with pytest.raises(ValueError, match=r'labels/a_1.png has no image of that name'):
        open_dataset('camvid', root, 'val')


@pytest.mark.parametrize(('label', 'message'), [
    (np.full((4, 6), 37, np.uint8), r'b_1.png holds the label id 37; known ids are 0-11, 255'),
    (np.zeros((4, 5), np.uint8), r'b_1.png is 5x4 but its image .*b_1.png is 6x4'),
    (np.zeros((4, 6, 3), np.uint8), r'b_1.png is uint8 with shape \(4, 6, 3\)'),
    (None, r'cannot read the image .*labels/b_1.png'),
])
def test_a_bad_label_is_named_before_training(tmp_path, label, message):
    root = camvid(tmp_path, ['a_1', 'b_1'])
    if label is None:
        (root / 'val/labels/b_1.png').write_bytes(b'no image')
    else:
        write(root / 'val/labels/b_1.png', label)
    with pytest.raises(ValueError, match=message):
        open_dataset('camvid', root, 'val').check()


