"""Labels for pictures, out of the bags that `tdnet_bag label` wrote."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label_record import FILE, LabelRecord
from tdnet_ros.bags.labelled import LabelledBag
from tdnet_ros.bags.message import Message, header_stamp_ns
from tdnet_ros.nets.classes import BLACK, UNLABELED, ClassSet, read_classes, write_classes
from tdnet_ros.nets.writing import naming
from tdnet_ros.stream.frame import Image
from tdnet_ros.stream.labels import Painter


class BagLabels:
    """The labels of one bag that `tdnet_bag label` wrote."""

    def __init__(self, folder: Path, name: str, classes: Path) -> None:
        path = folder if (folder / FILE).exists() else folder / name
        self.record = LabelRecord.read(path)
        self._bag = LabelledBag(path)
        self.problems = self._bag.problems
        palette = _shared_classes(path, self.record, classes).palette
        self._painter = Painter(palette, bgr=True)
        self._black_is_a_class = BLACK in palette

    def close(self) -> None:
        """Give the files back."""
        self._bag.close()

    def beside(self, images: Iterator[Message]) -> Iterator[tuple[Message, Message]]:
        """The images that have a label, each with it: logged with it, of its stamp."""
        topics = {image: record.labels for image, record in self.record.topics.items()}
        labels = self._bag.messages(topics.values())
        label, latest, logged_ns = next(labels, None), dict[tuple[str, int], Message](), 0
        for image in images:
            while label is not None and label.logged_ns <= image.logged_ns:
                if label.logged_ns != logged_ns:
                    latest.clear()
                logged_ns = label.logged_ns
                latest[label.topic, header_stamp_ns(label.cdr)] = label
                label = next(labels, None)
            found = latest.get((topics.get(image.topic, ''), header_stamp_ns(image.cdr)))
            if found and logged_ns == image.logged_ns:
                yield image, found

    def painted(self, label: Message) -> Image | None:
        """Labels in the colours of the classes, BGR uint8 [H, W, 3], black where there is none.

        As ids [H, W] where black would be a class; None if they cannot be read, which is a
        problem then.
        """
        try:
            ids = self._bag.pixels(label)
        except BagError as error:
            self.problems.append(str(error))
            return None
        ambiguous = self._black_is_a_class and (ids == UNLABELED).any()
        return ids if ambiguous else self._painter.colorize(ids)


def _shared_classes(labelled: Path, record: LabelRecord, path: Path) -> ClassSet:
    """The classes of the data set, written if there are none; BagError unless they fit."""
    try:
        if not path.exists():
            with naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_classes(path, ClassSet(labelled.name, record.classes, record.palette))
        classes = read_classes(path)
    except ValueError as error:
        raise BagError(str(error)) from error
    if classes.names[:len(record.classes)] != record.classes:
        raise BagError(f'{path} has the classes {", ".join(classes.names)}; the labels in '
                       f'{labelled} have {", ".join(record.classes)}')
    return classes
