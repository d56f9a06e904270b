"""The programs in docs/node.md do with the real node what is said of them."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import re
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters

from ros.camera import Camera
from ros.harness import TINY, NodeProcess, Peer, image_message, moving_square, wait_for
from ros.points import HEIGHT, WIDTH, depth_message

DOCUMENT = Path(__file__).parents[2] / 'docs/node.md'


@pytest.fixture(scope='module')
def camera(start: Callable[..., NodeProcess], peer: Peer) -> Camera:
    start(*TINY)
    return Camera(peer)


@contextmanager
def documented(heading: str, folder: Path) -> Iterator[Callable[[], str]]:
    """Run the first program below a heading; what it has printed."""
    section = DOCUMENT.read_text().partition(f'### {heading}\n')[2]
    program = re.search(r'```python\n(.*?)```', section, re.DOTALL)
    assert program is not None
    log = folder / 'log.txt'
    with log.open('wb') as output:
        process = subprocess.Popen([sys.executable, '-c', program[1]],
                                   stdout=output, stderr=subprocess.STDOUT)
    try:
        yield log.read_text
    finally:
        process.kill()
        process.wait()


def test_a_node_that_uses_the_labels(camera: Camera, tmp_path: Path) -> None:
    pytest.importorskip('vision_msgs', reason='vision_msgs is not built')
    with documented('A node that uses the labels', tmp_path) as said:
        wait_for(lambda: not camera.step(moving_square(1)[0]) or 'road: ' in said(), 'share')
        assert re.match(r'road: \d+% of the image$', said().splitlines()[0])


def test_labels_with_depth(camera: Camera, peer: Peer, tmp_path: Path) -> None:
    rgb = moving_square(1, HEIGHT, WIDTH)[0]
    metres = np.full((HEIGHT, WIDTH), 4.25, np.float32)
    metres[:8] = np.nan

    def send(images: Any, depths: Any) -> None:
        now_ns = peer.now_ns()
        depths.publish(depth_message(now_ns, metres, '32FC1'))
        images.publish(image_message(rgb, now_ns))
        time.sleep(0.05)

    with documented('Labels with depth', tmp_path) as said:
        senders = peer.sender(), peer.sender(topic='/depth/image')
        wait_for(lambda: send(*senders) or ' m' in said(), 'distances')
        assert set(re.findall(r'class \d+: (.*)', said())) == {'4.25 m'}


def test_without_the_ros2_command(camera: Camera, peer: Peer, tmp_path: Path) -> None:
    with documented('Without the `ros2` command', tmp_path) as said:
        wait_for(lambda: 'tdnet: image' in said(), 'diagnostics')
        assert 'the next image starts with an empty memory' in said()
        assert "'state': 'active'" in said()
    opacity = peer.call(GetParameters, '/tdnet/get_parameters',
                        GetParameters.Request(names=['overlay_opacity'])).values[0]
    assert opacity.double_value == 0.7
