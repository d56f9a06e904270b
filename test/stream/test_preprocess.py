"""Pixels become the network's input as OpenCV would resize them."""
from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Lanes

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)


@pytest.mark.parametrize('size', [(40, 60), (20, 30), (33, 80)])
def test_resize_and_normalise(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    rgb = cv2.GaussianBlur(rgb, (9, 9), 3)
    preprocessor = Preprocessor(size, MEAN, STD, Lanes(torch.device('cpu')))
    image = preprocessor.normalise(preprocessor.lanes.upload(rgb))
    resized = cv2.resize(rgb.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    expected = ((resized / 255 - MEAN) / STD).transpose(2, 0, 1)
    grey_level = 1 / (255 * min(STD))
    assert image.shape == (1, 3, *size)
    assert image.dtype == torch.float32
    assert image.is_contiguous(memory_format=torch.channels_last), 'or the engine reorders it'
    rounded = size != (40, 60)
    assert np.abs(image[0].numpy() - expected).mean() < 0.3 * grey_level
    assert np.abs(image[0].numpy() - expected).max() < (1.01 * grey_level if rounded else 1e-5)


def test_views_and_read_only_buffers() -> None:
    buffer = np.random.default_rng(0).integers(0, 256, (40, 60, 4), np.uint8)
    upload = Lanes(torch.device('cpu')).upload
    expected = upload(buffer[..., :3].copy())
    assert torch.equal(upload(buffer[..., :3]), expected)
    locked = np.frombuffer(buffer[..., :3].tobytes(), np.uint8).reshape(40, 60, 3)
    assert torch.equal(upload(locked), expected)
    flipped = np.ascontiguousarray(buffer[..., :3][..., ::-1])[..., ::-1]
    assert torch.equal(upload(flipped), expected)
