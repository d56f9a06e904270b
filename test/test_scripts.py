"""The scripts, run from wherever the caller is, and script/env in several shells."""
from __future__ import annotations

import fcntl
from functools import partial
import os
from pathlib import Path
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[1]


def say(file: Path, command: str) -> None:
    """Make a program of one shell command."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'#!/bin/sh\n{command}\n')
    file.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with an environment whose Python only says where and with what it was run."""
    checkout = tmp_path / 'tdnet_ros'
    shutil.copytree(ROOT / 'script', checkout / 'script')
    say(checkout / 'script/setup', 'exit 0')
    say(checkout / '.venv/bin/python', 'pwd; echo "$PYTHONPATH"; echo "$@"')
    return checkout


def source(shell: str, folder: Path, env: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, '-c', f'. {env}; echo $?; echo "$PATH"'], cwd=folder, capture_output=True,
        text=True, timeout=20, check=False)


PYTHON = '''case "$*" in
  *_base_executable*) echo "$0" ;;
  *version_info*) echo 3.11 ;;
  '-m venv '*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *'pip install'*) [ ! -e no_network ] ;;
esac'''


@pytest.fixture
def setup(checkout: Path) -> partial[subprocess.CompletedProcess[str]]:
    """The true script/setup, with a Python that installs nothing."""
    shutil.rmtree(checkout / '.venv')
    shutil.copy(ROOT / 'script/setup', checkout / 'script')
    for name in ('setup.py', 'setup.cfg', 'package.xml'):
        shutil.copy(ROOT / name, checkout)
    for name in ('requirements', 'interfaces'):
        shutil.copytree(ROOT / name, checkout / name)
    say(checkout.parent / 'bin/python3', PYTHON)
    environment = {**os.environ, 'PATH': f'{checkout.parent / "bin"}:{os.environ["PATH"]}',
                   'ROS_DISTRO': 'jazzy'}
    return partial(subprocess.run, [checkout / 'script/setup'], capture_output=True, text=True,
                   timeout=20, check=False, env=environment)


def test_setup_that_was_broken_off_goes_on_even_for_what_was_there_before(
        checkout: Path, setup: partial[subprocess.CompletedProcess[str]]) -> None:
    """As on another branch, whose packages may have taken the place of this one's."""
    assert setup().stdout.endswith('setup: ready\n')
    assert setup().stdout == ''
    requirements = checkout / 'requirements/ros.txt'
    before = requirements.read_text()
    requirements.write_text('another')
    (checkout / 'no_network').touch()
    assert 'pip could not install' in setup().stderr
    requirements.write_text(before)
    (checkout / 'no_network').unlink()
    again = setup()
    assert again.stdout.endswith('setup: ready\n')
    assert 'new environment' not in again.stdout


