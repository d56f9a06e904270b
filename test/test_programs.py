"""Signals: each program ends with one line and status 128 + number; unread with none and 141."""
from importlib.util import find_spec
import os
from pathlib import Path
import re
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tdnet_ros import programs

PROGRAMS = ['bag', 'convert', 'train', 'evaluate', 'export', 'benchmark']
INTERRUPT = 'os.kill(os.getpid(), signal.SIGINT)'
DURING_IMPORT = f'''
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name in ('tdnet_ros.bags.report.cli', 'tdnet_ros.learn.catalogue', 'torch'):
            try:
                {INTERRUPT}
            except KeyboardInterrupt:  # as when an extension is imported
                raise ImportError('initialization failed')
sys.meta_path.insert(0, Interrupting())
'''
AT_WORK = f'''
import argparse
argparse.ArgumentParser.parse_args = lambda *_: {INTERRUPT}
'''

WHERE_NOTHING_CAN_BE_RAISED = f'''
import argparse, time
class Dying:
    def __del__(self):
        {INTERRUPT}
def parse_args(*_):
    Dying()
    time.sleep(60)
argparse.ArgumentParser.parse_args = parse_args
'''


@pytest.mark.parametrize(('name', 'moment'), [
    *((name, DURING_IMPORT) for name in PROGRAMS), ('bag', AT_WORK),
    ('bag', WHERE_NOTHING_CAN_BE_RAISED)], ids=[*PROGRAMS, 'work', 'nowhere'])
def test_an_interrupt_is_one_line(name: str, moment: str) -> None:
    code = (f'import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n'
            f'{moment}\nfrom tdnet_ros import programs\nsys.exit(programs.{name}())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stdout) == (130, ''), done.stderr
    assert done.stderr == f'tdnet_{name}: interrupted\n'


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize('moment', [DURING_IMPORT, AT_WORK, WHERE_NOTHING_CAN_BE_RAISED],
                         ids=['import', 'work', 'nowhere'])
def test_so_is_a_signal_of_others(number: signal.Signals, moment: str) -> None:
    code = (f'import os, signal, sys\n{moment.replace("signal.SIGINT", f"signal.{number.name}")}'
            '\nfrom tdnet_ros import programs\nsys.exit(programs.export())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stdout) == (128 + number, ''), done.stderr
    assert done.stderr == 'tdnet_export: interrupted\n'


def test_sighup_is_not_left_to_the_mpi_of_pytorch() -> None:
    """Debian's loads UCX, which takes SIGHUP, or the signal it is told, to trace its own end."""
    code = f'''
import argparse, ctypes, os, signal, sys
def parse_args(*_):
    if number := int(os.environ.get('UCX_DEBUG_SIGNO', {signal.SIGHUP:d})):
        ignored = ctypes.c_void_p(1)
        ctypes.CDLL(None).signal(number, ignored)
    os.kill(os.getpid(), signal.SIGHUP)
argparse.ArgumentParser.parse_args = parse_args
from tdnet_ros import programs
sys.exit(programs.bag())
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (129, 'tdnet_bag: interrupted\n')


def test_what_was_begun_is_removed_though_timeout_sends_its_signal_twice(tmp_path: Path) -> None:
    code = f'''
import argparse, sys, tempfile, time
def parse_args(*_):
    with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}):
        time.sleep(60)
argparse.ArgumentParser.parse_args = parse_args
from tdnet_ros import programs
sys.exit(programs.export())
'''
    done = subprocess.run(['timeout', '2', sys.executable, '-c', code], capture_output=True,
                          text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (124, 'tdnet_export: interrupted\n')
    assert list(tmp_path.iterdir()) == []


def test_who_ignores_interrupts_keeps_ignoring_them() -> None:
    code = (f'import os, signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{AT_WORK}\n'
            'from tdnet_ros import programs\nsys.exit(programs.bag())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert 'interrupted' not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(('name', 'arguments', 'said'), [
    ('benchmark', ['--images', '.'], 'cannot read the image a.png: it is damaged'),
    pytest.param('bag', ['play', 'a.mp4'], 'a.mp4 is no video', marks=pytest.mark.skipif(
        find_spec('rclpy') is None, reason='rclpy is missing'))])
def test_opencv_adds_nothing_to_the_line_that_names_a_damaged_file(
        tmp_path: Path, name: str, arguments: list[str], said: str) -> None:
    image = cv2.imencode('.png', np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    (tmp_path / 'a.png').write_bytes(image[:len(image) // 2])
    (tmp_path / 'a.mp4').write_bytes(b'\0\0\0\x18ftypmp42' + bytes(100))
    code = f'import sys\nfrom tdnet_ros import programs\nsys.exit(programs.{name}())'
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments], cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith('OPENCV')})
    assert done.returncode == 1
    # What libpng says itself cannot be silenced; OpenCV 5 has another reader.
    line, *more = (line for line in done.stderr.splitlines() if not line.startswith('libpng '))
    assert line.startswith(f'tdnet_{name}: {said}')
    assert more == []


def test_a_warning_is_one_line() -> None:
    code = '''
