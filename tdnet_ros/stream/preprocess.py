"""From a camera's pixels to the network's input, on the device."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
import torch.nn.functional as F

from tdnet_ros.stream.transfer import Lanes


class Preprocessor:
    """Converts, resizes and normalises pixels that are on the device."""

    def __init__(self, input_size: tuple[int, int], mean: Sequence[float], std: Sequence[float],
                 lanes: Lanes) -> None:
        self.input_size = input_size
        self.lanes = lanes
        self.device = device = lanes.device
        # (x / 255 - mean) / std as one multiplication and one addition, for a row of pixels.
        width = input_size[1]
        scale = [1 / (255 * s) for s in std]
        shift = [-m / s for m, s in zip(mean, std, strict=True)]
        self._scale, self._shift = (torch.tensor(each * width, dtype=torch.float32, device=device)
                                    for each in (scale, shift))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map uint8 [1, 3, H, W] to float32 [1, 3, h, w] (channels last) at the input's size.

        Bilinear with aligned pixel centres, as OpenCV resizes; on the CPU rounded to whole
        grey levels (at most one off), for that reads a quarter of the bytes.
        """
        image = pixels if self.device.type == 'cpu' else pixels.float()
        if tuple(image.shape[-2:]) != self.input_size:
            image = F.interpolate(image, self.input_size, mode='bilinear', align_corners=False)
        rows = image.permute(0, 2, 3, 1).flatten(2).float()
        normal = torch.addcmul(self._shift, rows, self._scale)
        return normal.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