def test_setup_says_that_it_waits_for_another(
        checkout: Path, setup: partial[subprocess.CompletedProcess[str]]) -> None:
    folder = os.open(checkout, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(subprocess.TimeoutExpired) as expired:
        setup(timeout=2)
    os.close(folder)
    assert expired.value.stdout == b'setup: waiting for another script/setup of this checkout\n'


@pytest.mark.parametrize('distro', ['', 'lyrical'], ids=['wheels', 'sourced'])
@pytest.mark.parametrize(('version', 'taken'), [
    ('3.9', False), ('3.10', True), ('3.14', True), ('3.15', False)])
def test_setup_takes_each_python_that_was_tried(
        checkout: Path, setup: partial[subprocess.CompletedProcess[str]], distro: str,
        version: str, taken: bool) -> None:
    say(checkout.parent / 'bin/python3', PYTHON.replace('3.11', version))
    done = setup(env={**setup.keywords['env'], 'ROS_DISTRO': distro})
    assert done.stdout.endswith('setup: ready\n') == taken
    assert (f'is Python {version}: expected 3.10 to 3.14;' in done.stderr) != taken


def test_setup_says_what_it_lacks_to_build_vision_msgs(
        checkout: Path, setup: partial[subprocess.CompletedProcess[str]]) -> None:
    """Debian and Ubuntu have the headers of Python in a package of their own."""
    no_vision = "'-c import vision_msgs.msg, '*) exit 1 ;;"
    headers = f'*sysconfig*) echo {checkout}/include ;;'
    say(checkout.parent / 'bin/python3', PYTHON.replace('esac', f'{no_vision}\n{headers}\nesac'))
    say(checkout.parent / 'bin/c++', 'exit 0')
    say(checkout.parent / 'bin/cmake', 'exit 0')
    run = partial(setup, env={**setup.keywords['env'], 'ROS_DISTRO': ''})
    assert 'apt install g++ make python3-dev\n' in run().stdout
    assert run().stdout == '', 'nothing changed'
    say(checkout / 'include/Python.h', '')
    assert 'setup: vision_msgs (LabelInfo) from its definitions\n' in run().stdout


@pytest.mark.parametrize('script', ['demo', 'bench', 'soak'])
def test_paths_are_those_of_the_caller(checkout: Path, script: str) -> None:
    done = subprocess.run(
        [f'tdnet_ros/script/{script}', 'mine/clip.mp4'], cwd=checkout.parent,
        capture_output=True, text=True, timeout=20, check=True)
    folder, path, arguments = done.stdout.splitlines()
    assert folder == str(checkout.parent)
    assert path.split(':')[0] == str(checkout), 'the checkout itself looks like the package'
    assert arguments.endswith(' mine/clip.mp4')


def test_bench_runs_where_there_is_pytorch_but_no_environment(checkout: Path) -> None:
    shutil.rmtree(checkout / '.venv')
    say(checkout / 'script/setup', 'echo no network; exit 1')
    say(checkout / 'bin/python3', '[ "$1" = -c ] || echo "$@"')
    path = f'{checkout / "bin"}:{os.environ["PATH"]}'
    run = partial(subprocess.run, [checkout / 'script/bench', '--quick'], capture_output=True,
                  text=True, timeout=20, check=False, env={**os.environ, 'PATH': path})
    assert run().stdout.endswith(' --quick\n')
    say(checkout / 'bin/python3', 'exit 1')
    assert run().stdout == 'no network\n'


@pytest.mark.parametrize(('distro', 'name'), [
    ('', 'FASTRTPS_DEFAULT_PROFILES_FILE'), ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ('lyrical', 'FASTDDS_DEFAULT_PROFILES_FILE')])
def test_environment_names_the_profile_once(checkout: Path, distro: str, name: str) -> None:
    """ROS warns of a second name."""
    say(checkout / '.venv/bin/df', 'echo 999M')
    done = subprocess.run(
        ['bash', '-c', '. script/env; env | grep PROFILES'], cwd=checkout, capture_output=True,
        text=True, timeout=20, check=False, env={'PATH': os.environ['PATH'], 'ROS_DISTRO': distro})
    assert done.stdout == f'{name}={checkout}/config/fastdds.xml\n'


@pytest.mark.parametrize(('given', 'taken'), [
    ({}, 'file://{}/config/cyclonedds.xml'),
    ({'CYCLONEDDS_URI': ''}, 'file://{}/config/cyclonedds.xml'),
    ({'CYCLONEDDS_URI': 'file:///etc/mine.xml'}, 'file:///etc/mine.xml')])
def test_environment_gives_cyclone_dds_a_configuration(
        checkout: Path, given: dict[str, str], taken: str) -> None:
    for free in '999M', '1M':
        say(checkout / '.venv/bin/df', f'echo {free}')
        done = subprocess.run(
            ['bash', '-c', '. script/env; echo "$CYCLONEDDS_URI"'], cwd=checkout,
            capture_output=True, text=True, timeout=20, check=False,
            env={'PATH': os.environ['PATH'], **given})
        assert done.stdout == f'{taken.format(checkout)}\n'


@pytest.mark.parametrize('shell', ['bash', 'zsh'])
def test_environment_in_an_interactive_shell(checkout: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f'{shell} is not installed')
    env = Path('script/env')
    for folder, file in ((checkout, env), (checkout.parent, checkout / env)):
        code, path = source(shell, folder, file).stdout.splitlines()
        assert (code, path) == ('0', f'{checkout}/.venv/bin:{os.environ["PATH"]}')


@pytest.mark.parametrize(('failure', 'said'), [
    ('...because ensurepip is not available.', 'on Debian and Ubuntu: sudo apt install'),
    ('Error: [Errno 28] No space left on device', 'Error: [Errno 28] No space left on device')])
def test_setup_says_why_there_is_no_environment(tmp_path: Path, failure: str, said: str) -> None:
    done = run_setup(unprepared(tmp_path / 'tdnet_ros', failure))
    assert done.returncode == 1
    assert done.stderr.startswith(f'setup: no virtual environment: {said}')


def test_setup_names_whose_checkout_it_cannot_write() -> None:
    with TemporaryDirectory() as folder:
        theirs = unprepared(Path(folder) / 'theirs', 'not reached')
        Path(folder).chmod(0o755)
        theirs.chmod(0o555)
        done = run_setup(theirs, user=65534 if os.getuid() == 0 else None)
        theirs.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.startswith(f'setup: cannot write {theirs}, which belongs to ')
    assert len(done.stderr.splitlines()) == 1


def test_setup_keeps_the_major_version_of_numpy_that_ros_is_compiled_for(tmp_path: Path) -> None:
    checkout = unprepared(tmp_path / 'tdnet_ros', 'not reached')
    (checkout / 'numpy.py').write_text("__version__ = '1.21.5'")
    say(checkout / '.venv/bin/python', 'exit 0')
    assert run_setup(checkout).returncode == 0
    assert (checkout / '.venv/constraints.txt').read_text() == 'numpy<2\n'


def unprepared(checkout: Path, failure: str) -> Path:
    """Make a checkout with the real script, and a Python that cannot make environments."""
    for name in ('script', 'requirements', 'interfaces'):
        shutil.copytree(ROOT / name, checkout / name)
    for name in ('setup.py', 'setup.cfg', 'package.xml'):
        shutil.copy(ROOT / name, checkout)
    say(checkout / 'bin/python3', f"""case "$*" in
        *numpy*) {sys.executable} "$@";;
        *version*) echo 3.12;;
        *realpath*) echo "$0";;
        *venv*) [ -d "$PWD/.venv" ] || {{ echo '{failure}'; exit 1; }};;
        esac""")
    return checkout


def run_setup(checkout: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / 'script/setup'], capture_output=True, text=True, timeout=20, check=False,
        user=user, env={'PATH': f'{checkout / "bin"}:{os.environ["PATH"]}', 'ROS_DISTRO': 'jazzy'})


def test_environment_refuses_other_shells(checkout: Path) -> None:
    if not shutil.which('dash'):
        pytest.skip('dash is not installed')
    done = source('dash', checkout.parent, checkout / 'script/env')
    assert done.stdout.splitlines() == ['1', os.environ['PATH']]
    assert done.stderr.startswith('env: this is for Bash and zsh')
    assert done.stderr.count('\n') == 1
