"""Ctrl-C: each program ends with one line and status 130, loading or at work."""
from pathlib import Path
import re
import subprocess
import sys

import pytest

from tdnet_ros import programs

PROGRAMS = ['bag', 'convert', 'train', 'evaluate', 'export', 'benchmark']
INTERRUPT = 'os.kill(os.getpid(), signal.SIGINT)'
DURING_IMPORT = f'''
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name in ('tdnet_ros.bags.review', 'torch'):
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


@pytest.mark.parametrize('name', PROGRAMS)
@pytest.mark.parametrize('moment', [DURING_IMPORT, AT_WORK], ids=['import', 'work'])
def test_an_interrupt_is_one_line(name: str, moment: str) -> None:
    assert_interrupted(name, moment)


def test_an_interrupt_is_not_lost() -> None:
    assert_interrupted('bag', WHERE_NOTHING_CAN_BE_RAISED)


def assert_interrupted(name: str, moment: str) -> None:
    code = (f'import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n'
            f'{moment}\nfrom tdnet_ros import programs\nsys.exit(programs.{name}())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stdout) == (130, ''), done.stderr
    assert done.stderr == f'tdnet_{name}: interrupted\n'


def test_who_ignores_interrupts_keeps_ignoring_them() -> None:
    code = (f'import os, signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{AT_WORK}\n'
            'from tdnet_ros import programs\nsys.exit(programs.convert())')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=60, check=False)
    assert 'interrupted' not in done.stderr
    assert done.returncode == 1


def test_every_console_script_but_the_node_is_here() -> None:
    setup = (Path(__file__).parents[1] / 'setup.py').read_text()
    scripts = dict(re.findall(r"'(tdnet_\w+) = ([\w.]+:\w+)'", setup))
    assert scripts.pop('tdnet_node') == 'tdnet_ros.ros.program:main'
    assert scripts == {f'tdnet_{name}': f'{programs.__name__}:{name}' for name in PROGRAMS}
