"""The data sets that the tools know by name: where their files lie and what the labels mean."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import re

from tdnet_ros.learn.datasets import Dataset, pair_frames, split_clips
from tdnet_ros.learn.reading import (
    LabelReader,
    class_reader,
    colour_reader,
    id_reader,
    list_images,
)
from tdnet_ros.nets.classes import BLACK, CAMVID, CITYSCAPES, UNLABELED, ClassSet, read_classes

CAMVID_VOID = 11
CAMVID_STEP = 2
"""Frames of the validation clip are two apart (15 Hz); the 30 of the others is no clip."""

VIDEOS = r'(?P<video>.*?)(?P<number>\d+)'
STILLS = r'(?!)'
"""As a pattern of video names: matches none."""

CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label ids of the 19 classes, in the order of the class set."""
CITYSCAPES_LAST_ID = 33

CAMVID_COLOURS = {
    'sky': ((128, 128, 128),),
    'building': ((128, 0, 0), (0, 128, 64), (64, 192, 0), (64, 0, 64), (192, 0, 128)),
    'pole': ((192, 192, 128), (0, 0, 64)),
    'road': ((128, 64, 128), (128, 0, 192), (192, 0, 64)),
    'pavement': ((0, 0, 192), (64, 192, 128), (128, 128, 192)),
    'tree': ((128, 128, 0), (192, 192, 0)),
    'sign symbol': ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    'fence': ((64, 64, 128),),
    'car': ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    'pedestrian': ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),
    'bicyclist': ((0, 128, 192), (192, 0, 192)),
}
"""Colours of the 32-class labels that make up each of the 11 classes."""


def open_dataset(name: str, root: Path, split: str) -> Dataset:
    """Open one of DATASETS; a ValueError says what is missing."""
    dataset = DATASETS[name](Path(root), split)
    if not dataset.labelled():
        raise ValueError(f"the split '{split}' in {root} has no labelled frame")
    return dataset


def open_camvid(root: Path, split: str) -> Dataset:
    """CamVid, 11 classes: ROOT/SPLIT/images and ROOT/SPLIT/labels with ids 0 to 10, 11 = void."""
    ids = {i: i for i in range(len(CAMVID))}
    ids |= {CAMVID_VOID: UNLABELED, UNLABELED: UNLABELED}
    return _folders(root / split, CAMVID, id_reader(ids), VIDEOS, CAMVID_STEP)


def open_full_camvid(root: Path, split: str) -> Dataset:
    """
    CamVid as released: ROOT/701_StillsRaw_full/*.png and ROOT/LabeledApproved_full/*_L.png.

    The 32 painted classes become the usual 11; the splits are those of SegNet.
    """
    colours = {
        colour: number for number, name in enumerate(CAMVID.names)
        for colour in CAMVID_COLOURS[name]}
    colours[BLACK] = UNLABELED
    source = root / '701_StillsRaw_full'
    images = {name: path for name, path in list_images(source).items()
              if segnet_split(path.stem) == split}
    if not images:
        raise ValueError(f"no image in {source} belongs to the split '{split}'; "
                         'expected train, val or test')
    labels = {name.removesuffix('_L'): path
              for name, path in list_images(root / 'LabeledApproved_full').items()
              if segnet_split(path.stem.removesuffix('_L')) == split}
    frames = pair_frames(images, labels, source, r'(?P<video>.+?)_f?(?P<number>\d+)')
    return Dataset(CAMVID, split_clips(frames, CAMVID_STEP), colour_reader(colours))


def segnet_split(stem: str) -> str:
    """Return the split of a CamVid frame by its video and number."""
    video, number = stem.split('_')[0], int(re.sub(r'\D', '', stem.split('_')[-1]) or 0)
    if video == 'Seq05VD' or (video == '0001TP' and number >= 8550):
        return 'test'
    return 'val' if video == '0016E5' and number >= 7959 and number % 2 else 'train'


