"""Sources to play, bags to read, and the program under test in processes of its own."""
from collections.abc import Callable, Iterator
from pathlib import Path
import signal
import subprocess
import sys

import cv2
import pytest
import rclpy
from std_msgs.msg import Header

from bags.label_material import save_model
from bags.material import (
    FRAMES,
    SHAPE,
    Peer,
    compressed_message,
    frame,
    image_message,
    label_command,
    write_bag,
)
from tdnet_ros.bags.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / 'frames'
    path.mkdir()
    for index in range(FRAMES):
        cv2.imwrite(str(path / f'frame{index}.png'), frame(index))
    (path / 'notes.txt').write_text('not an image')
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 20.0, SHAPE[1::-1])
    for index in range(FRAMES):
        writer.write(frame(index))
    writer.release()
    return path


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Two cameras, one raw at 10 Hz and one compressed at 5 Hz."""
    return write_bag(tmp_path / 'bag', {
        '/front/image_raw': [(100 * k, image_message(k)) for k in range(6)],
        '/rear/image_raw/compressed': [(200 * k + 30, compressed_message(k)) for k in range(3)],
        '/note': [(5, Header(frame_id='no image'))]})


@pytest.fixture
def peer() -> Iterator[Peer]:
    rclpy.init(args=[])
    node = rclpy.create_node('peer')
    yield Peer(node)
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start tdnet_bag with these arguments in a process of its own."""
    running: list[subprocess.Popen] = []

    def start_one(*arguments: object, **options: object) -> subprocess.Popen:
        running.append(subprocess.Popen(
            [sys.executable, '-m', 'tdnet_ros.bags.cli', *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options))
        return running[-1]

    yield start_one
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def tdnet_bag(capsys: pytest.CaptureFixture) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run tdnet_bag with these arguments in this process; return status, output and errors."""
    handlers = {number: signal.getsignal(number)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main([*map(str, arguments)])
        except SystemExit as end:  # of argparse
            status = int(end.code)
        return status, *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope='module')
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of four paths, or of the module's PATHS."""
    return save_model(tmp_path_factory.mktemp('model'), getattr(request.module, 'PATHS', 4))


@pytest.fixture
def run(model: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, list[str]]]:
    """Run `tdnet_bag label` with the module's model; return status and lines of its errors."""
    def run(*arguments: object) -> tuple[int, list[str]]:
        status = main(label_command(model, tmp_path, *arguments))
        return status, capsys.readouterr().err.splitlines()
    return run
