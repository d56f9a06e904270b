"""Image files: which are taken for such, and how all tools read them."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
PNG = b'\x89PNG'
'''With which such a file begins.'''


def is_image(path: Path) -> bool:
    """Whether a file's name is that of an image; macOS adds files named ._NAME."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')


def read_pixels(path: Path, mode: int = cv2.IMREAD_COLOR) -> NDArray[np.generic]:
    """Return the pixels of an image file, colours as BGR.

    ValueError names a file that is no image, damaged or cut off. Of a JPEG that is cut off
    OpenCV makes up the rest where it reads the file itself.
    """
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, mode) if data.size else None
    except (OSError, cv2.error) as error:
        reason = error.strerror if isinstance(error, OSError) else error.err
        raise ValueError(f'cannot read the image {path}: {reason}') from error
    if image is None:
        raise ValueError(f'cannot read the image {path}: it is damaged, cut off or no image')
    return image
