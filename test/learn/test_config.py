"""A run's settings: its schedule, and changes to it."""
import ast
import inspect
from itertools import pairwise

import pytest

from tdnet_ros.learn.augment import Augmentation, Motion
from tdnet_ros.learn.config import (
    LossWeights,
    Stage,
    TrainConfig,
    override,
    parse_config,
    scaled,
)
from tdnet_ros.nets.records import plain

STAGE = {'crop': [65, 97], 'batch': 4}
RUN = parse_config({
    'stages': [{'name': 'alone', 'steps': 10, 'learning_rate': [1.0, 0.5], 'solo': True, **STAGE},
               {'name': 'all', 'steps': 20, 'learning_rate': ['2e-1', 0], **STAGE, 'batch': 6}],
    'warmup_steps': 4})


def test_learning_rate_warms_up_and_falls_as_a_polynomial_in_each_stage():
    for step in range(10):
        rate = 0.5 + 0.5 * (1 - step / 10)**0.9
        assert RUN.learning_rate(step) == pytest.approx(rate * min(1, (step + 1) / 5))
    for step in range(20):
        assert RUN.learning_rate(10 + step) == pytest.approx(0.2 * (1 - step / 20)**0.9)


def test_samples_are_counted_through_the_stages():
    assert [RUN.first_sample(step) for step in (0, 1, 9, 10, 11)] == [0, 4, 36, 40, 46]
    assert (RUN.end_of('alone'), RUN.end_of('all'), RUN.steps) == (10, 30, 30)


def test_a_configuration_survives_plain_data():
    assert parse_config(plain(RUN)) == RUN


def test_settings_are_replaced_by_their_names():
    changed = override(RUN, {'seed': 3, 'loss.grouped': 0, 'stages.1.steps': 5,
                             'augmentation.scale': [1, 2]})
    assert (changed.seed, changed.loss.grouped, changed.steps) == (3, 0, 15)
    assert changed.augmentation.scale == (1.0, 2.0)
    assert override(changed, {'seed': 0, 'loss.grouped': 0.5, 'stages.1.steps': 20,
                              'augmentation.scale': list(RUN.augmentation.scale)}) == RUN


@pytest.mark.parametrize(('name', 'value', 'message'), [
    ('loss.speed', 1, "'loss.speed': there is no such setting"),
    ('optimizer.0', 'x', "'optimizer.0': there is no such setting"),
    ('seed', 2**32, 'seed is 4294967296, expected a whole number from 0 to 4294967295'),
    ('label_stride', 3, "label_stride is 3, expected a divisor of the crops' sides less 1"),
    ('stages.1.crop', [64, 97],
     'stages 1: crop is 64 x 97, expected sides of 32 k \\+ 1, such as 65 x 97'),
    ('augmentation.scale', [2, 1], 'scale is 2, 1, expected the smaller one first'),
])
def test_a_setting_that_is_none_is_one_clear_error(name, value, message):
    with pytest.raises(ValueError, match=message):
        override(RUN, {name: value})


def test_a_scaled_run_keeps_at_least_one_step_of_every_stage():
    assert [stage.steps for stage in scaled(RUN, 0.5).stages] == [5, 10]
    assert scaled(RUN, 0.5).warmup_steps == 2
    assert [stage.steps for stage in scaled(RUN, 1e-6).stages] == [1, 1]


def test_a_run_without_stages_or_teacher_scales_is_refused():
    for change in ({'stages': []}, {'teacher_scales': []}):
        with pytest.raises(ValueError, match='at least one'):
            override(RUN, change)


@pytest.mark.parametrize('record', [TrainConfig, Stage, LossWeights, Augmentation, Motion])
def test_every_setting_is_described(record):
    body, = ast.parse(inspect.getsource(record)).body
    bare = {entry.target.id for entry, after in pairwise([*body.body, None])
            if isinstance(entry, ast.AnnAssign) and not isinstance(after, ast.Expr)}
    assert bare <= {'stages', 'loss', 'augmentation', 'motion'}  # their classes are described
