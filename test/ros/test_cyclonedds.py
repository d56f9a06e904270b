"""Images that Cyclone DDS has no room for, said by a node that takes itself to be on it."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest

from ros.harness import TINY, NodeProcess, Peer, image_message, message_of, moving_square, wait_for
from tdnet_ros.ros import cyclonedds
from tdnet_ros.ros.cyclonedds import receive_buffer, too_large
from tdnet_ros.ros.diagnostics import losses

OURS = 'file:///opt/ros/humble/share/tdnet_ros/config/cyclonedds.xml'
ON_CYCLONE = """
from pathlib import Path
from tdnet_ros.ros import cyclonedds
cyclonedds.is_used = lambda: True
cyclonedds.LIMIT = Path('{limit}')
"""


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's limit, which is a file, for Cyclone DDS."""
    path = tmp_path / 'rmem_max'
    monkeypatch.setattr(cyclonedds, 'LIMIT', path)
    monkeypatch.setattr(cyclonedds, 'is_used', lambda: True)
    return path


@pytest.mark.parametrize(('uri', 'allowed', 'room'), [
    ('', 212_992, 425_984), ('', 2**26, 2**21), (OURS, 2**26, 2**27), (OURS, 212_992, 425_984),
    ('file:///etc/mine.xml', 212_992, None), ('<CycloneDDS/>', 212_992, None)])
def test_the_room_is_twice_what_is_asked_for_up_to_the_limit_of_the_kernel(
        limit: Path, uri: str, allowed: int, room: int | None) -> None:
    limit.write_text(f'{allowed}\n')
    assert receive_buffer({'CYCLONEDDS_URI': uri} if uri else {}) == room


def test_nothing_is_said_where_it_is_not_known_or_of_another_middleware(
        limit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert receive_buffer({}) is None, 'no such file'
    limit.write_text('1000')
    monkeypatch.setattr(cyclonedds, 'is_used', lambda: False)
    assert too_large(10**9) == '', 'Fast DDS'
    assert 'fastdds.xml' in losses(1, 'image').text
    monkeypatch.setattr(cyclonedds, 'is_used', lambda: True)
    monkeypatch.delenv('CYCLONEDDS_URI', raising=False)
    assert too_large(2000) == ''
    assert 'images of 1000.0 MB come' in too_large(10**9)
    assert 'need sudo sysctl -w net.core.rmem_max=67108864, and' in losses(1, 'image').text


def test_log_and_diagnostics_say_that_images_are_too_large(
        start: Callable[..., NodeProcess], peer: Peer, limit: Path) -> None:
    limit.write_text('4000')
    process = start(*TINY, '-r', '__node:=cyclone', '-p', 'cameras:=[front, rear]',
                    patch=ON_CYCLONE.format(limit=limit), ready='active: labels')
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    cameras = ['front', 'rear']
    send = [peer.sender(topic=f'/{camera}/image') for camera in cameras]
    words = 'images of 0.0 MB come through Cyclone DDS, which has room for 0.0 MB and loses'

    def is_told() -> bool:
        for publisher in send:
            publisher.publish(image_message(moving_square(1)[0], peer.now_ns()))
        time.sleep(0.05)
        return all(words in message_of(diagnostics, f'cyclone: {camera}') for camera in cameras)

    wait_for(is_told, 'warning')
    told = len(diagnostics) + 3
    wait_for(lambda: len(diagnostics) > told, 'diagnostics since then')
    for camera in cameras:
        assert process.log.count(f'/{camera}/image: {words}') == 1
    assert process.end() == 0
