"""The data sets that the tools know by name: where their files lie and what the labels mean."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.datasets import id_reader
from tdnet_ros.learn.datasets import list_images
from tdnet_ros.learn.datasets import pair_frames
from tdnet_ros.learn.datasets import split_clips
from tdnet_ros.nets.classes import CAMVID
from tdnet_ros.nets.classes import UNLABELED

CAMVID_VOID = 11
CAMVID_STEP = 2
"""Frames of the validation clip are two apart (15 Hz); the 30 of the others is no video."""


def open_dataset(name: str, root: Path, split: str) -> Dataset:
    """Open a data set by name; a ValueError says what is missing."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set '{name}': expected one of {', '.join(DATASETS)}")
    return DATASETS[name](Path(root), split)


def open_camvid(root: Path, split: str) -> Dataset:
    """CamVid, 11 classes: ROOT/SPLIT/images and ROOT/SPLIT/labels with ids 0 to 10, 11 = void."""
    ids = {i: i for i in range(len(CAMVID))} | {i: UNLABELED for i in (CAMVID_VOID, UNLABELED)}
    images = list_images(root / split / 'images')
    labels = {path.stem: path for path in list_images(root / split / 'labels')}
    frames = pair_frames(images, labels, root / split / 'images')
    return Dataset('camvid', CAMVID, split_clips(frames, CAMVID_STEP), id_reader(ids))


DATASETS: dict[str, Callable[[Path, str], Dataset]] = {
    'camvid': open_camvid,
}
