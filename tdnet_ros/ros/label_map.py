"""Which of the model's classes are published, and as what."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.nets.classes import UNLABELED, ClassSet


class LabelMap:
    """Merges classes ('truck:car') and leaves out those that are not kept.

    Ids stay those of the model; what is left out becomes 255. ValueError names a class that the
    model does not have, that is to become two, or that is kept and becomes one that is not.
    """

    def __init__(self, classes: ClassSet, keep: Sequence[str] = (),
                 remap: Sequence[str] = ()) -> None:
        ids = {name: index for index, name in enumerate(classes.names)}
        keep, remap = [list(filter(None, entries)) for entries in (keep, remap)]
        targets = _targets(remap)
        named = {'keep_classes': keep, 'class_remap': [*targets, *targets.values()]}
        for parameter, names in named.items():
            for name in names:
                if name not in ids:
                    raise ValueError(f"{parameter}: there is no class '{name}', expected one of "
                                     f'{", ".join(ids)}')
        for source, target in targets.items():
            if source in keep and target not in keep:
                raise ValueError(f"keep_classes has '{source}', which class_remap publishes as "
                                 f"'{target}': expected '{target}' in keep_classes")
        self._table: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)
        for source, target in targets.items():
            self._table[ids[source]] = ids[target]
        kept = {ids[name] for name in keep or ids}
        for index in ids.values():
            if self._table[index] not in kept:
                self._table[index] = UNLABELED
        self._is_identity = bool((self._table == np.arange(256)).all())
        used = set(self._table[:len(ids)].tolist())
        self.names = {index: name for name, index in ids.items() if index in used}

    def apply(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The labels uint8 [H, W] as they are published."""
        return labels if self._is_identity else np.asarray(cv2.LUT(labels, self._table), np.uint8)


def _targets(remap: Sequence[str]) -> dict[str, str]:
    targets: dict[str, str] = {}
    for source, target in map(_pair, remap):
        if targets.setdefault(source, target) != target:
            raise ValueError(f"class_remap has '{source}' as '{targets[source]}' and as "
                             f"'{target}': expected one of them")
    return targets


def _pair(entry: str) -> tuple[str, str]:
    source, separator, target = (part.strip() for part in entry.partition(':'))
    if not (source and separator and target):
        raise ValueError(f"class_remap has '{entry}': expected 'class:class', such as 'truck:car'")
    return source, target
