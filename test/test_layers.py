"""Imports point one way; who runs no network, no ROS or no extras loads none."""
import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
import subprocess
import sys

import pytest

PACKAGE = Path(__file__).parents[1] / 'tdnet_ros'
ROS = {
    'rclpy', 'ament_index_python', 'bond', 'builtin_interfaces', 'cv_bridge', 'diagnostic_msgs',
    'launch', 'launch_ros', 'lifecycle_msgs', 'rcl_interfaces', 'sensor_msgs', 'std_msgs',
    'std_srvs', 'vision_msgs',
}
NEEDS_ROS = pytest.mark.skipif(not find_spec('rclpy'), reason='rclpy is missing')
OPTIONAL = {
    'rosbags', 'matplotlib', 'rich', 'lightning_fabric', 'torchmetrics', 'tensorboard', 'onnx',
    'onnxruntime', 'ray', 'skvideo',
}
BELOW = {
    'nets': set(),
    'stream': {'nets'},
    'ros': {'stream', 'nets'},
    'bags': {'ros', 'stream', 'nets'},
    'learn': {'stream', 'nets'},
}


def imports(layer: str) -> Iterator[tuple[str, str]]:
    """Each import statement of a layer, wherever it stands: (file and line, module)."""
    for path in sorted((PACKAGE / layer).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f'{path}:{node.lineno}: relative import'
                names = [f'{node.module}.{alias.name}' for alias in node.names]
            yield from ((f'{layer}/{path.name}:{node.lineno}', name) for name in names)


@pytest.mark.parametrize('layer', BELOW)
def test_imports_point_downwards(layer: str) -> None:
    allowed = BELOW[layer] | {layer}
    upward = [
        f'{place} imports {name}' for place, name in imports(layer)
        if name.startswith('tdnet_ros.') and name.split('.')[1] not in allowed
    ]
    assert upward == []


@pytest.mark.parametrize('layer', ['nets', 'stream'])
def test_core_never_names_ros(layer: str) -> None:
    assert [(place, name) for place, name in imports(layer) if name.split('.')[0] in ROS] == []


@pytest.mark.parametrize(('layers', 'blocked'), [
    (['nets', 'stream'], ROS | OPTIONAL),
    pytest.param(['nets', 'stream', 'ros'], OPTIONAL, marks=NEEDS_ROS),
], ids=['core without ROS', 'node without extras'])
def test_imports_without(layers: list[str], blocked: set[str]) -> None:
    program = f'''
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({sorted(blocked)!r}))
for layer in {layers!r}:
    package = importlib.import_module('tdnet_ros.' + layer)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):
        print(importlib.import_module(module.name).__name__)
'''
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    for layer in layers:
        assert len([name for name in modules if name.startswith(f'tdnet_ros.{layer}.')]) >= 3


@pytest.mark.parametrize('module', [
    'nets.card', 'stream', 'bags.report.writing', 'bags.compare.comparison',
    'bags.frames.pictures', 'bags.label.bag_job', *(
        pytest.param(module, marks=NEEDS_ROS) for module in (
            'bags.play', 'bags.record', 'demo.run', 'demo.watch', 'demo.report'))])
def test_programs_that_run_no_network_load_no_pytorch(module: str) -> None:
    program = f"import sys, tdnet_ros.{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, '-c', program], timeout=60, check=True)
