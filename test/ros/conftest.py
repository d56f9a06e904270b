"""Node processes and a peer that talks to them."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

from ros.harness import NodeProcess, Peer


@pytest.fixture(scope='module')
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def node() -> Iterator[Node]:
    """A node in this process."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('local', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(scope='module')
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NodeProcess]]:
    """Start tdnet_node processes with ROS arguments; they end with the module.

    Each returns when it has logged that it is `ready`.
    """
    processes = []

    def start(*arguments: str, patch: str = '',
              ready: str = 'active: labels /image') -> NodeProcess:
        log: Path = tmp_path_factory.mktemp('node') / 'log.txt'
        process = NodeProcess(log, *arguments, patch=patch)
        processes.append(process)
        process.wait_for_log(ready)
        return process

    yield start
    for process in processes:
        process.end()
