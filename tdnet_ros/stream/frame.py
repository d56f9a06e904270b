"""What goes into the segmenter and what comes out."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a camera.

    Raises ValueError if the image is not uint8 RGB [H, W, 3] with at least one pixel, or the stamp
    no whole number.
    """

    rgb: Image
    '''uint8 [H, W, 3]'''
    stamp_ns: int
    '''Time of capture in nanoseconds.'''
    frame_id: str = ''
    '''The camera's coordinate frame; a change means another camera.'''
    encoding: str = 'rgb8'
    '''What the camera sent before it became RGB; only compared with the frame before.'''

    def __post_init__(self) -> None:
        rgb = self.rgb
        if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
            came = rgb.dtype if isinstance(rgb, np.ndarray) else f'of type {type(rgb).__name__}'
            raise ValueError(f'image is {came}, expected a uint8 array [H, W, 3] of NumPy')
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
            raise ValueError(f'image has shape {list(rgb.shape)}, expected [H, W, 3] '
                             'with at least one pixel')
        if not isinstance(self.stamp_ns, Integral):
            raise ValueError(f'stamp is {self.stamp_ns!r}, expected a whole number of nanoseconds')

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb.shape[0], self.rgb.shape[1]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The labels of one frame and how they came about."""

    labels: Image
    '''uint8 [H, W] at the frame's size; the pixel is the class id.'''
    path: int
    '''The sub-network that ran.'''
    memory_fill: int
    '''Frames in the memory that were propagated to this one: 0 or N-1.'''
    reset_reason: str | None
    '''Why the memory was emptied before this frame, if it was.'''
    stage_ms: Mapping[str, float]
    '''Milliseconds of upload, network and download; of the whole batch, if there was one.'''
    confidence: Image | None = None
    '''uint8 [H, W]: probability of the label, 0 to 255; when asked for.'''
    batch: int = 1
    '''Frames that ran together.'''
    logits: NDArray[np.float32] | None = None
    '''float32 [C, h, w] at the network's input size; when asked for.'''
