"""Labels as pictures."""
from __future__ import annotations

import numpy as np

from tdnet_ros.stream.labels import Painter, banner

PALETTE = ((255, 0, 0), (0, 0, 255))
LABELS = np.array([[0, 1, 255, 2]], np.uint8)


def test_colorize() -> None:
    expected = [[[255, 0, 0], [0, 0, 255], [0, 0, 0], [0, 0, 0]]]
    assert Painter(PALETTE).colorize(LABELS).tolist() == expected
    assert Painter(PALETTE, bgr=True).colorize(LABELS)[0, 0].tolist() == [0, 0, 255]


def test_blend_leaves_unlabelled_pixels() -> None:
    image = np.full((1, 4, 3), 100, np.uint8)
    blended = Painter(PALETTE).blend(image, LABELS, 0.5)
    assert np.allclose(blended[0, 0].astype(int), [178, 50, 50], atol=1)
    assert (blended[0, 2:] == 100).all()
    assert (image == 100).all()
    assert (Painter(PALETTE).blend(image, LABELS, 0.0) == 100).all()


def test_banner_is_legible_at_any_size() -> None:
    for height, width in ((24, 32), (360, 480), (1080, 1920)):
        image = np.full((height, width, 3), 120, np.uint8)
        banner(image, 'UNTRAINED: labels are noise')
        changed = (image != 120).any((1, 2))
        assert changed[0]
        assert changed.mean() < 0.5
    assert (image == 255).any()


def test_the_legend_shows_every_name_and_its_colour_at_the_foot() -> None:
    painter = Painter(PALETTE)
    for height, width in ((24, 32), (360, 480), (1080, 1920)):
        image = np.full((height, width, 3), 120, np.uint8)
        painter.legend(image, {0: 'road', 1: 'pavement'})
        changed = (image != 120).any((1, 2))
        assert changed[-1]
        assert changed.mean() <= (1 if height < 50 else 0.1)
        for color in PALETTE:
            assert (image == color).all(2).any(), (height, color)
    foot = image[changed]
    painter.legend(image, {1: 'pavement'})
    assert not (image == PALETTE[0]).all(2).any()
    assert not np.array_equal(image[changed], foot)
    painter.legend(image, {})
