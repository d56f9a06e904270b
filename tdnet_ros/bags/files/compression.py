"""What is compressed in bags, unpacked within bounds."""
from __future__ import annotations

from bz2 import BZ2Decompressor
from collections.abc import Callable, Mapping
import sys
from types import MappingProxyType
from typing import Any

from lz4.frame import LZ4FrameDecompressor

# In the standard library from Python 3.14 on, else its backport.
if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ['unpacked', 'zstd']

MOST_BYTES = 2 ** 28
'''Of a chunk or message; recorders make chunks of a few megabytes.'''
_DECOMPRESSORS: Mapping[bytes, Callable[[], Any]] = MappingProxyType({
    b'zstd': zstd.ZstdDecompressor, b'lz4': LZ4FrameDecompressor, b'bz2': BZ2Decompressor})
_PLAIN = (b'', b'none')


def unpacked(packed: bytes, compression: bytes) -> bytes:
    """Unpack a chunk or message; ValueError if it is cut off or larger than MOST_BYTES."""
    if compression in _PLAIN:
        return packed
    raw, rest = b'', packed
    while rest or not packed:  # another frame may follow
        decompressor = _DECOMPRESSORS[compression]()
        raw += decompressor.decompress(rest, MOST_BYTES - len(raw))
        if not decompressor.eof:
            raise ValueError('the packed data are cut off' if len(raw) < MOST_BYTES else
                             f'the packed data have more than {MOST_BYTES} bytes')
        rest = decompressor.unused_data
    return raw
