"""The training command: it learns, resumes exactly and ends well."""
import json
import shutil
import signal
import time

import cv2
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import torch
import yaml

from learn.runs import SMALL, command, losses, run_processes, write_config
from tdnet_ros.learn import samples
from tdnet_ros.learn.config import RECIPES, load_config
from tdnet_ros.learn.evaluate import main as evaluate
from tdnet_ros.learn.loading import check_batches
from tdnet_ros.learn.train import main as train
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build


def test_a_tiny_network_overfits_a_few_clips(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [
        {'steps': 40, 'batch': 8, 'solo': True, 'learning_rate': [5e-3, 3e-3]},
        {'steps': 60, 'batch': 8, 'still_share': 0.5, 'learning_rate': [4e-3, 0]},
    ], ema_decay=0.9, motion={'pan': 0.01, 'zoom': 0.01, 'roll_deg': 0.2, 'parallax': 0})
    assert train(command(data, config, tmp_path / 'run')) == 0
    figures = tmp_path / 'figures.json'
    assert evaluate(['--dataset', 'folder', '--root', str(data), '--split', 'train', '--model',
                     str(tmp_path / 'run/best.yaml'), '--mode', 'repeated', '--device', 'cpu',
                     '--json', str(figures), '--confusion', str(tmp_path / 'c.png')]) == 0
    result = yaml.safe_load(figures.read_text())
    assert result['miou'] > 0.95
    assert result['flip_rate'] < 0.02
    assert result['mode'] == 'repeated'
    assert (tmp_path / 'c.png').stat().st_size > 1000


def test_a_killed_run_resumes_exactly(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [
        {'steps': 3, 'solo': True}, {'steps': 9, 'still_share': 0.5}], checkpoint_minutes=0)
    assert train(command(data, config, tmp_path / 'whole')) == 0
    out = tmp_path / 'killed'
    program = '''
import os, signal
from tdnet_ros.learn.progress import Progress
from tdnet_ros.learn.trainer import Trainer
def save_once(self, name, save=Trainer.save):
    if self.step == 5:
        save(self, name)
def killed(self, step, *figures, show=Progress.step):
    show(self, step, *figures)
    if step == 7:
        self._writer.flush()
        os.kill(os.getpid(), signal.SIGKILL)
Trainer.save, Progress.step = save_once, killed
'''
    ended, said = run_processes(tmp_path, command(data, config, out), program=program)
    assert ended == [-signal.SIGKILL], said
    assert not (out / 'best.yaml').exists()
    assert train(command(data, config, out)) == 1  # a run is never overwritten
    time.sleep(1)  # TensorBoard orders the parts of a run by the second they begin in
    assert train(command(data, config, out, '--resume')) == 0
    assert list(losses(out)) == list(range(1, 13))
    assert losses(out) == losses(tmp_path / 'whole')


def test_what_is_kept_while_the_first_path_learns_is_a_model(data, tmp_path):
    """All its paths do what the first does, so its figure is that of its stream."""
    stages = [{'name': 'alone', 'steps': 6, 'solo': True}, {'name': 'all', 'steps': 1}]
    config = write_config(tmp_path / 'c.yaml', stages)
    out = tmp_path / 'run'
    assert train(command(data, config, out, '--until', 'alone')) == 0
    figures = tmp_path / 'figures.json'
    assert evaluate(['--dataset', 'folder', '--root', str(data), '--mode', 'repeated', '--model',
                     str(out / 'best.yaml'), '--json', str(figures)]) == 0
    measured = json.loads(figures.read_text())
    card = find_model(out / 'best.yaml')
    assert measured['miou'] == pytest.approx(card.metrics['squares val mIoU'], abs=2e-3)
    assert measured['flip_rate'] == 0


def test_the_other_paths_start_after_a_stage_that_was_cut_short(data, tmp_path):
    stages = [{'name': 'alone', 'steps': 8, 'solo': True}, {'name': 'all', 'steps': 4}]
    config = write_config(tmp_path / 'c.yaml', stages, calibrate=False, warmup_steps=0)
    resume = command(data, config, tmp_path / 'run', *SMALL, '--resume')
    assert train([*resume, '--until', 'alone']) == 0
    assert train([*resume, '--set', 'stages.0.steps=6', '--set',
                  'stages.1.learning_rate=[0, 0]']) == 0
    state = torch.load(tmp_path / 'run/last.pt', weights_only=True)['learner']
    weights = {key: value for key, value in state.items() if key.endswith('query.0.weight')}
    assert len(weights) == 2
    assert torch.equal(*weights.values())


