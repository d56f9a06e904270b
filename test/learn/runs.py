"""Runs of the training command, small enough for a test."""
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import yaml

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
