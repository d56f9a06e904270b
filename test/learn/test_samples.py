"""Training samples: repeatable, and with labels that move as the images do."""
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from learn.synthetic import SIZE, write, write_folder
from tdnet_ros.learn.augment import Augmentation, Motion
from tdnet_ros.learn.catalogue import open_dataset
from tdnet_ros.learn.reading import read_image
from tdnet_ros.learn.samples import ClipRecipe, ClipSamples
from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Lanes

EXACT = Augmentation(scale=(1, 1), rotation_deg=0, flip=False, brightness=0, contrast=0,
                     saturation=0, tint=0)
GREY = Motion(exposure=0)


def samples(root, recipe, frames=1, seed=0, input_size=SIZE):
    if not root.exists():
        write_folder(root, videos=3, frames=frames)
    return ClipSamples(open_dataset('folder', root, 'train'), recipe, input_size, seed)


def test_a_sample_depends_on_seed_and_number_alone(tmp_path):
    recipe = ClipRecipe(2, (32, 48), still_share=0.5)
    first, again = (samples(tmp_path / 'd', recipe) for _ in range(2))
    other = samples(tmp_path / 'd', recipe, seed=1)
    later = [again[n] for n in (7, 3)]
    for number, clip in zip((7, 3), later):
        for one, two in zip(first[number], clip):
            assert torch.equal(one, two)
    assert not torch.equal(first[7].images, other[7].images)


def test_no_frame_is_decoded_for_a_cache_that_is_full(tmp_path, monkeypatch):
    write_folder(tmp_path / 'd', videos=8, frames=1)
    reads = []
    monkeypatch.setattr('tdnet_ros.learn.samples.read_image',
                        lambda path: reads.append(path) or read_image(path))
    room = 2 * 4 * 65 * 97 + 1
    drawn = ClipSamples(open_dataset('folder', tmp_path / 'd', 'train'),
                        ClipRecipe(1, (32, 48)), SIZE, 0, cache_bytes=room)
    drawn.preload()
    assert len(reads) == 3  # the third doesn't fit


def test_each_pass_visits_every_frame_once(tmp_path):
    drawn = samples(tmp_path / 'd', ClipRecipe(1, (65, 97), EXACT))
    seen = {clip.images.numpy().tobytes() for clip in map(drawn.__getitem__, range(3))}
    assert len(seen) == 3
    assert seen == {clip.images.numpy().tobytes() for clip in map(drawn.__getitem__, range(3, 6))}


def test_a_still_clip_repeats_a_frame_exactly(tmp_path):
    clip = samples(tmp_path / 'd', ClipRecipe(3, (32, 48), still_share=1))[0]
    assert clip.still
    assert clip.images.shape == (3, 3, 32, 48)
    assert clip.images.dtype == clip.labels.dtype == torch.uint8
    assert torch.equal(clip.images[0], clip.images[2])
    assert torch.equal(clip.labels[0], clip.labels[2])


def test_synthetic_motion_moves_image_and_label_together(tmp_path):
    recipe = ClipRecipe(3, (65, 97), EXACT, replace(GREY, pan=0.1), still_share=0)
    drawn = samples(tmp_path / 'd', recipe)
    for number in range(3):
        clip = drawn[number]
        assert not clip.still
        assert not torch.equal(clip.labels[0], clip.labels[2])
        yellow = (clip.images[:, 0] > 180) & (clip.images[:, 2] < 90)
        square = clip.labels == 2
        assert square.any()
        overlap = (yellow & square).sum() / (yellow | square).sum()
        assert overlap > 0.9


@pytest.mark.parametrize('still_share', [0, 1])
def test_things_of_another_frame_are_pasted_with_their_labels(tmp_path, still_share):
    recipe = ClipRecipe(3, (65, 97), EXACT, GREY, still_share)
    plain = samples(tmp_path / 'd', recipe)
    pasted = samples(tmp_path / 'd', replace(recipe, augmentation=replace(EXACT, paste=1.0)))
    squares = []
    for number in range(12):
        before, clip = plain[number], pasted[number]
        yellow = (clip.images[:, 0] > 170) & (clip.images[:, 2] < 100)
        square = clip.labels == 2
        assert (yellow & square).sum() / (yellow | square).sum() > 0.9
        assert torch.equal(clip.labels[0], clip.labels[2]) == bool(still_share)
        squares.append((square.sum() / (before.labels == 2).sum()).item())
    assert max(squares) > 1.05  # a part of a second square
    assert min(squares) < 0.9  # or something over the first


def test_real_video_is_not_pasted_onto(tmp_path):
    recipe = ClipRecipe(2, (65, 97), EXACT, GREY, still_share=0, max_gap=1)
    plain = samples(tmp_path / 'd', recipe, frames=6)
    pasted = samples(tmp_path / 'd', replace(recipe, augmentation=replace(EXACT, paste=1.0)))
    same = [torch.equal(plain[n].images, pasted[n].images) for n in range(18)]
    assert sum(same) == 15  # all but the first frames of three videos


