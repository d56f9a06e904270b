"""Storage files that are compressed as a whole."""
from __future__ import annotations

from pathlib import Path

from tdnet_ros.bags.files.compression import zstd

READ_BYTES, BLOCK_BYTES = 2 ** 14, 2 ** 17


def unpack(packed: Path, plain: Path) -> str:
    """Decompress as much of a file as can be; return what is damaged, and where, or ''."""
    with packed.open('rb') as source, plain.open('wb') as target:
        stream = zstd.ZstdDecompressor()
        offset, waiting = 0, b''
        try:
            while True:
                if stream.needs_input and not waiting:
                    offset, waiting = source.tell(), source.read(READ_BYTES)
                    if not waiting:
                        return f'offset {offset}: the file ends here, too early'
                target.write(stream.decompress(waiting, BLOCK_BYTES))
                waiting = b''
                if stream.eof:  # another frame may follow
                    waiting = stream.unused_data or source.read(READ_BYTES)
                    if not waiting:
                        return ''
                    stream = zstd.ZstdDecompressor()
        except zstd.ZstdError as error:
            return f'offset {offset} to {source.tell()}: {error}'
