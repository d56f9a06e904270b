"""Where a run computes: processes add up, and each device has the precision that suits it."""
import signal
import subprocess
import sys

import pytest
import torch

from learn.runs import command, losses, run_processes, write_config
from tdnet_ros.learn.devices import leave_together, make_fabric
from tdnet_ros.learn.train import main as train


def test_processes_see_what_one_process_accumulates(data, tmp_path):
    stages = [{'steps': 2, 'solo': True}, {'steps': 3, 'still_share': 0.5}]
    parts = [{**stage, 'accumulate': 2} for stage in stages]
    one = write_config(tmp_path / 'one.yaml', parts, loss={'auxiliary': 0.2})
    two = write_config(tmp_path / 'two.yaml', stages, loss={'auxiliary': 0.2})
    assert train(command(data, one, tmp_path / 'one')) == 0
    ended, said = run_processes(tmp_path, command(data, two, tmp_path / 'two'), 2)
    assert ended == [0, 0], said
    assert 'UserWarning' not in said
    single, double = losses(tmp_path / 'one'), losses(tmp_path / 'two')
    assert list(single) == [1, 2, 3, 4, 5]
    assert double == pytest.approx(single, rel=1e-3)


def test_statistics_of_batch_norms_are_those_of_all_processes(data, tmp_path):
    """Those of the first norm, before which none is, are so those of the whole batch."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1, 'solo': True}], calibrate=False)
    assert train(command(data, config, tmp_path / 'one')) == 0
    ended, said = run_processes(tmp_path, command(data, config, tmp_path / 'two'), 2)
    assert ended == [0, 0], said
    one, two = (torch.load(tmp_path / name / 'last.pt', weights_only=True)['average']
                for name in ('one', 'two'))
    key = 'paths.0.backbone.stages.0.norm.running_mean'
    torch.testing.assert_close(two[key], one[key])


def test_processes_of_torchrun_save_and_stop_at_the_same_step(data, tmp_path):
    """Their clocks differ; one that does so alone would wait for the other for ever."""
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1000, 'solo': True}],
                          checkpoint_minutes=0.003, calibrate=False)
    run = subprocess.Popen(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         '-m', 'tdnet_ros.learn.train',
         *command(data, config, tmp_path / 'run', '--max-minutes', '0.02')],
        stderr=subprocess.PIPE, text=True)
    try:
        _, err = run.communicate(timeout=120)
    finally:
        run.terminate()  # not kill: torchrun ends its workers, whose sessions are their own
        run.wait(60)
    assert 'exitcode  : 75' in err
    assert torch.load(tmp_path / 'run/last.pt', weights_only=True)['step'] > 0


def second_gets(number, step):
    """A program before a run: the second process sends itself a signal as that step begins."""
    return f'''
import os, signal
from tdnet_ros.learn.trainer import Trainer
def take_step(self, clips, step=Trainer.take_step):
    if (os.environ['RANK'], self.step) == ('1', {step}):
        signal.raise_signal({number:d})
    return step(self, clips)
Trainer.take_step = take_step
'''


def test_an_interrupt_of_one_process_stops_all_at_the_same_step(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1000, 'solo': True}], calibrate=False)
    ended, said = run_processes(tmp_path, command(data, config, tmp_path / 'run'), 2,
                                second_gets(signal.SIGINT, 1))
    assert ended == [130, 130], said
    assert torch.load(tmp_path / 'run/last.pt', weights_only=True)['step'] == 2


def test_a_process_that_is_killed_ends_the_others_in_one_line(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1000, 'solo': True}],
                          checkpoint_minutes=0, calibrate=False)
    ended, said = run_processes(tmp_path, command(data, config, tmp_path / 'run'), 2,
                                second_gets(signal.SIGKILL, 2))
    assert ended == [1, -signal.SIGKILL], said
    assert '\ntdnet_train: another process of the run has ended; --resume goes on\n' in said
    assert 'Traceback' not in said
    assert torch.load(tmp_path / 'run/last.pt', weights_only=True)['step'] == 2


def test_a_checkpoint_that_not_every_machine_has_is_no_start(data, tmp_path):
    """Each process has a folder of its own here, as on machines without a common one."""
    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 1}, {'steps': 2}])
    assert train(command(data, config, tmp_path / '0', '--until', 'one')) == 0
    program = f"import os\nos.chdir({str(tmp_path)!r})\narguments += ['--out', os.environ['RANK']]"
    ended, said = run_processes(tmp_path, command(data, config, '', '--resume'), 2, program)
    assert 0 not in ended
    assert 'tdnet_train: 1/last.pt is not there: --out must be a folder of all machines' in said


def test_a_cpu_without_bfloat16_computes_in_float32(data, tmp_path, capsys, monkeypatch):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False,
                          precision='bf16-mixed')
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda has=has: has)
        assert train(command(data, config, tmp_path / str(has))) == 0
        assert ('computing in float32' in capsys.readouterr().out) != has


@pytest.fixture
def two_old_gpus(monkeypatch):
    """GPUs that this PyTorch has no kernels for."""
    def ones(*_, **__):
        raise RuntimeError('CUDA error: no kernel image is available')

    monkeypatch.setattr(torch, 'ones', ones)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)


@pytest.mark.usefixtures('two_old_gpus')
def test_a_gpu_that_does_not_compute_is_not_trained_on(capsys):
    assert make_fabric('auto', '32-true').device.type == 'cpu'
    assert 'using the CPU' in capsys.readouterr().err


@pytest.mark.usefixtures('two_old_gpus')
def test_a_process_of_many_does_not_go_to_the_cpu_alone(monkeypatch):
    for rank, said in (('1', "'cuda:1': CUDA error: no kernel"), ('2', 'there are 2 CUDA devic')):
        monkeypatch.setenv('LOCAL_RANK', rank)
        with pytest.raises(ValueError, match=said):
            make_fabric('auto', '32-true')


def test_a_pytorch_without_distributed_ends_in_order(monkeypatch):
    """As NVIDIA builds it for Jetsons."""
    monkeypatch.setattr(torch.distributed, 'is_available', lambda: False)
    monkeypatch.delattr(torch.distributed, 'is_initialized')
    leave_together()
