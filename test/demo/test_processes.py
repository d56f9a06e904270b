"""Child processes end with the demo, and a dead one is quoted."""
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from tdnet_ros.demo import processes
from tdnet_ros.demo.processes import Child, Crew, DemoError

SLEEP = [sys.executable, '-c', 'import time; print("ready", flush=True); time.sleep(60)']
DEAF = [sys.executable, '-c', 'import signal, time; '
        'signal.signal(signal.SIGINT, signal.SIG_IGN); print("ready", flush=True); time.sleep(60)']


def wait_until_ready(child: Child) -> None:
    end_s = time.monotonic() + 40
    while 'ready' not in child.log.read_text():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def wait_until_dead(child: Child) -> None:
    child.process.wait(40)


def interrupted_run(logs: Path, children: list[Child]) -> None:
    with Crew(logs) as crew:
        for name in ('node', 'player'):
            children.append(crew.start(name, SLEEP))
            wait_until_ready(children[-1])
        raise KeyboardInterrupt


def test_children_end_with_the_block(tmp_path: Path) -> None:
    children: list[Child] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_run(tmp_path, children)
    assert [child.process.poll() is None for child in children] == [False, False]


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
import time
from tdnet_ros.demo.processes import Crew
crew = Crew(Path({str(tmp_path)!r}))
print(crew.start('node', {SLEEP!r}).process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE, text=True)
    child = Path('/proc', parent.stdout.readline().strip(), 'stat')
    log = tmp_path / 'node.log'
    end_s = time.monotonic() + 40
    while 'ready' not in log.read_text():
        assert time.monotonic() < end_s
        time.sleep(0.02)
    parent.kill()
    parent.communicate()
    while child.exists() and child.read_text().split(') ')[1][0] != 'Z':
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_signal_while_a_child_starts_comes_after_it_is_known(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[subprocess.Popen] = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            children.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, 'Popen', Interrupted)
    with pytest.raises(KeyboardInterrupt), Crew(tmp_path) as crew:
        crew.start('node', SLEEP)
    assert children[0].poll() is not None


def test_child_that_ignores_the_interrupt_is_killed(tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, 'STOP_S', 0.2)
    with Crew(tmp_path) as crew:
        child = crew.start('node', DEAF)
        wait_until_ready(child)
    assert child.process.poll() == -9


def test_failed_child_is_quoted(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        child = crew.start('recorder', [
            sys.executable, '-c', 'print(1, flush=True); raise ValueError("why")'])
        wait_until_dead(child)
        with pytest.raises(DemoError, match=r'(?s)the recorder ended with exit status 1.*'
                                            r'  1\n.*  ValueError: why'):
            crew.check()


def test_child_that_ends_well_is_no_failure(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        child = crew.start('player', [sys.executable, '-c', ''], may_end=True)
        wait_until_dead(child)
        crew.check()
        assert child.ended()


def test_child_that_must_stay_is_missed(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        wait_until_dead(crew.start('node', [sys.executable, '-c', '']))
        with pytest.raises(DemoError, match='the node ended with exit status 0'):
            crew.check()
