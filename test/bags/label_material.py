"""Camera bags in every format, made without ROS, and what labelling them must give."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import shutil
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
import torch
import yaml

from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.label.wire import decoded, types
from tdnet_ros.nets.card import save_card, untrained_card
from tdnet_ros.nets.checkpoint import load_network, save_weights
from tdnet_ros.ros.admission import stale_reason
from tdnet_ros.ros.decoding import to_frame
from tdnet_ros.stream import VideoSegmenter

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
SIZE = (48, 64)
START_NS = 1_000_000_000_000
MS = 1_000_000
FORMATS = ['mcap', 'db3', 'split', 'zstd-file', 'zstd-message', 'ros1']


@dataclass(frozen=True)
class Logged:
    """A message, ready to be written, or its bytes."""

    topic: str
    msgtype: str
    logged_ns: int
    message: Any


def make(msgtype: str, **fields: Any) -> Any:
    return types().types[msgtype](**fields)


def header(stamp_ns: int, frame_id: str = 'front') -> Any:
    stamp = make('builtin_interfaces/msg/Time', sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def raw_image(pixels: np.ndarray, head: Any, encoding: str = 'bgr8') -> Any:
    height, width = pixels.shape[:2]
    data = np.frombuffer(pixels.tobytes(), np.uint8)
    return make(IMAGE, header=head, height=height, width=width, encoding=encoding,
                is_bigendian=0, step=len(data) // height, data=data)


def jpeg_image(pixels: np.ndarray, head: Any) -> Any:
    return make(COMPRESSED, header=head, format='bgr8; jpeg compressed bgr8',
                data=cv2.imencode('.jpg', pixels)[1].reshape(-1))


def scene(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A coarse random picture: two of them do not correlate."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_NEAREST)


def clip(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    for index in range(count):
        picture = scene(seed)
        picture[10:30, 2 + index % 40:22 + index % 40] = (200, 30, 60)
        yield picture


def drive(count: int = 24, topic: str = '/front/image_raw', period_ms: int = 50) -> list[Logged]:
    """A plain clip of raw images."""
    return [Logged(topic, IMAGE, START_NS + (index * period_ms + 3) * MS,
                   raw_image(picture, header(START_NS + index * period_ms * MS)))
            for index, picture in enumerate(clip(count))]


def eventful() -> list[Logged]:
    """Two cameras, and everything that empties a memory or makes a frame fail."""
    logged: list[Logged] = []

    def front(ms: int, picture: np.ndarray, stamp_ms: int | None = None,
              frame_id: str = 'front', encoding: str = 'bgr8', drop: int = 0) -> None:
        stamp_ns = START_NS + (ms if stamp_ms is None else stamp_ms) * MS
        message = raw_image(picture, header(stamp_ns, frame_id), encoding)
        if drop:
            message.data = message.data[:-drop]
        logged.append(Logged('/front/image_raw', IMAGE, START_NS + (ms + 5) * MS, message))

    for index, picture in enumerate(clip(34)):
        ms = index * 50
        events: dict[int, dict[str, Any]] = {
            6: {'stamp_ms': 5 * 50},  # a copy
            9: {'stamp_ms': 8 * 50 - 20},  # late
            11: {'drop': 100},  # damaged
            13: {'frame_id': 'other'}, 14: {'frame_id': 'other'},
            18: {'encoding': 'rgb8'}, 19: {'encoding': 'rgb8'},
            22: {'stamp_ms': 10 * 50}, 23: {'stamp_ms': 11 * 50}}
        picture = scene(7) if index in (16, 17) else picture
        picture = cv2.resize(picture, (80, 56)) if index in (25, 26) else picture
        front(ms + (1500 if index > 28 else 0), picture, **events.get(index, {}))
    for index, picture in enumerate(clip(18, seed=3)):
        ms = index * 100 + 30
        logged.append(Logged('/rear/image_raw/compressed', COMPRESSED, START_NS + ms * MS,
                             jpeg_image(picture, header(START_NS + ms * MS, 'rear'))))
    return sorted(logged, key=lambda item: item.logged_ns)


def write_bag(path: Path, messages: Sequence[Logged], kind: str = 'mcap') -> Path:
    """Write a bag of one of FORMATS, or zstd-storage, with rosbags; ROS 1 gets the suffix .bag."""
    if kind == 'ros1':
        return _write_ros1(path.with_suffix('.bag'), messages)
    if kind == 'split':
        return _write_split(path, messages)
    plugin = StoragePlugin.SQLITE3 if kind == 'db3' else StoragePlugin.MCAP
    writer = Writer(path, version=8, storage_plugin=plugin)
    if kind.startswith('zstd'):
        mode = CompressionMode[kind.removeprefix('zstd-').upper()]
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, Any] = {}
        for item in messages:
            if item.topic not in connections:
                connections[item.topic] = writer.add_connection(
                    item.topic, item.msgtype, typestore=types())
            writer.write(connections[item.topic], item.logged_ns, cdr_of(item))
    return path


def cdr_of(item: Logged) -> bytes:
    return item.message if isinstance(item.message, bytes) else bytes(
        types().serialize_cdr(item.message, item.msgtype))


def _write_ros1(path: Path, messages: Sequence[Logged]) -> Path:
    store = get_typestore(Stores.ROS1_NOETIC)
    with Ros1Writer(path) as writer:
        connections: dict[str, Any] = {}
        for item in messages:
            if item.topic not in connections:
                connections[item.topic] = writer.add_connection(
                    item.topic, item.msgtype, typestore=store,
                    latching=1 if item.topic == '/tf_static' else None)
            writer.write(connections[item.topic], item.logged_ns,
                         types().cdr_to_ros1(cdr_of(item), item.msgtype))
    return path


def _write_split(path: Path, messages: Sequence[Logged]) -> Path:
    """Two files that overlap in time by a few messages."""
    half = len(messages) // 2
    parts = [[*messages[:half - 2], messages[half]],
             [*messages[half - 2:half], *messages[half + 1:]]]
    path.mkdir()
    abouts = []
    for index, part in enumerate(parts):
        folder = write_bag(path.with_name(f'{path.name}_{index}'), part)
        abouts.append(yaml.safe_load((folder / 'metadata.yaml').read_text()))
        shutil.move(folder / f'{folder.name}.mcap', path)
        shutil.rmtree(folder)
    about = abouts[0]['rosbag2_bagfile_information']
    about['relative_file_paths'] = [f'{path.name}_{index}.mcap' for index in range(2)]
    (path / 'metadata.yaml').write_text(yaml.safe_dump(abouts[0]))
    return path


def save_model(folder: Path, paths: int = 4, input_size: tuple[int, int] = (65, 97)) -> Path:
    """A small network with weights of its own, so that every process labels alike."""
    torch.manual_seed(1)
    card = untrained_card(f'td{paths}-tiny')
    weights = folder / f'td{paths}.safetensors'
    network = load_network(card)
    save_weights(network, weights)
    save_card(replace(card, weights=weights, input_size=input_size), weights.with_suffix('.yaml'))
    return weights.with_suffix('.yaml')


def expected(path: Path, model: Path) -> dict[str, dict[int, np.ndarray]]:
    """What the node's own parts make of a bag's frames: labels by topic and log time."""
    segmenter = VideoSegmenter.load(model, 'cpu')
    memories: dict[str, Any] = {}
    last: dict[str, int] = {}
    labels: dict[str, dict[int, np.ndarray]] = {}
    bag = Bag(path)
    topics = [name for name, topic in bag.topics.items() if topic.msgtype in (IMAGE, COMPRESSED)]
    for message in bag.messages(topics):
        msgtype = bag.topics[message.topic].msgtype
        try:
            frame = to_frame(decoded(message.cdr, msgtype), msgtype == COMPRESSED)
        except ValueError:
            continue
        if stale_reason(frame.stamp_ns, last.get(message.topic, 0)):
            continue
        memory = memories.setdefault(message.topic, segmenter.new_memory())
        result = segmenter.step(frame, memory)
        last[message.topic] = frame.stamp_ns
        labels.setdefault(message.topic, {})[message.logged_ns] = result.labels
    bag.close()
    return labels


def read_labels(path: Path, topic: str) -> dict[int, np.ndarray]:
    """Labels of a bag by log time, from PNG or raw images."""
    bag = Bag(path)
    found = {}
    for message in bag.messages([topic]):
        image = decoded(message.cdr, bag.topics[topic].msgtype)
        found[message.logged_ns] = (
            image.data.reshape(image.height, image.width) if hasattr(image, 'step')
            else cv2.imdecode(image.data, cv2.IMREAD_UNCHANGED))
    assert bag.problems == []
    bag.close()
    return found


def assert_same(found: dict[int, np.ndarray], wanted: dict[int, np.ndarray]) -> None:
    assert list(found) == list(wanted)
    for logged_ns, labels in wanted.items():
        np.testing.assert_array_equal(found[logged_ns], labels, err_msg=str(logged_ns))
