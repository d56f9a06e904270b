"""The demo as a visitor runs it: processes over DDS, and what it leaves behind."""
from collections.abc import Callable, Iterator
import json
from pathlib import Path
import signal
import subprocess
import sys
import time
import uuid

import cv2
import numpy as np
import pytest
import rclpy
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import Image

from tdnet_ros.demo.cli import main
from tdnet_ros.demo.output import claim
from tdnet_ros.demo.processes import Ending

FRAMES = 12
Start = Callable[..., subprocess.Popen]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of images in which something moves."""
    path = tmp_path / 'clip'
    path.mkdir()
    for index in range(FRAMES):
        image = np.full((96, 160, 3), 60, np.uint8)
        cv2.circle(image, (20 + 10 * index, 48), 15, (40, 160, 230), -1)
        cv2.imwrite(str(path / f'{index}.png'), image)
    return path


def processes_with(mark: str) -> list[str]:
    """Command lines of processes that inherited the mark."""
    found = []
    for process in Path('/proc').iterdir():
        try:
            if mark.encode() in (process / 'environ').read_bytes():
                found.append((process / 'cmdline').read_text().replace('\0', ' '))
        except (OSError, ValueError):
            continue
    return found


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the demo; at the end nothing that it started may be running."""
    mark = f'TDNET_TEST={uuid.uuid4()}'
    monkeypatch.setenv(*mark.split('='))
    running: list[subprocess.Popen] = []

    def start_one(*arguments: object) -> subprocess.Popen:
        running.append(subprocess.Popen(
            [sys.executable, '-m', 'tdnet_ros.demo', *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start_one
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate()
    mark_in_environ = processes_with(mark)
    monkeypatch.undo()
    assert mark_in_environ == []


@pytest.fixture
def signals() -> Iterator[None]:
    """The handlers of signals are those of before, after a demo in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def check_consistent(summary: dict) -> None:
    frames = summary['frames']
    assert list(frames) == ['sent', 'received', 'labelled', 'overwritten', 'failed']
    assert frames['sent'] >= frames['received']
    assert frames['received'] == frames['labelled'] + frames['overwritten'] + frames['failed']
    for spread in (summary['capture_to_publish_ms'], *summary['stages_ms'].values()):
        assert list(spread) == ['p50', 'p95', 'p99', 'max']
        assert 0 <= spread['p50'] <= spread['p95'] <= spread['p99'] <= spread['max']


def test_run_leaves_everything_it_promises(tmp_path: Path, clip: Path, start: Start) -> None:
    out = tmp_path / 'out'
    (clip / '5b.png').write_bytes(b'no png')
    demo = start('--images', clip, '--model', 'td2-tiny', '--rate', 4, '--out', out)
    text, errors = demo.communicate(timeout=120)
    assert demo.returncode == 0, errors
    assert 'ERROR' not in (out / 'log' / 'node.log').read_text()
    summary = json.loads((out / 'latency.json').read_text())
    check_consistent(summary)
    assert summary['frames']['sent'] == FRAMES
    assert summary['frames']['labelled'] >= FRAMES // 2
    assert 'capture to publish' in text
    assert f'note: cannot read the image {clip}/5b.png' in text
    assert 'ros2 launch tdnet_ros tdnet.launch.py image_topic:=/camera/image_raw' in text
    with Reader(out / 'bag') as reader:
        counts = {item.topic: item.msgcount for item in reader.connections}
    assert counts['/tdnet/labels'] == summary['frames']['labelled']
    assert counts['/tdnet/overlay/compressed'] == counts['/tdnet/debug/latency_ms']
    assert counts['/diagnostics'] > 1
    video = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= FRAMES // 2
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 160
    assert cv2.imread(str(out / 'overlay.png')).shape[1] == 1920
    assert cv2.imread(str(out / 'latency.png')) is not None


def wait_for_labels() -> None:
    rclpy.init(args=[])
    try:
        node, labels = rclpy.create_node('listener'), []
        node.create_subscription(Image, '/tdnet/labels', labels.append, 1)
        end_s = time.monotonic() + 60
        while not labels:
            assert time.monotonic() < end_s
            rclpy.spin_once(node, timeout_sec=0.1)
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_interrupt_reports_what_was_played(tmp_path: Path, clip: Path, start: Start) -> None:
    out = tmp_path / 'out'
    demo = start('--images', clip, '--model', 'td2-tiny', '--rate', 0.5, '--out', out)
    log = out / 'log' / 'player.log'
    end_s = time.monotonic() + 60
    while not log.exists():  # before, a subscriber of labels would be taken for the recorder
        assert time.monotonic() < end_s
        time.sleep(0.1)
    wait_for_labels()
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0, errors
    summary = json.loads((out / 'latency.json').read_text())
    check_consistent(summary)
    assert 1 <= summary['frames']['labelled'] < FRAMES


@pytest.mark.parametrize(('number', 'begun', 'message'), [
    (signal.SIGTERM, 'recorder', ''), (signal.SIGINT, 'player', 'demo: interrupted\n')])
def test_ended_before_the_first_image_leaves_nobody(
        tmp_path: Path, clip: Path, start: Start, number: signal.Signals, begun: str,
        message: str) -> None:
    demo = start('--images', clip, '--model', 'td2-tiny', '--out', tmp_path / 'out')
    end_s = time.monotonic() + 60
    while not (tmp_path / 'out' / 'log' / f'{begun}.log').exists():
        assert time.monotonic() < end_s
        time.sleep(0.1)
    time.sleep(0.3)  # for the demo to look on
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (128 + number, message)


@pytest.mark.usefixtures('signals')
@pytest.mark.parametrize(('arguments', 'message'), [
    (('--video', 'missing.mp4'), 'demo: missing.mp4 does not exist'),
    (('--images', 'clip', '--view'), 'demo: --view: '),
])
def test_bad_input_is_one_clear_line(
        clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
        arguments: tuple[str, ...], message: str) -> None:
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.chdir(clip.parent)
    assert main(arguments) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(message)
    assert len(errors.splitlines()) == 1


@pytest.mark.usefixtures('signals')
@pytest.mark.parametrize(('before', 'after'), [
    (signal.SIG_DFL, Ending.ask), (signal.SIG_IGN, signal.SIG_IGN)])
def test_a_hangup_ends_the_demo_unless_nohup_has_it_ignored(before: object,
                                                            after: object) -> None:
    signal.signal(signal.SIGHUP, before)
    assert main(['--video', 'missing.mp4']) == 1
    assert signal.getsignal(signal.SIGHUP) == after


@pytest.mark.parametrize(('name', 'topic', 'other'), [
    ('tdnet', '/x', 'a node named tdnet'),
    ('camera', '/camera/image_raw', 'a publisher of /camera/image_raw')])
def test_somebody_else_on_the_domain_is_one_clear_line(
        tmp_path: Path, clip: Path, start: Start, name: str, topic: str, other: str) -> None:
    rclpy.init(args=[])
    try:
        node = rclpy.create_node(name)
        node.create_publisher(Image, topic, 1)
        demo = start('--images', clip, '--out', tmp_path / 'out')
        _, errors = demo.communicate(timeout=60)
        node.destroy_node()
    finally:
        rclpy.shutdown()
    assert demo.returncode == 1
    assert errors.startswith(f'demo: {other} is already there on ROS_DOMAIN_ID ')
    assert len(errors.splitlines()) == 1
    assert not list((tmp_path / 'out' / 'log').iterdir()), 'nothing has been started'


def test_interrupt_while_modules_are_loaded_is_silent(start: Start, tmp_path: Path) -> None:
    for delay_s in (0.1, 0.2, 0.4):
        demo = start('--video', 'missing.mp4', '--out', tmp_path / 'out')
        time.sleep(delay_s)
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=60)
        assert 'tdnet_ros/demo' not in errors


def test_run_that_cannot_start_leaves_the_results_of_the_last(tmp_path: Path, clip: Path,
                                                              start: Start) -> None:
    out = tmp_path / 'out'
    claim(out, None).close()
    (out / 'overlay.mp4').write_text('last')
    demo = start('--images', clip, '--model', 'no-such-model', '--out', out)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert (out / 'overlay.mp4').read_text() == 'last'
    why, kept = errors.splitlines()
    assert why.startswith("demo: the node reports: cannot configure: model 'no-such-model': ")
    assert kept == (f'{out}/ still holds the results of an earlier run (overlay.mp4); '
                    'log/node.log is of this one')