def test_pictures_are_seen_as_the_network_sees_them(tmp_path):
    """All are squeezed into its input, whatever their own sizes are."""
    crop = (97, 65)
    drawn = samples(tmp_path / 'd', ClipRecipe(1, crop, EXACT), input_size=crop)
    for path in (tmp_path / 'd').glob('train/*/v1_*.png'):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), cv2.resize(picture, (194, 195), interpolation=cv2.INTER_NEAREST))
    preprocessor = Preprocessor(crop, (0, 0, 0), (1, 1, 1), Lanes(torch.device('cpu')))
    seen = [255 * preprocessor.normalise(preprocessor.lanes.upload(read_image(path)))[0]
            for path in sorted((tmp_path / 'd').glob('train/images/*.png'))]
    for number in range(3):
        image = drawn[number].images[0].float()
        assert min((image - one).abs().mean() for one in seen) < 1


def views(root, count=24, **amounts):
    """Draw views of a picture that tells of each pixel where it is; return what was done to it.

    Rows are a mirror (-1) or none (1), a scale and an angle in degrees.
    """
    rows, columns = np.mgrid[:65, :97]
    write(root / 'train/images/a.png', np.stack((rows * 0, 3 * rows, 2 * columns), -1))
    write(root / 'train/labels/a.png', columns // 16 + 7 * (rows // 16))
    (root / 'classes.yaml').write_text(''.join(f'c{n}: [{n}, 0, 0]\n' for n in range(35)))
    drawn = samples(root, ClipRecipe(1, (33, 49), replace(EXACT, **amounts)))
    done = []
    for clip in map(drawn.__getitem__, range(count)):
        image, label = clip.images[0].numpy(), clip.labels[0].numpy()
        known = label != 255
        x, y = image[0][known] / 2, image[1][known] / 3
        there = np.rint(x) // 16 + 7 * (np.rint(y) // 16)
        assert (there == label[known]).mean() > 0.9
        seen = np.argwhere(known)[:, ::-1]
        (xx, yx), (xy, yy), _ = np.linalg.lstsq(np.c_[seen, np.ones(len(seen))], np.c_[x, y])[0]
        area = xx * yy - xy * yx
        done.append((np.sign(area), abs(area)**-0.5, np.degrees(np.arctan2(xy, yy))))
    return np.array(done).T


def test_half_of_the_views_are_mirrored(tmp_path):
    mirror, scale, angle = views(tmp_path, flip=True)
    assert 6 < (mirror < 0).sum() < 18
    assert scale == pytest.approx(1, abs=0.02)
    assert angle == pytest.approx(0, abs=0.5)


def test_views_are_larger_or_smaller(tmp_path):
    mirror, scale, angle = views(tmp_path, scale=(0.5, 2))
    assert 0.49 < scale.min() < 0.7
    assert 1.4 < scale.max() < 2.05
    assert (mirror == 1).all()
    assert angle == pytest.approx(0, abs=0.5)


def test_views_are_turned_to_either_side(tmp_path):
    mirror, scale, angle = views(tmp_path, rotation_deg=10)
    assert -10.5 < angle.min() < -5
    assert 5 < angle.max() < 10.5
    assert (mirror == 1).all()
    assert scale == pytest.approx(1, abs=0.02)


def test_a_real_history_has_random_gaps_and_the_labels_that_are_there(tmp_path):
    write_folder(tmp_path / 'd', videos=3, frames=6)
    for number in (0, 2):
        (tmp_path / f'd/train/labels/v1_{number:03}.png').unlink()
    recipe = ClipRecipe(3, (65, 97), EXACT, Motion(0, 0, 0, 0, 0), still_share=0, max_gap=2)
    drawn = samples(tmp_path / 'd', recipe)
    offsets, known = set(), set()
    for number in range(16):
        clip = drawn[number]
        yellow = (clip.images[:, 0] > 180) & (clip.images[:, 2] < 90)
        labelled = (clip.labels != 255).flatten(1).any(1)
        assert torch.equal(clip.labels[labelled] == 2, yellow[labelled])
        left = yellow.any(1).int().argmax(1)
        offsets |= set(left.diff().tolist())
        known.add(tuple(labelled.tolist()))
    assert offsets == {0, 2, 4}  # the square moves 2 pixels a frame, or not in a made clip
    assert known == {(True, True, True), (False, True, True), (False, False, True)}


def test_a_history_of_another_size_is_named(tmp_path):
    write_folder(tmp_path / 'd', videos=3, frames=2)
    for label in (tmp_path / 'd/train/labels').glob('*_000.png'):
        label.unlink()
    cv2.imwrite(str(tmp_path / 'd/train/images/v1_000.png'), np.zeros((9, 8, 3), np.uint8))
    drawn = samples(tmp_path / 'd', ClipRecipe(2, (65, 97), EXACT, still_share=0, max_gap=1))
    with pytest.raises(ValueError, match=r'v1_000.png is 8x9, but .*v1_001.png .* is 97x65'):
        list(map(drawn.__getitem__, range(3)))
