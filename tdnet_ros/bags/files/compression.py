"""What is compressed in bags, unpacked within bounds: chunks, messages and whole files."""
from __future__ import annotations

from bz2 import BZ2Decompressor
from collections.abc import Callable, Mapping
import errno
import os
from pathlib import Path
import shutil
import sys
from types import MappingProxyType
from typing import Any

from lz4.frame import LZ4FrameDecompressor

# In the standard library from Python 3.14 on, else its backport.
if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_BYTES = 2 ** 28
'''Of a chunk or message; recorders make chunks of a few megabytes.'''
ZSTD_START = b'\x28\xb5\x2f\xfd'
'''With which packed data begin, and no CDR.'''
READ_BYTES, BLOCK_BYTES = 2 ** 14, 2 ** 17
FREE_BYTES = 2 ** 28
'''So much of a disk is left to others, of a small one a twentieth.'''
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


def unpack_file(packed: Path, plain: Path) -> str:
    """Decompress as much of a zstd file as can be; return what is damaged, and where, or ''.

    OSError before the disk is full, since a few kilobytes may unpack to any size.
    """
    with packed.open('rb') as source, plain.open('wb') as target:
        stream = zstd.ZstdDecompressor()
        offset, waiting = 0, b''
        try:
            while True:
                if stream.needs_input and not waiting:
                    offset, waiting = source.tell(), source.read(READ_BYTES)
                    if not waiting:
                        return f'offset {offset}: the file ends here, too early'
                _check_room(plain.parent)
                target.write(stream.decompress(waiting, BLOCK_BYTES))
                waiting = b''
                if stream.eof:  # another frame may follow
                    waiting = stream.unused_data or source.read(READ_BYTES)
                    if not waiting:
                        return ''
                    stream = zstd.ZstdDecompressor()
        except zstd.ZstdError as error:
            return f'offset {offset} to {source.tell()}: {error}'


def _check_room(folder: Path) -> None:
    disk = shutil.disk_usage(folder)
    if disk.free < min(FREE_BYTES, disk.total // 20):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
