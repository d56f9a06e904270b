"""Named sets of classes: what a pixel value means and the colour it is drawn in."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from tdnet_ros.nets.records import Range, read_value, read_yaml
from tdnet_ros.nets.writing import replacing

UNLABELED = 255
'''Pixel value of 'no class' in label images and ground truth (vision_msgs, Cityscapes).'''

BLACK = (0, 0, 0)
'''RGB colour in painted labels of what has no class, unless a class has it.'''

Level = Annotated[int, Range(0, 255)]
Color = tuple[Level, Level, Level]


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
        for name in self.names:
            if not name.strip() or not name.isprintable():
                raise ValueError(f"class set '{self.name}': a class is named {name!r}, expected "
                                 'a text in one line')
        if len(self.names) >= UNLABELED:
            raise ValueError(f"class set '{self.name}': {len(self.names)} classes, "
                             f'expected fewer than {UNLABELED}')

    def __len__(self) -> int:
        return len(self.names)

    def described(self) -> list[str]:
        """Return each class with its colour: 'road [128, 64, 128]'."""
        return [f'{name} {list(color)}'
                for name, color in zip(self.names, self.palette, strict=True)]


def read_classes(path: Path, name: str = '') -> ClassSet:
    """
    Read a YAML mapping of class names to [red, green, blue], in the order of the ids.

    The set is named after the file unless a name is given. ValueError names the file.
    """
    if not path.is_file():
        raise ValueError(f'there is no {path}: expected a mapping of class names to RGB colours')
    try:
        return _class_set(name or path.stem, _named_colors(read_yaml(path)))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def write_classes(path: Path, classes: ClassSet) -> None:
    """Write what `read_classes` reads."""
    table = {name: list(color) for name, color in zip(classes.names, classes.palette)}
    _named_colors(table)
    with replacing(path) as partial:
        partial.write_text(yaml.safe_dump(table, sort_keys=False, default_flow_style=None,
                                          allow_unicode=True), encoding='utf-8')


def _named_colors(table: Any) -> dict[str, Color]:
    if not isinstance(table, Mapping):
        raise ValueError(f'it holds {table!r}, expected a mapping of class names to RGB colours, '
                         "as 'road: [128, 64, 128]'")
    found: dict[Color, str] = {}
    for name, value in table.items():
        if not isinstance(name, str):
            raise ValueError(f'the name {name!r} is not text: put it in quotes')
        color = read_value(Color, value, 'colours', name)
        if color in found:
            raise ValueError(f'{found[color]} and {name} have the same colour, {list(color)}')
        found[color] = name
    return {name: color for color, name in found.items()}


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
