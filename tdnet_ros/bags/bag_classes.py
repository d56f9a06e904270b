"""What the labels of a bag mean and the colours they are drawn in."""
from __future__ import annotations

from collections.abc import Mapping
import colorsys
from dataclasses import dataclass, field

from tdnet_ros.nets.card import find_model, shipped_models
from tdnet_ros.nets.classes import BLACK, CLASS_SETS, UNLABELED, ClassSet, Color

UNLABELED_NAME = 'unlabelled'
GOLDEN_RATIO = 0.618034  # steps around the colour wheel that keep neighbours apart


@dataclass(frozen=True)
class BagClasses:
    """Names of label ids, as far as the bag has them, and a colour for each id."""

    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, Color] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Mapping[int, str]) -> BagClasses:
        """Classes of which only the names are known: those of a known set get its colours."""
        for known in _known_sets():
            if names and all(dict(enumerate(known.names)).get(index) == name
                             for index, name in names.items()):
                return cls(names, dict(enumerate(known.palette)))
        return cls(names)

    def name(self, label: int) -> str:
        """Name of a label id, or one made up of its number."""
        default = UNLABELED_NAME if label == UNLABELED else f'class {label}'
        return self.names.get(label, default)

    def color(self, label: int) -> Color:
        """RGB of a label id."""
        if label == UNLABELED:
            return BLACK
        return self.colors.get(label) or _made_up(label)

    @property
    def palette(self) -> list[Color]:
        """RGB of every label id but 255."""
        return [self.color(label) for label in range(UNLABELED)]

    def conflict(self, other: BagClasses) -> str | None:
        """Say which label id has another name there, if one has."""
        for label in sorted(set(self.names) & set(other.names)):
            if self.names[label] != other.names[label]:
                return (f"label {label} is '{self.names[label]}' in one and "
                        f"'{other.names[label]}' in the other")
        return None

    def merged(self, other: BagClasses) -> BagClasses:
        """Names and colours of both; own ones first."""
        return BagClasses({**other.names, **self.names}, {**other.colors, **self.colors})


def _known_sets() -> list[ClassSet]:
    return [*CLASS_SETS.values(), *(find_model(name).classes for name in shipped_models())]


def _made_up(label: int) -> Color:
    hue = label * GOLDEN_RATIO % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, 0.9 if label % 2 else 0.65)
    return round(255 * red), round(255 * green), round(255 * blue)
