"""Settings for every test: one thread per process, fixed seeds, a DDS domain of its own."""
import os
from pathlib import Path
import socket

import pytest
import torch

ROOT = Path(__file__).parents[1]
SAFE_DOMAINS = range(1, 102)  # above these DDS ports meet the ephemeral ports of Linux

torch.set_num_threads(1)


def take_domain() -> tuple[int, socket.socket | None]:
    """Take a domain that no other test run on this machine uses, held while the socket lives."""
    for domain in SAFE_DOMAINS:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f'\0tdnet_ros_test_domain_{domain}')
            return domain, holder
        except OSError:
            holder.close()
    return os.getpid() % len(SAFE_DOMAINS), None


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests, and the processes they start, away from every other ROS node."""
    domain, config.tdnet_domain_holder = take_domain()
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['OMP_NUM_THREADS'] = '1'
    profile = str(ROOT / 'config' / 'fastdds.xml')
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        os.environ.setdefault(name, profile)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
