"""3x3 convolutions with a quarter of the multiplications (Winograd 1980, Lavin 2016).

An output tile of 4x4 pixels needs 36 products per pair of channels instead of 144. A
convolution of dilation d is d*d interleaved ones of dilation 1, so dilated ones gain as much.
The products are one grouped 1x1 convolution, which oneDNN runs faster than a batched product.
"""
from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from tdnet_ros.stream.engines.onednn import PackedConv

TILE = 4
'''Output pixels per tile, in each direction.'''
PATCH = TILE + 2
'''Input pixels that a tile depends on.'''
POINTS = (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2))
'''Interpolation points, with infinity the sixth; half the rounding error of 0, 1, -1, 2, -2.'''
CHUNK_TILES = 192
'''Tiles transformed at a time at least: their patches then stay in the processor's cache.'''


def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Toom-Cook matrices for output [4, 6], kernel [6, 3] and input [6, 6], in float64."""
    output, kernel, patch = [], [], []
    for point in POINTS:
        others = [other for other in POINTS if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        output.append([point**power for power in range(TILE)])
        kernel.append([point**power / scale for power in range(3)])
        patch.append([*_polynomial(others), Fraction(0)])
    output.append([Fraction(int(power == TILE - 1)) for power in range(TILE)])
    kernel.append([Fraction(int(power == 2)) for power in range(3)])
    patch.append(_polynomial(list(POINTS)))
    return _tensor(output).T, _tensor(kernel), _tensor(patch)


def _whole_tiles(length: int, span: int) -> int:
    """Tiles that cover a length, unless convolving the rest as usual is less work."""
    return length // span + (2 * (length % span) >= span)


def _polynomial(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients, constant first, of the product of x - root."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        scaled = [*(-root * value for value in coefficients), Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients


def _tensor(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)


class WinogradConv(nn.Module):
    """A 3x3 convolution of stride 1 that keeps the size, on channels-last maps.

    A few rows and columns beyond a whole number of tiles are convolved as usual.
    """

    bias: Tensor
    into: Tensor
    out_of: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, dilation: int, activation: str) -> None:
        """Take a weight [O, C, 3, 3]; the activation is 'none' or 'relu'."""
        super().__init__()
        self.dilation = dilation
        self.relu = activation == 'relu'
        self.rest = PackedConv(weight, bias, dilation=dilation, activation=activation)
        output, kernel, patch = _transforms()
        transformed = torch.einsum('ai,ocij,bj->aboc', kernel, weight.double(), kernel)
        self.products = PackedConv(transformed.reshape(-1, weight.shape[1], 1, 1).to(weight.dtype),
                                   groups=PATCH * PATCH)
        self.register_buffer('bias', bias)
        self.register_buffer('into', torch.kron(patch, patch).to(weight.dtype))
        self.register_buffer('out_of', torch.kron(output, output).to(weight.dtype))

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Map [B, C, h, w] to [B, O, h, w], plus `added` of that shape."""
        batch, _, height, width = x.shape
        reach, span = self.dilation, TILE * self.dilation
        rows, columns = _whole_tiles(height, span), _whole_tiles(width, span)
        pad = (0, 0, reach, max(columns * span - width, 0) + reach,
               reach, max(rows * span - height, 0) + reach)
        padded = F.pad(x.permute(0, 2, 3, 1), pad)
        result = x.new_empty(batch, height, width, self.bias.shape[0])
        residual = None if added is None else added.permute(0, 2, 3, 1)
        bottom, right = min(rows * span, height), min(columns * span, width)
        if rows and columns:
            for image in range(batch):
                self._fill(result[image, :, :right], padded[image],
                           None if residual is None else residual[image, :, :right],
                           rows, columns)
        for top, left, end in ((bottom, 0, height), (0, right, bottom)):
            if top < end and left < width:
                self._fill_rest((slice(None), slice(top, end), slice(left, width)),
                                padded[:, top:end + 2 * reach, left:width + 2 * reach],
                                result, residual)
        return result.permute(0, 3, 1, 2)

    def _fill_rest(self, part: tuple[slice, ...], padded: Tensor, result: Tensor,
                   residual: Tensor | None) -> None:
        """Convolve what the tiles leave."""
        added = None
        if residual is not None:
            added = residual[part].contiguous().permute(0, 3, 1, 2)
        strip = padded.contiguous().permute(0, 3, 1, 2)
        result[part] = self.rest(strip, added).permute(0, 2, 3, 1)

    def _fill(self, result: Tensor, padded: Tensor, residual: Tensor | None, rows: int,
              columns: int) -> None:
        """Fill result [h, w, O] from padded input [h', w', C], some rows of tiles at a time."""
        step = self.dilation
        span = TILE * step
        width, channels = padded.shape[1:]
        # [tile row, row phase, tile column, column phase, patch row, patch column, C]
        patches = padded.as_strided(
            (rows, step, columns, step, PATCH, PATCH, channels),
            (span * width * channels, width * channels, span * channels, channels,
             step * width * channels, step * channels, 1), padded.storage_offset())
        chunks = max(1, rows * step * columns * step // CHUNK_TILES)
        per_chunk = -(-rows // chunks)
        for first in range(0, rows, per_chunk):
            first = min(first, rows - per_chunk)  # all of one size: weights are packed for it
            top, bottom = first * span, min(result.shape[0], (first + per_chunk) * span)
            maps = self._tiles(patches[first:first + per_chunk])
            maps = maps[:bottom - top, :result.shape[1]]
            if residual is not None:
                maps += residual[top:bottom]
            if self.relu:
                torch.clamp_min(maps, 0, out=result[top:bottom])
            else:
                result[top:bottom] = maps

    def _tiles(self, patches: Tensor) -> Tensor:
        """Convolve patches; return their output as [h, w, O], bias included."""
        rows, step, columns = patches.shape[:3]
        tiles = rows * step * columns * step
        outputs = self.bias.shape[0]
        gathered = patches.reshape(tiles, PATCH * PATCH, -1)
        transformed = self.into.expand(tiles, -1, -1).bmm(gathered)
        as_image = transformed.view(1, tiles, 1, -1).permute(0, 3, 1, 2)
        products = self.products(as_image).permute(0, 2, 3, 1).view(tiles, PATCH * PATCH, -1)
        tiled = self.out_of.expand(tiles, -1, -1).bmm(products)
        result = tiled.new_empty(rows, TILE, step, columns, TILE, step, outputs)
        tiled = tiled.view(rows, step, columns, step, TILE, TILE, outputs)
        torch.add(tiled.permute(0, 4, 1, 2, 5, 3, 6), self.bias, out=result)
        return result.view(rows * TILE * step, columns * TILE * step, outputs)
