"""A small video that any network can learn: a bright square moves over a striped ground."""
from pathlib import Path

import cv2
import numpy as np

SIZE = 65, 97
CLASSES = 'sky: [0, 0, 255]\nground: [0, 128, 0]\nsquare: [255, 255, 0]\n'


def picture(number: int, video: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw frame `number` of a video: RGB image and class ids."""
    height, width = SIZE
    rng = np.random.default_rng(video)
    left, top, horizon = (int(v) for v in rng.integers((8, 24, 20), (40, 36, 32)))
    image = np.full((height, width, 3), (90, 140, 230), np.uint8)
    label = np.zeros((height, width), np.uint8)
    image[horizon:] = (60, 110, 60)
    image[horizon::4] = (40, 80, 40)
    label[horizon:] = 1
    place = slice(top, top + 20), slice(left + 2 * number, left + 2 * number + 20)
    image[place], label[place] = (220, 200, 40), 2
    noise = np.random.default_rng((video, number)).integers(-6, 7, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8), label


def write_folder(root: Path, videos: int = 4, frames: int = 2, splits=('train', 'val')) -> Path:
    """Write a data set in the generic layout."""
    for split in splits:
        for kind in ('images', 'labels'):
            (root / split / kind).mkdir(parents=True)
        for video in range(videos):
            for number in range(frames):
                image, label = picture(number, video)
                name = f'v{video}_{number:03}.png'
                cv2.imwrite(str(root / split / 'images' / name), image[..., ::-1])
                cv2.imwrite(str(root / split / 'labels' / name), label)
    (root / 'classes.yaml').write_text(CLASSES)
    return root


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def image(size=(4, 6)):
    return np.zeros((*size, 3), np.uint8)


def own(root, names, classes='ground: [0, 128, 0]\nsquare: [255, 255, 0]\n', kind='images'):
    for name in names:
        write(root / 'val' / kind / f'{name}.png', image())
    (root / 'classes.yaml').write_text(classes)
    return root
