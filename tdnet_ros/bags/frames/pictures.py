"""Pictures of bags, and labels for them, as files that a person goes on with."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.frames.labels import BagLabels
from tdnet_ros.bags.label.location import bag_name, is_url
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.plan import plan_cameras, time_span
from tdnet_ros.bags.label.wire import decoded
from tdnet_ros.bags.message import COMPRESSED_IMAGE, Message, has_header, header_stamp_ns
from tdnet_ros.bags.progress import Update, progress
from tdnet_ros.nets.images import PNG, is_image
from tdnet_ros.nets.writing import naming, replacing
from tdnet_ros.ros.admission import RateLimit
from tdnet_ros.ros.decoding import to_frame
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.names import COMPRESSED
from tdnet_ros.ros.texts import counted
from tdnet_ros.stream import Frame
from tdnet_ros.stream.memory import correlation, thumbnail

ALIKE = 0.99
'''Pictures whose thumbnails correlate more are of a camera that stands still.

Measured on drives, a picture each second: waiting in traffic 0.990 to 0.998, half of all pairs
below 0.92.
'''


@dataclass(frozen=True)
class FramesOptions:
    """Which pictures to take, and where to."""

    folder: Path
    '''Of the split.'''
    period_s: float
    all: bool
    '''Also pictures like the one before.'''
    labels: Path | None
    '''A bag that `tdnet_bag label` wrote, or the folder of such bags.'''
    read: LabelOptions
    '''Topics, start and duration.'''


def write_frames(location: str, options: FramesOptions) -> tuple[str, list[str]]:
    """Add pictures of a bag; return in a line what was done, and what could not be read."""
    problems: list[str] = []
    name, path, labels = bag_name(location), Path(location), None
    with ExitStack() as stack:
        if is_url(location):
            path = _copy(location, stack.enter_context(TemporaryDirectory(prefix='tdnet_bag_')))
        try:
            bag = stack.enter_context(closing(Bag(path)))
            problems = bag.problems
            if options.labels:
                labels = stack.enter_context(closing(BagLabels(
                    options.labels, name, options.folder.parent / 'classes.yaml')))
            pictures = _Pictures(bag, name, options, labels)
            with progress(f'reading {name}') as update:
                pictures.write(update)
        except BagError as error:
            lines = '\n'.join([str(error), *problems])
            raise BagError(lines.replace(str(path), location)) from error
        return pictures.told, [line.replace(str(path), location)
                               for line in (*problems, *(labels.problems if labels else ()))]


class _Pictures:
    """Chooses pictures of one bag, and writes what is not there."""

    def __init__(self, bag: Bag, name: str, options: FramesOptions,
                 labels: BagLabels | None) -> None:
        self._bag = bag
        self._options = options
        self._labels = labels
        self._types = {camera.topic: bag.topics[camera.topic].msgtype
                       for camera in plan_cameras(bag, options.read, bag.problems.append)}
        self._span = time_span(bag, options.read)
        self._folders = {kind: options.folder / kind / name for kind in ('images', 'labels')}
        self._there = {kind: {path.stem for path in folder.glob('*') if is_image(path)}
                       for kind, folder in self._folders.items()}
        self._last: dict[str, NDArray[np.float32]] = {}
        self._done: Counter[str] = Counter()

    @property
    def told(self) -> str:
        """What was done."""
        done = self._done
        labels = f' and {counted(done["labels"], "label")}' if self._labels else ''
        return (f'{counted(done["images"], "picture")}{labels} written to {self._options.folder}'
                + (f', {counted(done["kept"], "file")} kept from before' if done['kept'] else '')
                + (f', {counted(done["alike"], "picture")} like the one before left out'
                   if done['alike'] else ''))

    def write(self, update: Update) -> None:
        """Write them; BagError if there are none."""
        for image, label in self._due():
            try:
                message = decoded(image.cdr, self._types[image.topic])
                frame = to_frame(message, self._types[image.topic] == COMPRESSED_IMAGE)
            except Exception as error:  # damaged bytes raise nearly anything
                self._bag.unread.note(image.topic, image.logged_ns, one_line(error))
                continue
            if self._is_alike(image.topic, frame):
                self._done['alike'] += 1
                continue
            name = _name(image)
            if self._lacks('images', name):
                self._save('images', name, _picture(message, frame))
            if self._labels and label and self._lacks('labels', name):
                painted = self._labels.painted(label)
                if painted is not None:
                    self._save('labels', name, _png(painted))
            update(self._done['images'], counted(self._done['images'], 'picture'))
        if not self._done:
            labels = self._options.labels
            raise BagError(f'{self._bag.path}: there is no image that can be read between --start '
                           'and --duration' + (f', with a label of its stamp in {labels}: is that '
                                               'of another bag?' if labels else ''))

    def _due(self) -> Iterator[tuple[Message, Message | None]]:
        """An image of each topic every period; with its label, if labels are wanted."""
        images = (image for image in self._bag.messages(self._types, *self._span)
                  if has_header(image, self._bag.unread))
        rates: defaultdict[str, RateLimit] = defaultdict(RateLimit)
        for image, label in (self._labels.beside(images) if self._labels else
                             ((image, None) for image in images)):
            if rates[image.topic].admits(image.logged_ns * 1e-9, 1 / self._options.period_s):
                yield image, label

    def _is_alike(self, topic: str, frame: Frame) -> bool:
        """Whether a picture is left out, because the last of its topic is nearly the same."""
        seen = thumbnail(frame.rgb)
        if not self._options.all and topic in self._last and (
                correlation(self._last[topic], seen) > ALIKE):
            return True
        self._last[topic] = seen
        return False

    def _lacks(self, kind: str, name: str) -> bool:
        self._done['kept'] += name in self._there[kind]
        return name not in self._there[kind]

    def _save(self, kind: str, name: str, content: bytes) -> None:
        folder = self._folders[kind]
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
        suffix = '.png' if content.startswith(PNG) else '.jpg'
        with replacing(folder / f'{name}{suffix}') as part:
            part.write_bytes(content)
        self._there[kind].add(name)
        self._done[kind] += 1


def _copy(url: str, folder: str) -> Path:
    from tdnet_ros.bags.label.remote import fetched
    try:
        return fetched(url, Path(folder))
    except BagError:
        raise
    except Exception as error:  # storages fail in ways of their own
        raise BagError(f'{url}: {one_line(error)}') from error


def _name(image: Message) -> str:
    """Its topic and stamp, or log time: no other image has it, and no two are taken for video."""
    topic = image.topic.removesuffix(COMPRESSED).strip('/').replace('/', '-')
    return f'{topic}_{header_stamp_ns(image.cdr) or image.logged_ns}'


def _picture(message: Any, frame: Frame) -> bytes:
    """The file in a message, if it shows the pixels that the node sees; else a PNG of them."""
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    if hasattr(message, 'format'):
        shown = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
        if shown is not None and np.array_equal(shown, bgr):
            return bytes(message.data)
    return _png(bgr)


def _png(pixels: NDArray[Any]) -> bytes:
    return cv2.imencode('.png', pixels)[1].tobytes()
