"""`tdnet_bag record` as a process: QoS, bytes, signals, and topics that come late or never."""
from collections.abc import Callable
from pathlib import Path
import shutil
import signal
import subprocess
from typing import Any

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import Image
from std_msgs.msg import Float32, Header

from bags.material import Peer, image_message

Start = Callable[..., subprocess.Popen]
Run = Callable[..., tuple[int, str, str]]
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def finish(process: subprocess.Popen) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=15)


def record_values(peer: Peer, start: Start, folder: Path) -> tuple[Any, subprocess.Popen]:
    """A publisher of numbers that is being recorded, and what records it."""
    values = peer.node.create_publisher(Float32, '/value', 10)
    recorder = start('record', '/value', '--out', folder / 'bag')
    peer.spin_until(lambda: values.get_subscription_count() > 0)
    peer.spin_for(0.3)
    return values, recorder


def test_bytes_types_and_qos_are_those_of_the_publishers(tmp_path: Path, peer: Peer,
                                                         start: Start) -> None:
    images = peer.node.create_publisher(Image, '/camera/image_raw', qos_profile_sensor_data)
    values = peer.node.create_publisher(Float32, '/value', 10)
    latched = peer.node.create_publisher(Header, '/latched', LATCHED)
    latched.publish(Header(frame_id='published before the recorder was there'))
    recorder = start('record', '/camera/image_raw', '/value', '/latched', '--out',
                     tmp_path / 'bag')
    peer.spin_until(lambda: all(item.get_subscription_count()
                                for item in (images, values, latched)))
    peer.spin_for(0.3)
    for index in range(5):
        images.publish(image_message(index))
        values.publish(Float32(data=float(index)))
        peer.spin_for(0.05)
    out, err = finish(recorder)
    assert recorder.returncode == 0, err
    assert 'recorded 11 messages' in out
    with Reader(tmp_path / 'bag') as reader:
        recorded = {}
        for connection, _, cdr in reader.messages():
            recorded.setdefault(connection.topic, []).append(bytes(cdr))
        offers = {item.topic: (item.msgtype, item.ext.offered_qos_profiles[0])
                  for item in reader.connections}
    images = [deserialize_message(cdr, Image) for cdr in recorded['/camera/image_raw']]
    assert images == [image_message(index) for index in range(5)]
    assert len(recorded['/value']) == 5
    assert len(recorded['/latched']) == 1
    assert offers['/camera/image_raw'][0] == 'sensor_msgs/msg/Image'
    assert offers['/camera/image_raw'][1].reliability == QosReliability.BEST_EFFORT
    assert offers['/value'][1].reliability == QosReliability.RELIABLE
    assert offers['/value'][1].durability == QosDurability.VOLATILE
    assert offers['/latched'][1].durability == QosDurability.TRANSIENT_LOCAL


def test_an_interrupt_leaves_a_readable_bag(tmp_path: Path, peer: Peer, start: Start) -> None:
    recorder = start('record', '/late', '--out', tmp_path / 'bag')
    peer.spin_for(1.0)
    late = peer.node.create_publisher(Float32, '/late', 20)
    peer.spin_until(lambda: late.get_subscription_count() > 0)
    peer.spin_for(0.3)
    for _ in range(20):
        late.publish(Float32(data=1.0))
        peer.spin_for(0.01)
    _, err = finish(recorder)
    assert recorder.returncode == 0, err
    with Reader(tmp_path / 'bag') as reader:
        assert reader.message_count == 20


def test_a_topic_that_comes_again_with_another_type_is_said(tmp_path: Path, peer: Peer,
                                                            start: Start) -> None:
    first, recorder = record_values(peer, start, tmp_path)
    first.publish(Float32(data=1.0))
    peer.spin_for(0.1)
    peer.node.destroy_publisher(first)
    peer.node.create_publisher(Header, '/value', 10)
    peer.spin_for(1.0)
    out, err = finish(recorder)
    assert recorder.returncode == 1
    assert 'recorded 1 message ' in out
    assert err.splitlines()[-1] == (
        'tdnet_bag: /value: messages of std_msgs/msg/Header are not recorded: those of '
        'std_msgs/msg/Float32 came first')


def test_a_recording_ends_when_its_bag_is_removed(tmp_path: Path, peer: Peer,
                                                  start: Start) -> None:
    values, recorder = record_values(peer, start, tmp_path)
    shutil.rmtree(tmp_path / 'bag')
    values.publish(Float32(data=1.0))
    _, err = recorder.communicate(timeout=15)
    assert recorder.returncode == 1
    assert err.splitlines()[-1] == (
        f'tdnet_bag: cannot write {tmp_path}/bag: No such file or directory')


def test_topic_without_publisher_is_said(tmp_path: Path, tdnet_bag: Run) -> None:
    assert tdnet_bag('record', '/never', '--out', tmp_path / 'bag', '--duration', 0.3) == (
        1, '', 'tdnet_bag: /never never had a publisher\n')
    assert not (tmp_path / 'bag').exists()


@pytest.mark.parametrize('topic', ['bad topic!', '/a//b', '{x}', ''])
def test_bad_topic_is_one_line(tmp_path: Path, tdnet_bag: Run, topic: str) -> None:
    status, _, err = tdnet_bag('record', topic, '--out', tmp_path / 'bag')
    assert status == 1
    assert err.startswith(f'tdnet_bag: {topic!r} is no topic name: expected ')
    assert len(err.splitlines()) == 1
    assert not (tmp_path / 'bag').exists()


def test_existing_output_is_refused(tmp_path: Path, tdnet_bag: Run) -> None:
    assert tdnet_bag('record', '/x', '--out', tmp_path) == (
        1, '', f'tdnet_bag: {tmp_path} exists already: choose another --out or remove it\n')