def test_time_can_be_cut_into_chunks(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}])
    arguments = command(data, config, tmp_path / 'run', '--resume', '--max-minutes', '0')
    assert train(arguments) == 75
    assert not (tmp_path / 'run/best.yaml').exists()
    told = capsys.readouterr().out
    assert f'{tmp_path}/run/last.pt is not there: the run starts\n' in told
    assert told.endswith('stopped at step 1 of 2; --resume goes on\n')
    assert train(arguments) == 0
    assert 'stopped' not in capsys.readouterr().out
    assert (tmp_path / 'run/best.yaml').exists()


def test_a_long_gradient_is_shortened(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1, 'learning_rate': [1, 0]}],
                          optimizer='sgd', weight_decay=0, warmup_steps=0, calibrate=False,
                          clip_gradient=0.02)
    assert train(command(data, config, tmp_path / 'run')) == 0
    after = torch.load(tmp_path / 'run/last.pt', weights_only=True)['learner']
    moved = [(after[f'network.{name}'] - value.detach()).flatten()
             for name, value in build(variant('td2-tiny'), 3).named_parameters()]
    assert torch.cat(moved).norm().item() == pytest.approx(0.02, rel=0.01)


def test_a_finished_run_says_so(data, tmp_path, capsys):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}])
    arguments = command(data, config, tmp_path / 'run', '--resume')
    assert train(arguments) == 0
    assert 'is finished' not in capsys.readouterr().out
    assert train(arguments) == 0
    assert capsys.readouterr().out == (
        f'{tmp_path}/run is finished: 2 steps are done, 2 were asked for\n')
    written = (tmp_path / 'run/config.yaml').read_text()
    init = str(tmp_path / 'run/best.yaml')
    assert train([*arguments, '--set', 'stages.0.steps=1', '--init', init]) == 0
    assert capsys.readouterr().out == (
        f'--init {init} is not used: {tmp_path}/run/last.pt is there\n'
        f'{tmp_path}/run is finished: 2 steps are done, 1 were asked for\n')
    assert (tmp_path / 'run/config.yaml').read_text() == written  # as it was trained


def test_a_run_that_is_cut_short_before_its_first_validation_has_a_model(data, tmp_path):
    stages = [{'name': 'alone', 'steps': 4, 'solo': True}]
    config = write_config(tmp_path / 'c.yaml', stages)
    resume = command(data, config, tmp_path / 'run', '--resume')
    assert train([*resume, '--max-minutes', '0']) == 75
    assert train([*resume, '--set', 'stages.0.steps=1']) == 0
    assert len(find_model(tmp_path / 'run/best.yaml').training['calibration']) == 3


def test_pictures_are_learnt_at_the_size_of_the_input(data, tmp_path, monkeypatch):
    root = shutil.copytree(data, tmp_path / 'data')
    for path in root.glob('val/*/*.png'):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:33, :65])
    sizes = []
    monkeypatch.setattr(samples, 'random_view', lambda *arguments, draw=samples.random_view: (
        sizes.append(arguments[2]) or draw(*arguments)))
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1}], calibrate=False)
    for number, more in enumerate([(), ('--input-size', '33', '33')]):
        assert train(command(root, config, tmp_path / f'run{number}', *more)) == 0
        expected = ((33, 65), (33, 33))[number]
        assert find_model(tmp_path / f'run{number}/best.yaml').input_size == expected
        assert set(sizes) == {expected}
        sizes.clear()


def test_a_stage_of_all_paths_that_is_worse_replaces_nothing(data, tmp_path):
    stages = [{'name': 'alone', 'steps': 12, 'solo': True, 'learning_rate': [5e-3, 1e-3]},
              {'name': 'all', 'steps': 4, 'learning_rate': [1.0, 1.0]}]
    config = write_config(tmp_path / 'c.yaml', stages, calibrate=False, warmup_steps=0,
                          validate_every=12, ema_decay=0.5)
    assert train(command(data, config, tmp_path / 'run')) == 0
    assert find_model(tmp_path / 'run/best.yaml').training['step'] == 12


