"""Parameter files that are for other nodes are named, and only those."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context

from ros.harness import TINY, NodeProcess
from tdnet_ros.ros.parameter_files import given_files, unused_files


@pytest.mark.parametrize('namespace', ['', '/robot', '/fleet/robot'])
@pytest.mark.parametrize('section', [
    '/**', '/*', '/tdnet', 'tdnet', '/**/tdnet', '/robot/tdnet', 'robot/tdnet', '/*/tdnet',
    '/robot/*', '/robot/**', '/*/*', '/fleet/**/tdnet', '/segmentation', 'segmentation'])
def test_a_file_is_unused_where_ros_takes_nothing_from_it(
        tmp_path: Path, section: str, namespace: str) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_text(f'{section}: {{ros__parameters: {{precision: float32}}}}')
    context = Context()
    rclpy.init(context=context, args=['--ros-args', '--params-file', str(file)])
    node = rclpy.create_node('tdnet', namespace=namespace, context=context)
    assert bool(node._parameter_overrides) != bool(
        unused_files([str(file)], node.get_fully_qualified_name()))
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_nested_namespaces_and_empty_files(tmp_path: Path) -> None:
    file = tmp_path / 'mine.yaml'
    for content, is_unused in (('robot: {tdnet: {ros__parameters: {}}}', False),
                               ('robot: {other: {ros__parameters: {}}}', True),
                               ('', False), ('/**:', False)):
        file.write_text(content)
        assert bool(unused_files([str(file)], '/robot/tdnet')) == is_unused, content


def test_files_of_a_command_line() -> None:
    assert given_files(['--ros-args', '--params-file', 'a.yaml', '-p', 'x:=1', '--params-file',
                        'b.yaml', '--params-file']) == ['a.yaml', 'b.yaml']


def test_the_node_says_so(start: Callable[..., NodeProcess], tmp_path: Path) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_text('segmentation: {ros__parameters: {precision: float32}}')
    start(*TINY, '-r', '__node:=renamed', '-p', 'autostart:=false', '--params-file', str(file),
          ready=f'no parameters in {file} are for /renamed, only for /segmentation')
