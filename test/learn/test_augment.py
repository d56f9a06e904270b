"""What a training picture may look like."""
from dataclasses import replace

import numpy as np
import pytest

from tdnet_ros.learn.augment import (
    Augmentation,
    CameraChange,
    Motion,
    camera_motion,
    choose_classes,
    random_view,
    warp_label,
)

NOTHING = Augmentation(brightness=0, contrast=0, saturation=0, tint=0, gamma=0, blur=0, noise=0)
GREYS = np.repeat(np.uint8([[[64], [128], [192]]]), 3, 2)
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def changed(image, seed=0, **amounts):
    rng = np.random.default_rng(seed)
    return CameraChange.draw(rng, replace(NOTHING, **amounts)).apply(rng, image)


def roughness(image):
    return np.abs(np.diff(image.astype(float), axis=1)).mean()


def test_nothing_changes_nothing():
    assert np.array_equal(changed(PICTURE), PICTURE)


def test_grey_levels_are_rounded_to_the_nearest():
    exact = 1.1 * PICTURE.clip(max=220)
    change = replace(CameraChange.draw(np.random.default_rng(0), NOTHING), gain=np.full(3, 1.1))
    assert abs(change.apply(None, PICTURE.clip(max=220)) - exact).max() <= 0.5
    grains = [changed(np.full((99, 99, 3), 128, np.uint8), seed, noise=5.0) for seed in range(20)]
    assert abs(np.mean(grains) - 128) < 0.05


def test_the_mirror_of_a_whole_picture_has_all_of_its_pixels():
    label = np.arange(33 * 65, dtype=np.uint8).reshape(33, 65) % 250
    whole = replace(NOTHING, scale=(1, 1), rotation_deg=0)
    shown = [warp_label(label, random_view(np.random.default_rng(seed), whole, (33, 65), (33, 65)),
                        (33, 65)) for seed in range(8)]
    mirrored = [np.array_equal(one, label[:, ::-1]) for one in shown]
    assert 0 < sum(mirrored) < 8
    assert all(m or np.array_equal(one, label) for m, one in zip(mirrored, shown))


def test_brightness_shifts_all_greys_alike():
    shifts = np.array([changed(GREYS, seed, brightness=0.25) - GREYS.astype(int)
                       for seed in range(30)])
    assert np.ptp(shifts, axis=(1, 2, 3)).max() <= 1
    assert -33 <= shifts.min() < -20
    assert 20 < shifts.max() <= 32


def test_contrast_keeps_the_middle_grey():
    dark, middle, light = np.array([changed(GREYS, seed, contrast=0.4)[0, :, 0].astype(int)
                                    for seed in range(30)]).T
    assert abs(middle - 128).max() <= 1
    factors = (light - dark) / 128
    assert 0.58 < factors.min() < 0.75
    assert 1.25 < factors.max() < 1.42


def test_saturation_moves_colours_from_or_to_their_grey():
    colour = np.uint8([[[160, 120, 80]]])
    outs = np.array([changed(colour, seed, saturation=0.5)[0, 0].astype(int)
                     for seed in range(30)])
    assert abs(outs @ (0.299, 0.587, 0.114) - 127.4).max() < 2
    factors = (outs[:, 0] - outs[:, 2]) / 80
    assert 0.48 < factors.min() < 0.7
    assert 1.3 < factors.max() < 1.52
    assert np.array_equal(changed(GREYS, saturation=0.5), GREYS)


def test_tint_scales_each_channel_by_itself():
    factors = np.array([changed(GREYS, seed, tint=0.2)[0, 2] for seed in range(30)]) / 192
    assert 0.79 < factors.min() < 0.9
    assert 1.1 < factors.max() <= 1.2
    assert np.ptp(factors, axis=1).max() > 0.2


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


def test_camera_motion_is_steady_but_for_a_little_shake():
    """The speed is at most 1 and the shake at most 0.2, in pans a frame from the middle."""
    jerks = []
    for seed in range(20):
        maps = camera_motion(np.random.default_rng(seed), Motion(0.1, 0, 0, 0), 5, (60, 100))
        track = np.array([m[:2, 2] for m in maps]) / (10, 6)
        assert abs(track[2]).max() < 1e-9
        assert abs(np.diff(track, axis=0)).max() <= 1 + 0.2 * (1 + 2)
        jerks.append(abs(np.diff(track, 2, axis=0)).max())
    assert 0.3 < max(jerks) <= 0.2 * (2 + 2)
