"""Named sets of classes: what a pixel value means and the colour it is drawn in."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

UNLABELED = 255
'''Pixel value of 'no class' in label images and ground truth (vision_msgs, Cityscapes).'''

Color = tuple[int, int, int]


@dataclass(frozen=True)
class ClassSet:
    """Class names in the order of their ids, with one RGB colour each."""

    name: str
    names: tuple[str, ...]
    palette: tuple[Color, ...]

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.palette):
            raise ValueError(f"class set '{self.name}': {len(self.names)} names and "
                             f'{len(self.palette)} colours, expected as many of each, at least 1')
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"class set '{self.name}': a name occurs twice")
        if not all(0 <= level <= 255 for color in self.palette for level in color):
            raise ValueError(f"class set '{self.name}': colours are [red, green, blue] from "
                             '0 to 255')
        if len(self.names) >= UNLABELED:
            raise ValueError(f"class set '{self.name}': {len(self.names)} classes, "
                             f'expected fewer than {UNLABELED}')

    def __len__(self) -> int:
        return len(self.names)


def read_classes(path: Path, name: str = '') -> ClassSet:
    """
    Read a YAML mapping of class names to [red, green, blue], in the order of the ids.

    The set is named after the file unless a name is given. ValueError names the file.
    """
    if not path.is_file():
        raise ValueError(f'there is no {path}: expected a mapping of class names to RGB colours')
    try:
        table = yaml.safe_load(path.read_text())
        return ClassSet(name or path.stem, tuple(map(str, table)),
                        tuple((int(r), int(g), int(b)) for r, g, b in table.values()))
    except (AttributeError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f'{path}: expected a mapping of class names to RGB colours, as '
                         f"'road: [128, 64, 128]' ({' '.join(str(error).split())})") from error


def _class_set(name: str, table: dict[str, Color]) -> ClassSet:
    return ClassSet(name, tuple(table), tuple(table.values()))


CITYSCAPES = _class_set('cityscapes', {
    'road': (128, 64, 128), 'sidewalk': (244, 35, 232), 'building': (70, 70, 70),
    'wall': (102, 102, 156), 'fence': (190, 153, 153), 'pole': (153, 153, 153),
    'traffic light': (250, 170, 30), 'traffic sign': (220, 220, 0),
    'vegetation': (107, 142, 35), 'terrain': (152, 251, 152), 'sky': (70, 130, 180),
    'person': (220, 20, 60), 'rider': (255, 0, 0), 'car': (0, 0, 142), 'truck': (0, 0, 70),
    'bus': (0, 60, 100), 'train': (0, 80, 100), 'motorcycle': (0, 0, 230),
    'bicycle': (119, 11, 32),
})

CAMVID = _class_set('camvid', {
    'sky': (128, 128, 128), 'building': (128, 0, 0), 'pole': (192, 192, 128),
    'road': (128, 64, 128), 'pavement': (60, 40, 222), 'tree': (128, 128, 0),
    'sign symbol': (192, 128, 128), 'fence': (64, 64, 128), 'car': (64, 0, 128),
    'pedestrian': (64, 64, 0), 'bicyclist': (0, 128, 192),
})

CLASS_SETS = {classes.name: classes for classes in (CITYSCAPES, CAMVID)}
