"""The numbers that tell one network from another."""
from __future__ import annotations

from dataclasses import dataclass
import math
import operator
from typing import Annotated, NamedTuple

from tdnet_ros.nets.records import SIDES, Count, Range

Channels = Annotated[int, Range(1, 4096)]
EXPANSION = {18: 1, 34: 1, 50: 4, 101: 4}
'''Output channels of a residual block over its inner channels, by the depth of the ResNet.'''


class Context(NamedTuple):
    """What a context asks of the backbone and the head around it."""

    strides: tuple[int, int, int, int]
    '''Of the four layers of the ResNet; the stem has stride 4.'''
    dilated: bool = False
    '''The last two layers are dilated, as the authors of TDNet set them.'''
    leaky: bool = False
    '''Leaky ReLU in place of ReLU, but for the ends of residual blocks.'''
    classifier_bias: bool = True
    remainder: int = 1
    '''Native input sides are a multiple of 8 plus this.'''


CONTEXTS = {
    'psp': Context((1, 2, 1, 1), dilated=True),
    'bise': Context((1, 2, 2, 2)),
    'fa': Context((2, 2, 2, 2), leaky=True, classifier_bias=False, remainder=0),
}
'''What follows the backbone: pyramid.py, bisenet.py, fanet.py.'''


@dataclass(frozen=True)
class Architecture:
    """One row of the table in variants.py; every field has one meaning everywhere."""

    paths: Annotated[int, Range(1, 64)]
    '''N: number of sub-networks, one per frame in turn; 1 is a per-frame network.'''
    depth: int
    '''Depth of the ResNet: 18, 34, 50 or 101.'''
    context: str = 'psp'
    '''What follows the backbone: one of CONTEXTS.'''
    groups: Count = 1
    '''The pyramid's channels are cut into this many groups; path p keeps group p mod groups.'''
    width: Annotated[float, Range(0.01, 100)] = 1.0
    '''Factor on every channel count.'''
    key_channels: Channels = 64
    '''Channels of query and key (d_k in the paper).'''
    value_channels: Channels = 512
    '''Channels of the value (d_v), before `width`; unused by a per-frame network.'''
    head_reduction: Count = 4
    '''Channels that enter the head over channels of its convolution.'''
    memory_stride: Count = 4
    '''Features are subsampled by this in each direction before they enter the memory.'''
    norm_size: tuple[Count, Count] | None = (97, 193)
    '''Native size of the spatial norm's weights; None: one group norm over all channels.'''
    output_stride: int = 8
    '''Stride of the logits: 8, or 4 (the head then adds detail from the first stage).'''
    raised_channels: Channels = 32
    '''Channels that the head brings to output stride 4, before `width`; unused at 8.'''
    shared_stages: Annotated[int, Range(0, 5)] = 0
    '''Number of leading backbone stages (stem, then layers) that all paths share.'''
    shared_head: bool = False
    '''All paths use one head.'''

    def __post_init__(self) -> None:
        _expect('depth', self.depth, self.depth in EXPANSION, f'one of {sorted(EXPANSION)}')
        _expect('context', self.context, self.context in CONTEXTS, f'one of {sorted(CONTEXTS)}')
        strides = (4, 8) if self.around.strides[0] == 1 else (8,)
        _expect('output_stride', self.output_stride, self.output_stride in strides,
                f'{" or ".join(map(str, strides))} with context {self.context!r}')
        is_cut = self.context == 'psp' and self.paths > 1
        whole = math.gcd(*self.feature_parts) if is_cut else 1
        _expect('groups', self.groups, whole % self.groups == 0,
                f'a divisor of {whole}' if is_cut else
                f'1 with context {self.context!r} and paths {self.paths}')
        channels = self.head_channels
        _expect('head_reduction', self.head_reduction, channels % self.head_reduction == 0,
                f'a divisor of {channels}')

    @property
    def around(self) -> Context:
        """What the context asks of the rest."""
        return CONTEXTS[self.context]

    def channels(self, count: int) -> int:
        """Scale a channel count of the full-width network, kept a multiple of 8."""
        return max(8, round(count * self.width / 8) * 8)

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels after the stem and the four layers of the backbone."""
        stem = self.channels(64 if EXPANSION[self.depth] == 1 else 128)
        return stem, *(self.channels(planes) * EXPANSION[self.depth]
                       for planes in (64, 128, 256, 512))

    @property
    def feature_parts(self) -> tuple[int, ...]:
        """Channels of the maps that make up z when no group is cut from it."""
        last = self.stage_channels[-1]
        return {'psp': (last, *[last // 4] * 4), 'bise': (self.channels(256),),
                'fa': (self.channels(128), self.channels(128))}[self.context]

    @property
    def feature_channels(self) -> int:
        """Channels of the sub-features z at stride 8."""
        return sum(self.feature_parts) // self.groups

    @property
    def native_input_size(self) -> tuple[int, int]:
        """Input (height, width) at which the spatial norm needs no resampling."""
        if self.norm_size is None:
            raise ValueError('architecture: without a spatial norm any input size is native')
        height, width = self.norm_size
        beyond = self.around.remainder
        return (height - beyond) * 8 + beyond, (width - beyond) * 8 + beyond

    @property
    def head_channels(self) -> int:
        """Channels that enter the head: the value, or z in a per-frame network."""
        return self.feature_channels if self.paths == 1 else self.channels(self.value_channels)

    @property
    def inner_channels(self) -> int:
        """Channels inside the head, between its convolution and the classifier."""
        return self.head_channels // self.head_reduction


def aligned_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the nearest (height, width) of the form 32 k + 1.

    The grids of all strides then share their corners, so that maps which are scaled up with
    aligned corners come to lie exactly where they were computed.
    """
    height, width = (32 * max(1, round((side - 1) / 32)) + 1 for side in size)
    return height, width


def checked_pair(what: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return a (height, width); ValueError unless it is two whole numbers."""
    try:
        height, width = map(operator.index, size)
    except (TypeError, ValueError):
        raise ValueError(f'{what} size is {size!r}, expected (height, width) in pixels') from None
    return height, width


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return an input's (height, width); ValueError unless a network and its card take it."""
    height, width = checked_pair('input', size)
    low, high = SIDES
    if min(height, width) < low or max(height, width) > high:
        raise ValueError(f'input size {height}x{width}, expected at least {low}x{low} pixels and '
                         f'at most {high}x{high}')
    return height, width


def _expect(field: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f'{field} is {value!r}, expected {expected}')