def open_cityscapes(root: Path, split: str) -> Dataset:
    """
    Cityscapes: ROOT/gtFine and ROOT/leftImg8bit_sequence, or leftImg8bit where there is no video.

    Only frame 19 of each 30 is labelled.
    """
    source = root / 'leftImg8bit_sequence' / split
    if not source.is_dir():
        source = root / 'leftImg8bit' / split
    suffix = '_gtFine_labelIds'
    labels = {
        name.removesuffix(suffix) + '_leftImg8bit': path
        for name, path in list_images(root / 'gtFine' / split).items() if name.endswith(suffix)}
    ids = dict.fromkeys(range(CITYSCAPES_LAST_ID + 1), UNLABELED)
    ids |= {label: number for number, label in enumerate(CITYSCAPES_IDS)}
    pattern = r'(?P<video>.*_)(?P<number>\d+)_leftImg8bit'
    frames = pair_frames(list_images(source), labels, source, pattern)
    return Dataset(CITYSCAPES, split_clips(frames, 1), id_reader(ids), rate_hz=17)


def open_nyuv2(root: Path, split: str) -> Dataset:
    """
    NYU depth v2, 40 classes: ROOT/image/SPLIT and ROOT/seg40/SPLIT (0 to 39, 255 = void).

    So the usual tools extract it. ROOT/SPLIT/images and ROOT/SPLIT/labels (1 to 40, 0 = void) do
    as well. Published are train and test alone: test stands for val where there is no val. The
    pictures are no video, whatever their numbers.
    """
    extracted = (root / 'image').is_dir()
    places = [(root / 'image' / name, root / 'seg40' / name) if extracted else
              (root / name / 'images', root / name / 'labels') for name in (split, 'test')]
    images, labels = places[split == 'val' and not places[0][0].is_dir()]
    first = 0 if extracted else 1
    ids = {first + number: number for number in range(len(NYU))}
    ids |= {UNLABELED: UNLABELED} | ({} if extracted else {0: UNLABELED})
    frames = pair_frames(list_images(images), list_images(labels), images, STILLS)
    return Dataset(NYU, split_clips(frames, 1), id_reader(ids))


def open_folder(root: Path, split: str) -> Dataset:
    """
    Any data: ROOT/SPLIT/images, ROOT/SPLIT/labels and ROOT/classes.yaml.

    The YAML maps names to RGB colours, in the order of the ids; labels hold ids, 255 = void, or
    are painted in the colours. Images whose names end in numbers that count on are one
    video; images without a label are its frames in between.
    """
    return _own(root, split, VIDEOS)


def open_stills(root: Path, split: str) -> Dataset:
    """Any pictures, laid out as for `folder`, that are no video whatever their numbers."""
    return _own(root, split, STILLS)


def _own(root: Path, split: str, video_names: str) -> Dataset:
    classes = read_classes(root / 'classes.yaml', root.resolve().name)
    return _folders(root / split, classes, class_reader(classes), video_names, 1)


def _folders(root: Path, classes: ClassSet, read_label: LabelReader, video_names: str,
             step: int) -> Dataset:
    source = root / 'images'
    frames = pair_frames(list_images(source), list_images(root / 'labels'), source, video_names)
    return Dataset(classes, split_clips(frames, step), read_label)


def _spread_colour(number: int) -> tuple[int, int, int]:
    """Return a colour far from those of the numbers around it (as Pascal VOC paints classes)."""
    red, green, blue = (
        sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8))
        for channel in range(3))
    return red, green, blue


NYU_NAMES = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor mat', 'clothes', 'ceiling', 'books', 'refrigerator', 'television', 'paper', 'towel',
    'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
    'bathtub', 'bag', 'other structure', 'other furniture', 'other prop')
NYU = ClassSet('nyuv2', NYU_NAMES, tuple(_spread_colour(i + 1) for i in range(len(NYU_NAMES))))

DATASETS: dict[str, Callable[[Path, str], Dataset]] = {
    'camvid': open_camvid,
    'camvid32': open_full_camvid,
    'cityscapes': open_cityscapes,
    'nyuv2': open_nyuv2,
    'folder': open_folder,
    'stills': open_stills,
}
