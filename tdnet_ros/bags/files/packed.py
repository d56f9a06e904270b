"""Storage files that are compressed as a whole."""
from __future__ import annotations

import errno
import os
from pathlib import Path
import shutil

from tdnet_ros.bags.files.compression import zstd

READ_BYTES, BLOCK_BYTES = 2 ** 14, 2 ** 17
FREE_BYTES = 2 ** 28
'''So much of a disk is left to others, of a small one a twentieth.'''


def unpack(packed: Path, plain: Path) -> str:
    """Decompress as much of a file as can be; return what is damaged, and where, or ''.

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
