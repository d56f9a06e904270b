"""What a training picture may look like."""
from dataclasses import replace

import numpy as np
import pytest

from tdnet_ros.learn.augment import Augmentation, CameraChange, choose_classes

NOTHING = Augmentation(brightness=0, contrast=0, saturation=0, tint=0, gamma=0, blur=0, noise=0)
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def changed(image, seed=0, **amounts):
    rng = np.random.default_rng(seed)
    return CameraChange.draw(rng, replace(NOTHING, **amounts)).apply(rng, image)


def roughness(image):
    return np.abs(np.diff(image.astype(float), axis=1)).mean()


def test_nothing_changes_nothing():
    assert np.array_equal(changed(PICTURE), PICTURE)


def test_gamma_darkens_or_lightens_the_middle_and_keeps_black_and_white():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2)
    middle = []
    for seed in range(20):
        out = changed(ramp, seed, gamma=0.5)
        assert (out[0].max(), out[255].min()) == (0, 255)
        assert (np.diff(out[:, 0].astype(int), axis=0) >= 0).all()
        middle.append(int(out[128, 0, 0]))
    assert 80 < min(middle) < 110 < 145 < max(middle) < 180


@pytest.mark.parametrize(('amount', 'rougher'), [('blur', False), ('noise', True)])
def test_half_of_the_clips_are_blurred_or_noisy(amount, rougher):
    image = PICTURE if amount == 'blur' else np.full_like(PICTURE, 128)
    outs = [changed(image, seed, **{amount: 3.0}) for seed in range(60)]
    touched = [out for out in outs if not np.array_equal(out, image)]
    assert 15 < len(touched) < 45
    for out in touched:
        assert (roughness(out) > roughness(image)) == rougher
        assert abs(float(out.mean()) - float(image.mean())) < 2


def test_noise_differs_from_frame_to_frame():
    rng = np.random.default_rng(0)
    change = replace(CameraChange.draw(rng, NOTHING), noise=5.0)
    first, second = (change.apply(rng, PICTURE).astype(int) for _ in range(2))
    assert 3 < (first - second).std() < 9


def test_half_of_the_classes_in_view_are_chosen_and_never_void():
    label = np.array([[0, 0, 3], [7, 9, 255], [4, 255, 255]], np.uint8)
    seen = set()
    for seed in range(40):
        chosen = choose_classes(np.random.default_rng(seed), label).tolist()
        assert len(set(chosen)) == len(chosen) == 3
        seen |= set(chosen)
    assert seen == {0, 3, 4, 7, 9}
    assert not len(choose_classes(np.random.default_rng(0), np.full((2, 2), 255, np.uint8)))