def test_a_run_ends_with_a_stage_and_goes_on_with_other_losses(data, tmp_path, recwarn):
    stages = [{'name': 'alone', 'steps': 2, 'solo': True}, {'name': 'all', 'steps': 2}]
    config = write_config(tmp_path / 'c.yaml', stages, workers=64, precision='bf16-mixed')
    first = command(data, config, tmp_path / 'run', '--resume', '--set', 'loss.agreement=0')
    assert train([*first, '--until', 'alone']) == 0
    assert list(losses(tmp_path / 'run')) == [1, 2]
    assert train(first) == 0
    assert list(losses(tmp_path / 'run')) == [1, 2, 3, 4]
    written = yaml.safe_load((tmp_path / 'run/best.yaml').read_text())['training']
    assert written['step'] == 4
    assert written['config']['loss']['agreement'] == 0
    assert not [w for w in recwarn if 'worker' in str(w.message)]


def test_data_that_were_moved_leave_the_best_weights(data, tmp_path):
    """The figure in the card is named after their folder, and the steps to come are worse."""
    config = write_config(tmp_path / 'c.yaml', [{'name': 'one', 'steps': 20}, {
        'name': 'two', 'steps': 4, 'learning_rate': [1.0, 1.0]}], calibrate=False, ema_decay=0.5)
    out = tmp_path / 'run'
    assert train(command(data, config, out, '--until', 'one')) == 0
    moved = shutil.copytree(data, tmp_path / 'moved')
    assert train(command(moved, config, out, '--resume')) == 0
    assert find_model(out / 'best.yaml').training['step'] == 20


def test_a_run_goes_on_with_another_weight_decay(data, tmp_path):
    """One of 1 / learning rate leaves nothing of the filters but what the gradient adds."""
    stages = [{'name': 'one', 'steps': 1}, {'name': 'two', 'steps': 1, 'learning_rate': [0.1, 0]}]
    config = write_config(tmp_path / 'c.yaml', stages, calibrate=False, warmup_steps=0,
                          optimizer='sgd', clip_gradient=1e-6, weight_decay=0)
    resume = command(data, config, tmp_path / 'run', '--resume')
    assert train([*resume, '--until', 'one']) == 0
    assert train([*resume, '--set', 'weight_decay=10']) == 0
    weights = torch.load(tmp_path / 'run/last.pt', weights_only=True)['learner']
    assert weights['network.heads.0.conv.0.weight'].abs().max() < 1e-5


def test_a_teacher_is_trained_and_distilled(data, tmp_path):
    config = write_config(tmp_path / 'c.yaml', [{'steps': 2}], loss={'auxiliary': 0.1})
    arguments = command(data, config, tmp_path / 'teacher')
    arguments[arguments.index('td2-tiny')] = 'bise18-half'
    assert train(arguments) == 0
    best = tmp_path / 'teacher/best.yaml'
    best.write_text(best.read_text().replace("licence: ''", 'licence: not for sale'))
    config = write_config(tmp_path / 'c.yaml', [{'steps': 1, 'solo': True}, {'steps': 2}],
                          loss={'auxiliary': 0.1})
    student = command(data, config, tmp_path / 'student')
    assert train([*student, '--teacher', str(best)]) == 0
    card = find_model(tmp_path / 'student/best.yaml')
    assert card.licence == 'not for sale'
    assert card.source == ('trained from scratch on squares train, taught by teacher (trained '
                           'from scratch on squares train)')
    events = EventAccumulator(str(tmp_path / 'student'))
    events.Reload()
    assert {'loss/distillation', 'loss/grouped', 'loss/auxiliary', 'loss/sub', 'loss/agreement',
            'val/miou', 'learning_rate'} <= set(events.Tags()['scalars'])
    assert len(events.Tags()['images']) == 3
    assert [e.step for e in events.Scalars('loss/grouped')] == [2, 3]


@pytest.mark.parametrize('recipe', sorted(RECIPES.glob('*.yaml')), ids=lambda path: path.stem)
def test_shipped_recipes_are_complete(recipe):
    config = load_config(recipe)
    assert config.learning_rate(config.steps - 1) < 1e-5
    check_batches(config, world=2)
