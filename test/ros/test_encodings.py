"""Every pixel layout, any step, against colours known beforehand."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tdnet_ros.ros.decoding import image_to_rgb
from tdnet_ros.ros.encodings import ENCODINGS, MAX_PIXELS

HEIGHT, WIDTH = 6, 8
RED = (255, 0, 0)
RED_YUV = (81, 90, 240)  # BT.601, as the standard's tables have it
CHANNELS = {'rgb': (0, 1, 2), 'bgr': (2, 1, 0), 'rgba': (0, 1, 2, 0), 'bgra': (2, 1, 0, 0)}


def message(encoding: str, rows: np.ndarray, padding: int = 0, width: int = WIDTH,
            height: int = HEIGHT, big_endian: bool = False, step: int = 0) -> SimpleNamespace:
    """An image message around rows of bytes, each followed by padding."""
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        encoding=encoding, width=width, height=height, step=step or padded.shape[1],
        is_bigendian=big_endian, data=padded.tobytes())


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('order', CHANNELS)
def test_eight_bit_colour(rgb: np.ndarray, order: str, padding: int) -> None:
    rows = rgb[..., CHANNELS[order]].reshape(HEIGHT, -1)
    np.testing.assert_array_equal(image_to_rgb(message(f'{order}8', rows, padding)), rgb)
    opencv = {'bgr': '8UC3', 'bgra': '8UC4'}
    if order in opencv:
        np.testing.assert_array_equal(image_to_rgb(message(opencv[order], rows, padding)), rgb)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('order', CHANNELS)
def test_sixteen_bit_colour(rgb: np.ndarray, order: str, big_endian: bool) -> None:
    samples = rgb[..., CHANNELS[order]].astype(np.uint16) * 256 + 9
    kind = '>u2' if big_endian else '<u2'
    rows = np.frombuffer(samples.astype(kind).tobytes(), np.uint8).reshape(HEIGHT, -1)
    msg = message(f'{order}16', rows, 3, big_endian=big_endian)
    np.testing.assert_array_equal(image_to_rgb(msg), rgb)


@pytest.mark.parametrize('padding', [0, 3])
def test_mono(rgb: np.ndarray, padding: int) -> None:
    grey = rgb[..., 0]
    expected = np.repeat(grey[..., None], 3, 2)
    np.testing.assert_array_equal(image_to_rgb(message('mono8', grey, padding)), expected)
    wide = (grey.astype('<u2') * 256).view(np.uint8)
    np.testing.assert_array_equal(image_to_rgb(message('mono16', wide, padding)), expected)


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize(('encodings', 'order'), [
    (('uyvy', 'yuv422'), (1, 0, 2, 0)), (('yuyv', 'yuv422_yuy2'), (0, 1, 0, 2))])
def test_interleaved_yuv(encodings: tuple[str, ...], order: tuple[int, ...],
                         padding: int) -> None:
    rows = np.tile(np.array([RED_YUV[index] for index in order], np.uint8), (HEIGHT, WIDTH // 2))
    for encoding in encodings:
        assert_red(image_to_rgb(message(encoding, rows, padding)))


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize(('encoding', 'order', 'chroma_rows'), [
    ('nv12', (1, 2), HEIGHT // 2), ('nv21', (2, 1), HEIGHT // 2), ('nv24', (1, 2), 2 * HEIGHT)])
def test_planar_yuv(encoding: str, order: tuple[int, int], chroma_rows: int,
                    padding: int) -> None:
    luma = np.full((HEIGHT, WIDTH), RED_YUV[0], np.uint8)
    chroma = np.tile(np.array([RED_YUV[index] for index in order], np.uint8), WIDTH // 2)
    if encoding == 'nv24':  # one line of chroma is two rows, padded once at its end
        line = np.pad(np.tile(chroma, 2), (0, 2 * padding)).reshape(2, WIDTH + padding)
        luma = np.pad(luma, ((0, 0), (0, padding)))
        rows, padding = np.concatenate([luma, np.tile(line, (HEIGHT, 1))]), 0
    else:
        rows = np.concatenate([luma, np.tile(chroma, (chroma_rows, 1))])
    assert_red(image_to_rgb(message(encoding, rows, padding)))


def test_nv24_has_the_colours_of_nv12() -> None:
    for luma, *chroma in np.random.default_rng(5).integers(60, 190, (30, 3), np.uint8):
        half, full = (image_to_rgb(message(name, np.concatenate([
            np.full((HEIGHT, WIDTH), luma, np.uint8),
            np.tile(np.array(chroma, np.uint8), (rows, WIDTH // 2))])))
            for name, rows in (('nv12', HEIGHT // 2), ('nv24', 2 * HEIGHT)))
        np.testing.assert_allclose(full, half.astype(int), atol=1)


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer(pattern: str) -> None:
    colour = {'r': 200, 'g': 100, 'b': 30}
    tile = np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (HEIGHT // 2, WIDTH // 2))
    for encoding, rows in ((f'bayer_{pattern}8', mosaic),
                           (f'bayer_{pattern}16', (mosaic.astype('<u2') * 256).view(np.uint8))):
        rgb = image_to_rgb(message(encoding, rows, 2))
        assert (rgb == (200, 100, 30)).all(), encoding


def test_rgb8_is_a_view(rgb: np.ndarray) -> None:
    msg = message('rgb8', rgb.reshape(HEIGHT, -1), 5)
    msg.data = bytearray(msg.data)
    view = image_to_rgb(msg)
    msg.data[0] = 255 - msg.data[0]
    assert view[0, 0, 0] == 255 - rgb[0, 0, 0]


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_the_padding_of_the_last_row_may_be_missing(encoding: str) -> None:
    layout = ENCODINGS[encoding]
    shape = int(HEIGHT * layout.rows_per_line), WIDTH * layout.pixel_bytes
    msg = message(encoding, np.random.default_rng(1).integers(0, 256, shape, np.uint8), 5)
    whole = image_to_rgb(msg)
    msg.data = msg.data[:-5]
    np.testing.assert_array_equal(image_to_rgb(msg), whole)
    msg.data = msg.data[:-1]
    with pytest.raises(ValueError, match=f'bytes of data: expected {len(msg.data) + 1}'):
        image_to_rgb(msg)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_the_smallest_image_of_every_encoding(encoding: str) -> None:
    layout = ENCODINGS[encoding]
    # OpenCV 4.5.4 does not take a single blue, green and red pixel.
    width, height = max(2, layout.width_multiple), max(2, layout.height_multiple)
    rows = np.zeros((int(height * layout.rows_per_line), width * layout.pixel_bytes), np.uint8)
    rgb = image_to_rgb(message(encoding, rows, width=width, height=height))
    assert rgb.shape == (height, width, 3)


def test_the_step_of_a_single_row_costs_nothing() -> None:
    row = np.full((1, 3 * WIDTH), 9, np.uint8)
    assert image_to_rgb(message('rgb8', row, height=1, step=2**31)).shape == (1, WIDTH, 3)


@pytest.mark.parametrize(('changes', 'words'), [
    ({'encoding': 'BGR8'}, r"'BGR8' is not supported \(did you mean 'bgr8'\?\)$"),
    ({'encoding': ''}, "'' is not supported: expected rgb8, bgr8, mono8 or another of docs"),
    ({'encoding': '32FC1'}, "'32FC1' is that of a depth image: take the topic of the colour"),
    ({'encoding': '16UC1'}, "'16UC1' is that of a depth image"),
    ({'width': 0}, 'rgb8 image of 0 x 6: expected 1 to'),
    ({'height': 0}, 'rgb8 image of 8 x 0: expected 1 to'),
    ({'width': 1 << 14, 'height': 1 << 14}, f'16384 x 16384: expected 1 to {MAX_PIXELS} pixels'),
    ({'step': 23}, 'has step 23: expected at least 24 bytes a row'),
    ({'data': bytes(100)}, 'with step 24 has 100 bytes of data: expected 144'),
    ({'width': 4096, 'height': 4096, 'step': 12288}, 'has 144 bytes of data: expected 50331648'),
    ({'encoding': 'uyvy', 'width': 7}, 'a width that is a multiple of 2'),
    ({'encoding': 'nv12', 'height': 5}, 'a height of 2'),
])
def test_a_wrong_message_says_what_came_and_what_was_expected(
        rgb: np.ndarray, changes: dict[str, object], words: str) -> None:
    msg = message('rgb8', rgb.reshape(HEIGHT, -1))
    vars(msg).update(changes)
    with pytest.raises(ValueError, match=words):
        image_to_rgb(msg)


def test_cv_bridge_makes_no_colours_where_there_are_none(rgb: np.ndarray) -> None:
    """Its list of colour encodings is part of ours; of other layouts it cannot make RGB."""
    pytest.importorskip('cv_bridge', reason='cv_bridge is not installed')
    wide = np.repeat(rgb.reshape(HEIGHT, -1), 8, 1)
    for encoding in ('8UC2', '8SC3', '16UC3', '32FC3', '64FC3', 'unheard of'):
        with pytest.raises(ValueError, match='is not supported'):
            image_to_rgb(message(encoding, wide))


def test_an_encoding_that_only_cv_bridge_knows(
        rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge of the future; one whose answer is no colour image, or none at all, is ignored."""
    answers = {'new': rgb, 'depth': rgb[..., 0], 'wide': rgb.astype(np.uint16)}
    bridge = SimpleNamespace(imgmsg_to_cv2=lambda msg, encoding: answers[msg.encoding])
    monkeypatch.setattr('tdnet_ros.ros.decoding._cv_bridge', lambda: bridge)
    rows = rgb.reshape(HEIGHT, -1)
    np.testing.assert_array_equal(image_to_rgb(message('new', rows)), rgb)
    for encoding in ('depth', 'wide', 'unknown'):
        with pytest.raises(ValueError, match='is not supported'):
            image_to_rgb(message(encoding, rows))


def assert_red(rgb: np.ndarray) -> None:
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(rgb.astype(int) - RED).max() <= 3, rgb[0, 0]
