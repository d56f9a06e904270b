"""Settings for every test: one thread per process, fixed seeds, a DDS domain of its own."""
import fcntl
from importlib.util import find_spec
import os
from pathlib import Path
import signal
import socket
import sys
from tempfile import TemporaryDirectory
import time

import pytest
import torch

from tdnet_ros.demo.environment import prepare
from tdnet_ros.ros.fastdds import NEW, OLD, given_profile, profile_variable

ROOT = Path(__file__).parents[1]
NEED_ROS = ('bags', 'demo', 'ros')
SHARED_MEMORY = Path('/dev/shm')
OFTEN = ('<builtin><discovery_config><leaseAnnouncement><sec>0</sec>'
         '<nanosec>200000000</nanosec></leaseAnnouncement></discovery_config></builtin>')
SAFE_DOMAINS = range(1, 102)  # above these DDS ports meet the ephemeral ports of Linux

torch.set_num_threads(1)
# A shell ignores the one in what it puts into the background, nohup the other, and so would all
# that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def take_domain() -> tuple[int, socket.socket | None]:
    """Take a domain that nobody on this machine uses, held while the socket lives."""
    for domain in SAFE_DOMAINS:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f'\0tdnet_ros_test_domain_{domain}')
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first_participant:
                first_participant.bind(('', 7410 + 250 * domain))
            return domain, holder
        except OSError:
            holder.close()
    return os.getpid() % len(SAFE_DOMAINS), None


def free_abandoned_segments() -> None:
    """Remove shared memory that killed processes left: its lock is held by nobody."""
    for lock in SHARED_MEMORY.glob('fastrtps_*_el'):
        try:
            if time.time() - lock.stat().st_mtime < 60:
                continue
            with lock.open() as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock.with_name(lock.name.removesuffix('_el')).unlink(missing_ok=True)
                lock.unlink()
        except OSError:
            continue


def announce_often(folder: Path) -> None:
    """Let processes find each other sooner, by announcing themselves every 0.2 s in place of 3 s.

    The first announcements are often missed. The DDS profile is otherwise what it was.
    """
    given = given_profile()
    # Under pytest-xdist the process that starts the others has done so already.
    if given and OFTEN not in (text := Path(given).read_text()):
        profile = folder / 'fastdds.xml'
        profile.write_text(text.replace('<rtps>', f'<rtps>{OFTEN}'))
        os.environ[profile_variable()] = str(profile)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests, and the processes they start, away from every other ROS node."""
    domain, config.tdnet_domain_holder = take_domain()
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['OMP_NUM_THREADS'] = '1'
    free_abandoned_segments()
    prepare(os.environ)
    folder = TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    announce_often(Path(folder.name))


class WithoutROS(pytest.Collector):
    """A folder whose tests are made of messages."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(f'test/{self.name}: rclpy is missing')


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if find_spec('rclpy') or path.parent != ROOT / 'test' or path.name not in NEED_ROS:
        return None
    return WithoutROS.from_parent(parent, name=path.name)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix with this checkout's launch and config, rviz2 by name alone, and a bag 'drive'."""
    prefix = tmp_path / 'prefix'
    index = prefix / 'share/ament_index/resource_index/packages'
    index.mkdir(parents=True)
    (index / 'tdnet_ros').touch()
    (index / 'rviz2').touch()
    (prefix / 'share/tdnet_ros').mkdir()
    (prefix / 'share/tdnet_ros/config').symlink_to(ROOT / 'config')
    (prefix / 'share/tdnet_ros/launch').symlink_to(ROOT / 'launch')
    programs = prefix / 'lib/tdnet_ros'
    programs.mkdir(parents=True)
    (programs / 'tdnet_node').write_text(
        f'#!/bin/sh\nexec {sys.executable} -m tdnet_ros.ros.program "$@"\n')
    (programs / 'tdnet_node').chmod(0o755)
    others = os.environ.get('AMENT_PREFIX_PATH', '')
    (tmp_path / 'drive').mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('AMENT_PREFIX_PATH', os.pathsep.join(filter(None, [str(prefix), others])))


@pytest.fixture
def without_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names no Fast DDS profile."""
    for variable in (OLD, NEW):
        monkeypatch.delenv(variable, raising=False)
