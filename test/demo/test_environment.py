"""A ROS domain of one's own, unless the user chose one."""
from pathlib import Path
import socket

import pytest

from tdnet_ros.demo import environment
from tdnet_ros.demo.environment import free_domain, prepare
from tdnet_ros.ros.cyclonedds import FILE, URI


def test_the_users_choices_stay() -> None:
    chosen = {'ROS_DOMAIN_ID': '7', 'FASTRTPS_DEFAULT_PROFILES_FILE': 'mine.xml',
              'CYCLONEDDS_URI': 'file:///etc/mine.xml'}
    environ = dict(chosen)
    prepare(environ)
    assert environ.items() >= chosen.items()


@pytest.mark.parametrize(('distro', 'name'), [
    ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'), ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ('', 'FASTRTPS_DEFAULT_PROFILES_FILE'), ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE')])
def test_fast_dds_gets_the_profile_under_one_name(
        monkeypatch: pytest.MonkeyPatch, distro: str, name: str) -> None:
    """ROS warns of a second one."""
    monkeypatch.setattr(environment, 'SHARED_MEMORY_BYTES', 0)
    environ = {'ROS_DISTRO': distro} if distro else {}
    prepare(environ)
    assert [key for key in environ if 'PROFILES' in key] == [name]
    assert environ[name].endswith('config/fastdds.xml')
    uri = environ['CYCLONEDDS_URI']
    assert Path(uri.removeprefix('file://')).read_text().startswith('<?xml')
    assert uri.endswith(FILE)
    environ[URI] = ''  # as good as none
    prepare(environ)
    assert environ[URI] == uri


def test_a_domain_is_chosen() -> None:
    environ: dict[str, str] = {}
    prepare(environ)
    assert 1 <= int(environ['ROS_DOMAIN_ID']) <= 101


def test_domain_in_use_is_left_alone() -> None:
    taken = free_domain()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7410 + 250 * taken))
        assert free_domain() != taken
