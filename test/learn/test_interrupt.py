"""Ctrl-C, SIGTERM and SIGHUP: what they leave, and what the training command says then."""
import os
import signal
import subprocess
import sys
import time

import pytest

from learn.runs import command, losses, write_config
from tdnet_ros.learn.train import main as train
from tdnet_ros.learn.trainer import Trainer

SIGNALS = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


@SIGNALS
def test_an_interrupt_saves_the_step_that_it_meets(data, tmp_path, capfd, monkeypatch, number):
    """A second one ends at once if it is a Ctrl-C; of others `timeout` and terminals send two."""
    def interrupt(self, clips, times=1):
        for _ in range(times if self.step == 1 else 0):
            signal.raise_signal(number)
        return take_step(self, clips)

    take_step, before = Trainer.take_step, signal.getsignal(number)
    signal.signal(number, signal.default_int_handler)  # where it ends what runs the test
    config = write_config(tmp_path / 'c.yaml', [{'steps': 4}], calibrate=False)
    whole, cut, twice = (command(data, config, tmp_path / name, '--resume')
                         for name in ('whole', 'cut', 'twice'))
    assert train(whole) == 0
    monkeypatch.setattr(Trainer, 'take_step', lambda *arguments: interrupt(*arguments, times=2))
    assert train(twice) == 128 + number
    assert (tmp_path / 'twice/last.pt').exists() == (number != signal.SIGINT)
    capfd.readouterr()
    monkeypatch.setattr(Trainer, 'take_step', interrupt)
    assert train(cut) == 128 + number
    said = capfd.readouterr().err
    assert 'saving when this step is done; Ctrl-C again ends at once' in said
    assert said.endswith('\ntdnet_train: interrupted; --resume goes on\n')
    assert signal.getsignal(number) is signal.default_int_handler
    signal.signal(number, before)
    monkeypatch.setattr(Trainer, 'take_step', take_step)
    assert train(cut) == 0
    assert losses(tmp_path / 'cut') == pytest.approx(losses(tmp_path / 'whole'))


@SIGNALS
def test_a_signal_to_all_processes_of_a_run_is_for_the_first(data, tmp_path, number):
    """As a terminal, timeout and Slurm send it; those that load samples must outlive the step."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 10000}], workers=2,
                          checkpoint_minutes=0.001, calibrate=False)
    last = tmp_path / 'run/last.pt'
    run = subprocess.Popen(
        [sys.executable, '-m', 'tdnet_ros.learn.train', *command(data, config, last.parent)],
        stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        while not last.exists():
            assert run.poll() is None
            time.sleep(0.05)
        os.killpg(run.pid, number)
        said = run.communicate(timeout=60)[1]
    finally:
        run.kill()
    assert run.returncode == 128 + number
    assert said.endswith('\ntdnet_train: interrupted; --resume goes on\n')
    assert said.count('saving when this step is done') == 1


def test_an_interrupt_of_the_last_save_counts(data, tmp_path, capfd, monkeypatch):
    def save_late(self, name):
        save(self, name)
        signal.raise_signal(signal.SIGINT)

    save = Trainer.save
    monkeypatch.setattr(Trainer, 'save', save_late)
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}])
    assert train(command(data, config, tmp_path / 'run')) == 130
    said = capfd.readouterr()
    assert said.err.endswith('interrupted; --resume goes on\n')
    assert 'calibrated' not in said.out


@pytest.mark.parametrize('saved', [False, True])
def test_an_interrupted_run_says_where_it_goes_on(data, tmp_path, capsys, monkeypatch, saved):
    def interrupt(*_):
        raise KeyboardInterrupt(signal.SIGTERM)  # as tdnet_ros.programs does

    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}])
    arguments = command(data, config, tmp_path / 'run', '--resume')
    if saved:
        assert train([*arguments, '--max-minutes', '0']) == 75
    monkeypatch.setattr(Trainer, 'take_step', interrupt)
    capsys.readouterr()
    assert train(arguments) == 143
    more = '; --resume goes on' if saved else ''
    assert capsys.readouterr().err == f'tdnet_train: interrupted{more}\n'
