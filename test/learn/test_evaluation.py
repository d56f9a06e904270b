"""The figures of an evaluation, of labellers and videos whose figures are known by hand."""
import weakref

import cv2
import numpy as np
import pytest

from learn.synthetic import write
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.evaluation import WARM_UP_FRAMES, evaluate, ticks

HEIGHT, WIDTH = 64, 96
SHIFT = 5
"""Pixels by which the scene moves from frame to frame."""


class Fake:
    """Labels by a rule: from the picture and how many frames came before it."""

    def __init__(self, rule):
        self.rule = rule
        self.log = []
        self.seen = 0

    def restart(self, turn=0):
        self.seen = 0
        self.log.append(f'turn {turn}')

    def label(self, frame):
        self.log.append(round(frame.stamp_ns * 30 / 1e9))  # the number, at 30 Hz
        self.seen += 1
        return self.rule(frame.rgb, self.seen - 1)


def bright(rgb, _=0):
    return (rgb[..., 0] > 128).astype(np.uint8)


def video(root, names, shift=0):
    """Write views of a scene of soft spots, each `shift` pixels further right than the last."""
    noise = np.random.default_rng(0).standard_normal((HEIGHT, 3 * WIDTH))
    spots = cv2.GaussianBlur(noise, (0, 0), 4)
    scene = (128 + 60 * spots / spots.std()).clip(0, 255).astype(np.uint8)
    for number, name in enumerate(names):
        view = np.repeat(scene[:, shift * number:][:, :WIDTH, None], 3, 2)
        write(root / f'val/images/{name}.png', view)
        write(root / f'val/labels/{name}.png', bright(view))
    (root / 'classes.yaml').write_text('dark: [0, 0, 0]\nbright: [255, 255, 255]\n')
    return open_dataset('folder', root, 'val')


def test_temporal_consistency_follows_the_scene(tmp_path):
    dataset = video(tmp_path, [f'v_{number}' for number in range(4)], SHIFT)
    follows = evaluate('streaming', Fake(bright), 1, dataset).summary()
    stays = np.indices((HEIGHT, WIDTH))[1].astype(np.uint8) // 4 % 2
    fixed = evaluate('streaming', Fake(lambda *_: stays), 1, dataset).summary()
    assert follows['miou'] == 1
    assert follows['tc'] > 0.97
    assert fixed['tc'] < 0.5


def test_flips_are_counted_from_the_round_that_fills_the_memory_on(tmp_path, monkeypatch):
    def settles(_, seen):
        labels = np.full((HEIGHT, WIDTH), seen % 2 if seen < 4 else 0, np.uint8)
        labels[:HEIGHT // 4] = seen % 2
        return labels

    monkeypatch.setattr('tdnet_ros.learn.evaluation.FLIP_FRAMES', 3)
    labeller = Fake(settles)
    dataset = video(tmp_path, [f'v_{number}' for number in range(5)])
    assert evaluate('streaming', labeller, 1, dataset).summary()['flip_rate'] == (1 + 3 / 4) / 4
    fed = ['turn 0', *[0] * 8, 'turn 0', *[1] * 8, 'turn 0', *[3] * 8]
    assert labeller.log[-len(fed):] == fed


@pytest.mark.parametrize(('paths', 'fed'), [(1, 8), (2, 8), (3, 12), (6, 12)])
def test_flips_are_those_of_whole_rounds_with_a_full_memory(tmp_path, paths, fed):
    def differs_once_a_round(_, seen):
        fills = seen < paths - 1
        return np.full((HEIGHT, WIDTH), seen % 2 if fills else seen % paths == 0, np.uint8)

    labeller = Fake(differs_once_a_round)
    dataset = video(tmp_path, ['v_0'])
    figures = evaluate('streaming', labeller, paths, dataset).summary()
    assert figures['flip_rate'] == pytest.approx(2 / paths if paths > 1 else 0, abs=1e-6)
    assert labeller.log[-fed - 1:] == ['turn 0', *[0] * fed]


def test_video_consistency_is_the_mean_over_the_windows_of_a_clip(tmp_path):
    def first_is_other(_, seen):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[:HEIGHT // 4] = seen == 0
        return labels

    dataset = video(tmp_path, [f'v_{number}' for number in range(11)])
    figures = evaluate('streaming', Fake(first_is_other), 1, dataset).summary()
    assert figures['vc8'] == pytest.approx((0.75 + 1 + 1) / 3, abs=1e-6)
    assert figures['vc16'] is None


def test_a_long_clip_takes_no_more_memory(tmp_path):
    def count(rgb, _):
        labels = bright(rgb)
        made.append(weakref.ref(labels))
        alive.append(sum(one() is not None for one in made))
        return labels

    made, alive = [], []
    dataset = video(tmp_path, [f'v_{number}' for number in range(30)])
    figures = evaluate('streaming', Fake(count), 1, dataset).summary()
    assert figures['vc8'] == figures['vc16'] == 1
    assert max(alive) < 20


@pytest.mark.parametrize(('mode', 'paths', 'expected'), [
    ('streaming', 1, ['turn 0', 0, 1, 5, 6, 'turn 1', 37, 'turn 2', 2]),
    ('repeated', 1, ['turn 0', 'turn 0', 0, 'turn 1', 1, 'turn 2', 5,
                     'turn 1', 'turn 3', 37, 'turn 2', 'turn 4', 2]),
    ('repeated', 2, ['turn 0', 'turn 0', 0, 0, 'turn 1', 1, 1, 'turn 2', 5, 5,
                     'turn 1', 'turn 3', 37, 37, 'turn 2', 'turn 4', 2, 2]),
])
def test_a_run_is_fed_in_its_time_and_the_next_starts_at_the_next_path(
        tmp_path, mode, paths, expected):
    """A gap of more than a second parts runs; 6 has no label, so it is at most a history."""
    labeller = Fake(bright)
    names = ['a_0', 'a_1', 'a_5', 'a_6', 'a_37', 'b_2']
    video(tmp_path, names)
    (tmp_path / 'val/labels/a_6.png').unlink()
    dataset = open_dataset('folder', tmp_path, 'val')
    parts = []
    figures = evaluate(mode, labeller, paths, dataset,
                       lambda: parts.append(labeller.log[-1])).summary()
    assert len(parts) == ticks(dataset) == 6 + 5  # the flips of the labelled ones too
    assert labeller.log[WARM_UP_FRAMES:][:len(expected)] == expected
    assert figures['frames'] == sum(isinstance(entry, int) for entry in expected)
    assert (figures['tc'] is None) == (mode == 'repeated')
