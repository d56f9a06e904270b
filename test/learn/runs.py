"""Runs of the training command, small enough for a test."""
import os
from pathlib import Path
import socket
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import yaml

from forks import FORKS, preload, set_environment

preload('tdnet_ros.learn.run')

EXACT = {'scale': [1, 1], 'rotation_deg': 0, 'flip': False, 'brightness': 0.05, 'contrast': 0.05,
         'saturation': 0, 'tint': 0}
SMALL = ['--model', 'td2-bise18-half']


def write_config(path, stages, **settings):
    common = {'crop': [65, 97], 'batch': 4, 'learning_rate': [2e-3, 0]}
    content = {'stages': [{'name': 'one', **common, **stage} for stage in stages], 'log_every': 1,
               'warmup_steps': 2, 'augmentation': EXACT, 'validate_every': 1000, **settings}
    path.write_text(yaml.safe_dump(content))
    return path


def command(data, config, out, *more):
    return ['--dataset', 'folder', '--root', str(data), '--model', 'td2-tiny', '--accelerator',
            'cpu', '--config', str(config), '--out', str(out), *more]


def losses(out: Path) -> dict[int, float]:
    events = EventAccumulator(str(out))
    events.Reload()
    found = {event.step: event.value for event in events.Scalars('loss/total')}
    assert len(found) == len(events.Scalars('loss/total'))  # none twice
    return found


def run_processes(folder, arguments, count=1, program=''):
    """Train in processes of their own; return their exit statuses and what was said to stderr.

    Several have the environment of torchrun. program: what each runs before, with `arguments`.
    """
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    said = [folder / f'stderr{rank}' for rank in range(count)]
    processes = [FORKS.Process(target=_process, args=(
        arguments, {**os.environ, **_environment(rank, count, port)}, said[rank], program))
        for rank in range(count)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        return [process.exitcode for process in processes], ''.join(
            path.read_text() for path in said)
    finally:
        for process in processes:
            process.kill()


def _environment(rank, count, port):
    if count == 1:
        return {}
    return {'RANK': str(rank), 'LOCAL_RANK': str(rank), 'GROUP_RANK': '0',
            'WORLD_SIZE': str(count), 'LOCAL_WORLD_SIZE': str(count),
            'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port), 'TORCHELASTIC_RUN_ID': 'test'}


def _process(arguments, environment, said, program):
    from tdnet_ros.learn.train import main
    set_environment(environment)
    with said.open('w') as file:
        os.dup2(file.fileno(), 2)
    exec(program, {'arguments': arguments})
    sys.exit(main(arguments))
