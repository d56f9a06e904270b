"""Which topics of a bag are labelled, and the names of what is written."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.wire import decoded
from tdnet_ros.bags.message import CAMERA_INFO, COMPRESSED_IMAGE
from tdnet_ros.bags.sources import info_topic, is_truth
from tdnet_ros.ros.cloud import DEPTHS, DepthError, pinhole
from tdnet_ros.ros.decoding import to_frame
from tdnet_ros.ros.errors import one_line
from tdnet_ros.ros.names import COMPRESSED, made_by_node

NODE = '/tdnet'
TRIED = 30
'''Images of a topic that are tried before it is given up: the first ones are often cut off.'''
NO_CAMERA = DepthError, BagError
'''Why a topic is left out without a word: it is one of depth, or there is nothing.'''


@dataclass(frozen=True)
class Camera:
    """One image topic that is labelled, and its outputs; None: not wanted."""

    topic: str
    compressed: bool
    labels: str
    label_info: str
    overlay: str | None = None
    confidence: str | None = None
    points: str | None = None
    depth: str = ''
    camera_info: bytes = b''
    '''The first of its sensor_msgs/CameraInfo, for points.'''


def plan_cameras(bag: Bag, options: LabelOptions,
                 report: Callable[[str], None]) -> tuple[Camera, ...]:
    """Choose what is labelled; BagError says why nothing can be.

    `report` is told of each topic that is left out, although it is none of depth.
    """
    topics = _named(bag, options.topics) if options.topics else _all_cameras(bag, report)
    depths = _depths(bag, topics, options) if options.points else ('',) * len(topics)
    return tuple(_camera(bag, topic, f'{NODE}/{name}' if name else NODE, depth, options)
                 for topic, name, depth in zip(topics, camera_names(topics), depths))


def time_span(bag: Bag, options: LabelOptions) -> tuple[int, int]:
    """Log times in ns from which and before which the bag is read."""
    start_ns = bag.start_ns + round(options.start_s * 1e9)
    stop_ns = bag.end_ns
    if options.duration_s is not None:
        stop_ns = min(stop_ns, start_ns + round(options.duration_s * 1e9))
    if start_ns >= stop_ns:
        raise BagError(f'{bag.path} ends {(bag.end_ns - bag.start_ns) / 1e9:.3f} s after its '
                       f'start: nothing is left from --start {options.start_s:g} on')
    return start_ns, stop_ns


def camera_names(topics: Collection[str]) -> list[str]:
    """The name of each topic's camera: '' for a single one, else the topic's last part less.

    Where that is the name of another, too, the topic without `/compressed`, else all of it.
    """
    if len(topics) == 1:
        return ['']
    plain = [topic.removesuffix(COMPRESSED).strip('/') for topic in topics]
    short = [name.rpartition('/')[0] for name in plain]
    uses = Counter([*filter(None, short), *plain])
    return [next((name for name in names if uses[name] == 1), names[-1])
            for names in zip(short, plain, (topic.strip('/') for topic in topics))]


def _camera(bag: Bag, topic: str, base: str, depth: str, options: LabelOptions) -> Camera:
    ending = '' if options.raw else COMPRESSED
    return Camera(
        topic, bag.topics[topic].msgtype == COMPRESSED_IMAGE, labels=f'{base}/labels{ending}',
        label_info=f'{base}/label_info',
        overlay=f'{base}/overlay{COMPRESSED}' if options.overlay else None,
        confidence=f'{base}/confidence{ending}' if options.confidence else None,
        points=f'{base}/points' if depth else None, depth=depth,
        camera_info=_camera_info(bag, topic) if depth else b'')


def _named(bag: Bag, topics: Collection[str]) -> list[str]:
    named = list(bag.image_topics(topics))
    for topic in named:
        problem = _problem(bag, topic)
        if problem:
            raise BagError(f'{bag.path}: {topic}: {one_line(problem)}')
    return named


def _all_cameras(bag: Bag, report: Callable[[str], None]) -> list[str]:
    images = bag.image_topics()
    filled = {topic for topic in images if bag.topics[topic].count}
    cameras = [topic for topic in images if not made_by_node(topic) and not is_truth(topic)
               and topic.removesuffix(COMPRESSED) not in filled - {topic}]
    problems = {topic: _problem(bag, topic) for topic in sorted(cameras)}
    found = [topic for topic, problem in problems.items() if problem is None]
    if not cameras:
        raise BagError(f'{bag.path} holds no camera images, only labels and what is made of them: '
                       f'{", ".join(sorted(images))}; take the bag that these were made from, or '
                       'record the camera, too')
    if not found:
        why = '; '.join(f'{topic}: {one_line(problem)}' for topic, problem in problems.items()
                        if problem)
        raise BagError(f'{bag.path} has no image topic that can be labelled ({why})')
    for topic, problem in problems.items():
        if problem and not isinstance(problem, NO_CAMERA):
            report(f'{bag.path}: {topic} is left out: {one_line(problem)}')
    return found


def _problem(bag: Bag, topic: str) -> Exception | None:
    """Why the images of a topic cannot be labelled, by the first few; None: they can be."""
    msgtype = bag.topics[topic].msgtype
    problem: Exception = BagError('it has no message')
    for message in islice(bag.messages([topic]), TRIED):
        try:
            to_frame(decoded(message.cdr, msgtype), msgtype == COMPRESSED_IMAGE)
            return None
        except Exception as error:  # damaged bytes raise nearly anything
            problem = error
            if isinstance(error, DepthError):
                break
    return problem


def _first(bag: Bag, topic: str) -> bytes:
    message = next(bag.messages([topic]), None)
    if message is None:
        raise LookupError(topic)
    return message.cdr


def _depths(bag: Bag, topics: list[str], options: LabelOptions) -> tuple[str, ...]:
    found = options.depth or tuple(topic for topic in bag.image_topics() if _is_depth(bag, topic))
    missing = [topic for topic in options.depth if topic not in bag.topics]
    if missing or len(found) != len(topics):
        raise BagError(
            f'{bag.path}: points need a depth topic for each of {", ".join(topics)}: name them '
            f'in that order with --depth; there are {", ".join(found) or "none"}'
            + (f', but no {missing[0]}' if missing else ''))
    return found


def _is_depth(bag: Bag, topic: str) -> bool:
    try:
        encoding = getattr(decoded(_first(bag, topic), bag.topics[topic].msgtype), 'encoding', '')
    except Exception:  # damaged bytes raise nearly anything
        return False
    return encoding in DEPTHS


def _camera_info(bag: Bag, topic: str) -> bytes:
    """The first camera_info beside an image topic."""
    name = info_topic(topic)
    try:
        if bag.topics[name].msgtype != CAMERA_INFO:
            raise LookupError(name)
        cdr = _first(bag, name)
        info = decoded(cdr, CAMERA_INFO)
        pinhole(info, (info.height, info.width))
        return cdr
    except LookupError as error:
        raise BagError(f'{bag.path}: points of {topic} need {name} ({CAMERA_INFO}), which is '
                       'not in the bag') from error
    except ValueError as error:
        raise BagError(f'{bag.path}: {name}: {error}') from error
