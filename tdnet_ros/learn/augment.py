"""Random views of a labelled frame, and smooth camera motion over a still."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from tdnet_ros.nets.classes import UNLABELED
from tdnet_ros.nets.records import Amount, Range, Share

Scale = Annotated[float, Range(0.05, 20)]


@dataclass(frozen=True)
class Augmentation:
    """How far a training view may differ from what the network sees of a frame; 0: not at all."""

    scale: tuple[Scale, Scale] = (0.6, 1.8)
    """Smallest and largest factor on the size of things; [1, 1]: none."""
    rotation_deg: Amount = 4.0
    """Largest turn to either side, in degrees."""
    flip: bool = True
    """Half the clips are mirrored."""
    brightness: Amount = 0.3
    """Largest shift of the grey levels, as a share of 128."""
    contrast: Amount = 0.3
    """Largest change of the distance from grey level 128, as a share of it."""
    saturation: Amount = 0.4
    """Largest change of the distance of a colour from its grey, as a share of it."""
    tint: Amount = 0.08
    """Largest change of one colour channel against the others, as a share of it."""
    gamma: Amount = 0.0
    """Largest logarithm of the exponent: 0.4 is from 0.67 (light) to 1.5 (dark)."""
    blur: Amount = 0.0
    """Largest standard deviation of a Gaussian, in pixels; half the clips have none."""
    noise: Amount = 0.0
    """Largest standard deviation, in grey levels; half the clips have none."""
    paste: Share = 0.0
    """Share of clips onto which things of another frame are pasted: all pixels of half of the
    classes that its view shows (ClassMix, Olsson et al. 2021). Real video stays as it is."""

    def __post_init__(self) -> None:
        if self.scale[0] > self.scale[1]:
            raise ValueError('scale is {:g}, {:g}, expected the smaller one first'
                             .format(*self.scale))


@dataclass(frozen=True)
class Motion:
    """Largest steady change from one synthetic frame to the next, shake apart; 0: none."""

    pan: Amount = 0.02
    """Share of the crop's size."""
    zoom: Amount = 0.03
    """Logarithm of the factor."""
    roll_deg: Amount = 0.7
    """Turn around the crop's centre, in degrees."""
    parallax: Amount = 0.02
    """Change of depth across the crop's height, as of a plane that tilts."""
    exposure: Amount = 0.04
    """Share by which a frame may be lighter or darker; drawn anew for each."""


def random_view(rng: np.random.Generator, augmentation: Augmentation,
                source: tuple[int, int], crop: tuple[int, int]) -> np.ndarray:
    """Return the 3x3 map from a source (h, w) to a random crop (h, w) of it.

    Views count from the corner of the first pixel, whose centre is at 0.5.
    """
    (height, width), (crop_height, crop_width) = source, crop
    low, high = np.log(augmentation.scale)
    scale = float(np.exp(rng.uniform(low, high)))
    centre = [_crop_centre(rng, size, wanted / scale)
              for size, wanted in ((width, crop_width), (height, crop_height))]
    mirror = -1.0 if augmentation.flip and rng.random() < 0.5 else 1.0
    angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.rotation_deg)
    to_centre = _translate(-centre[0], -centre[1])
    turn = np.diag([mirror * scale, scale, 1.0]) @ _rotate(angle)
    return _translate(crop_width / 2, crop_height / 2) @ turn @ to_centre


def _crop_centre(rng: np.random.Generator, size: int, wanted: float) -> float:
    """Place a crop inside the source; where it is larger than the source, keep it all in view."""
    low, high = sorted((wanted / 2, size - wanted / 2))
    return float(rng.uniform(low, high))


def camera_motion(rng: np.random.Generator, motion: Motion, frames: int,
                  crop: tuple[int, int]) -> list[np.ndarray]:
    """Return one 3x3 map per frame, on the crop: a steady motion with a little shake."""
    height, width = crop
    steady = rng.uniform(-1, 1, 5)
    maps = []
    for t in range(frames):
        x, y, zoom, roll, tilt = (steady + rng.uniform(-0.2, 0.2, 5)) * (t - (frames - 1) / 2)
        scale = float(np.exp(motion.zoom * zoom))
        inner = np.diag([scale, scale, 1.0]) @ _rotate(np.deg2rad(motion.roll_deg * roll))
        inner[2, 1] = motion.parallax * tilt / height
        shift = _translate(motion.pan * x * width, motion.pan * y * height)
        maps.append(shift @ _translate(width / 2, height / 2) @ inner
                    @ _translate(-width / 2, -height / 2))
    return maps


def warp_image(image: np.ndarray, view: np.ndarray, crop: tuple[int, int],
               fill: Sequence[float]) -> np.ndarray:
    """Draw the crop of an image, bilinear; outside it is the fill colour."""
    return cv2.warpPerspective(image, _between_centres(view), crop[::-1], flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_CONSTANT, borderValue=fill)


def warp_label(label: np.ndarray, view: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """Draw the crop of a label, nearest; outside it is unlabelled."""
    return cv2.warpPerspective(label, _between_centres(view), crop[::-1], flags=cv2.INTER_NEAREST,
                               borderMode=cv2.BORDER_CONSTANT, borderValue=UNLABELED)


def choose_classes(rng: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """Choose half of the classes of a label (rounded up); return their ids."""
    present = np.unique(label[label != UNLABELED])
    return rng.permutation(present)[:(len(present) + 1) // 2]


@dataclass(frozen=True)
class CameraChange:
    """One draw of what a camera does to its pictures, the same for all frames of a clip."""

    gain: np.ndarray
    """Per channel, RGB."""
    offset: float
    saturation: float
    gamma: float
    blur: float
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator, augmentation: Augmentation) -> CameraChange:
        """Draw contrast, brightness, tint, saturation, gamma, blur and noise."""
        contrast = 1 + rng.uniform(-1, 1) * augmentation.contrast
        brightness = rng.uniform(-1, 1) * augmentation.brightness * 128
        tint = 1 + rng.uniform(-1, 1, 3) * augmentation.tint
        return cls(contrast * tint, 128 * (1 - contrast) + brightness,
                   1 + rng.uniform(-1, 1) * augmentation.saturation,
                   float(np.exp(rng.uniform(-1, 1) * augmentation.gamma)),
                   max(0.0, rng.uniform(-1, 1) * augmentation.blur),
                   max(0.0, rng.uniform(-1, 1) * augmentation.noise))

    def apply(self, rng: np.random.Generator, image: np.ndarray,
              exposure: float = 1.0) -> np.ndarray:
        """Change an RGB uint8 image; the noise differs from frame to frame."""
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        mixed = cv2.addWeighted(image, self.saturation, grey, 1 - self.saturation, 0)
        curve = 255 * (np.arange(256) / 255)**self.gamma
        levels = curve[:, None] * self.gain[None] * exposure + self.offset
        table = _grey_levels(levels)[None]
        changed = cv2.LUT(mixed, table)
        if self.blur:
            changed = cv2.GaussianBlur(changed, (0, 0), self.blur)
        if self.noise:
            grain = rng.standard_normal(changed.shape, np.float32) * np.float32(self.noise)
            changed = _grey_levels(changed + grain)
        return changed


def _grey_levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _between_centres(view: np.ndarray) -> np.ndarray:
    """Count a view from the centre of the first pixel, as OpenCV does."""
    return _translate(-0.5, -0.5) @ view @ _translate(0.5, 0.5)


def _translate(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)


def _rotate(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
