"""Image files are read whole, or refused by name."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tdnet_ros.nets.images import IMAGE_SUFFIXES, find_images, read_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def encoded(suffix: str, *options: int) -> bytes:
    pixels = PIXELS[..., 0] if suffix == '.pgm' else PIXELS
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


@pytest.mark.parametrize('suffix', IMAGE_SUFFIXES)
@pytest.mark.parametrize('name', ['a', 'ä ü'])
def test_whole_files_are_read_as_opencv_reads_them(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f'{name}{suffix}'
    path.write_bytes(encoded(suffix))
    for mode in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED):
        np.testing.assert_array_equal(read_pixels(path, mode), cv2.imread(str(path), mode))


def test_images_of_a_folder_below_are_named(tmp_path: Path) -> None:
    """As `tdnet_bag frames` writes them, a folder for each bag."""
    image = tmp_path / 'drive' / 'a.png'
    for empty in ('drive', 'empty'):
        (tmp_path / empty).mkdir()
    with pytest.raises(ValueError, match=r'expected a folder with \.bmp.*\.webp$'):
        find_images(tmp_path)
    image.touch()
    with pytest.raises(ValueError, match=f'; there are images in {image.parent}$'):
        find_images(tmp_path)
    assert find_images(image.parent) == [image]


@pytest.mark.parametrize('share', [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize(('suffix', 'options'), [
    *((suffix, ()) for suffix in IMAGE_SUFFIXES),
    ('.jpg', (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), ('.jpg', (cv2.IMWRITE_JPEG_RST_INTERVAL, 4))])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, suffix: str,
                                            options: tuple[int, ...], share: float) -> None:
    path, data = tmp_path / f'a{suffix}', encoded(suffix, *options)
    path.write_bytes(data[:int(share * len(data))])
    with pytest.raises(ValueError, match=f'^cannot read the image {path}: it is damaged, cut'):
        read_pixels(path)


@pytest.mark.parametrize('thumbnail', [b'', encoded('.jpg')])
@pytest.mark.parametrize('padding', [b'', bytes(999), b'\xff\x12' * 99, b'\xff\xda' * 99])
def test_the_end_of_a_jpeg_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                        thumbnail: bytes, padding: bytes) -> None:
    """OpenCV before 4.11 paints grey what is not there."""
    monkeypatch.setattr(cv2, 'imdecode', lambda data, mode: PIXELS)
    path, data = tmp_path / 'a.jpg', encoded('.jpg')
    segment = b'\xff\xe1' + (2 + len(thumbnail)).to_bytes(2, 'big') + thumbnail
    whole = data[:2] + b'\xff\x01\xff\xff' + segment + data[2:]
    path.write_bytes(whole + padding)
    np.testing.assert_array_equal(read_pixels(path), PIXELS)
    for length in (-1, -2, -len(data) // 2):
        path.write_bytes(whole[:length] + padding)
        with pytest.raises(ValueError, match='cut off'):
            read_pixels(path)


def test_what_is_no_readable_file_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, 'Is a directory'), (tmp_path / 'a', 'No such file')):
        with pytest.raises(ValueError, match=f'^cannot read the image {path}: {reason}'):
            read_pixels(path)