import sys, warnings
from tdnet_ros import programs
from tdnet_ros.bags import cli
cli.main = lambda: warnings.warn('bfloat16 is slow\\nhere', stacklevel=2) or 0
sys.exit(programs.bag())
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, 'tdnet_bag: bfloat16 is slow here\n')


PRINTING = '''
import argparse, sys
from tdnet_ros import programs
def parse_args(*_):
    print('text\\udce9')
    sys.exit(0)
argparse.ArgumentParser.parse_args = parse_args
sys.exit(programs.bag())
'''


def test_a_name_that_is_no_text_is_shown_nevertheless() -> None:
    """As of a file from a machine with another encoding."""
    done = subprocess.run([sys.executable, '-c', PRINTING], capture_output=True, text=True,
                          timeout=60, check=False,
                          env={**os.environ, 'PYTHONIOENCODING': 'utf-8:strict'})
    assert (done.returncode, done.stdout, done.stderr) == (0, 'text\\udce9\n', '')


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_program_that_nobody_reads_ends_without_a_word(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, '-c', PRINTING], stdout=writer, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False, env={**os.environ, 'PYTHONUNBUFFERED': unbuffered})
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, '')


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_output_that_a_full_disk_does_not_take_is_one_line(unbuffered: str) -> None:
    with Path('/dev/full').open('w') as full:
        done = subprocess.run(
            [sys.executable, '-c', PRINTING], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False, env={**os.environ, 'PYTHONUNBUFFERED': unbuffered})
    assert done.returncode == 1
    assert done.stderr == 'tdnet_bag: cannot write the output: No space left on device\n'


def run_node_without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (f'import sys; sys.modules["{package}"] = None\n'
            'from tdnet_ros.ros import program\nsys.exit(program.main(sys.argv[1:]))')
    return subprocess.run([sys.executable, '-c', code, *arguments], capture_output=True, text=True,
                          timeout=60, check=False)


@pytest.mark.parametrize(('package', 'remedy'), [
    ('rclpy', 'source a ROS 2 environment'), ('std_srvs', 'source a ROS 2 environment'),
    ('ament_index_python', 'source a ROS 2 environment'),
    ('torch', 'pip install torch safetensors'), ('cv2', 'script/setup')])
def test_the_node_says_what_brings_a_missing_package(package: str, remedy: str) -> None:
    if package != 'rclpy':
        pytest.importorskip('rclpy')
    done = run_node_without(package, '--ros-args', '-p', 'points:=true')
    assert done.returncode == 1
    assert done.stderr.startswith(f'tdnet_node: the Python package {package}')
    assert remedy in done.stderr
    assert len(done.stderr.splitlines()) == 1


EXTRAS = 'rich', 'rosbags', 'lz4'


@pytest.mark.parametrize(('arguments', 'code', 'said'), [
    (('play', 'images', '--frames', '1', '--wait-for-subscriber', '0'), 0, ''),
    (('info', 'drive'), 1, 'is missing: script/setup in a clone of tdnet_ros brings it, into an')])
def test_a_robot_plays_pictures_without_extras_and_is_told_what_bags_take(
        tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    pytest.importorskip('rclpy')
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images/a.png'), np.zeros((8, 8, 3), np.uint8))
    run = (f'import sys; sys.modules.update(dict.fromkeys({EXTRAS}))\n'
           'sys.stderr.isatty = lambda: True\n'
           'from tdnet_ros import programs\nsys.exit(programs.bag())')
    done = subprocess.run([sys.executable, '-c', run, *arguments], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, code), done.stderr
    assert said in done.stderr


def test_the_node_says_what_it_takes_without_ros() -> None:
    done = run_node_without('rcl_interfaces', '--help')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'overlay_opacity' in done.stdout


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_script_bench(tmp_path: Path, number: signal.Signals) -> None:
    pytest.importorskip('rclpy')
    bench = subprocess.Popen(
        [sys.executable, '-m', 'tdnet_ros.benchmark', '--quick', '--out', '.'], cwd=tmp_path,
        stderr=subprocess.PIPE, text=True)
    with bench:
        assert bench.stderr is not None
        assert bench.stderr.readline().startswith('message path (1 of 2)')
        bench.send_signal(number)
        assert bench.stderr.read() == 'script/bench: interrupted\n'
    assert bench.returncode == 128 + number


def test_every_console_script_but_the_node_is_here() -> None:
    setup = (Path(__file__).parents[1] / 'setup.py').read_text()
    scripts = dict(re.findall(r"'(tdnet_\w+) = ([\w.]+:\w+)'", setup))
    assert scripts.pop('tdnet_node') == 'tdnet_ros.ros.program:main'
    assert scripts == {f'tdnet_{name}': f'{programs.__name__}:{name}' for name in PROGRAMS}
