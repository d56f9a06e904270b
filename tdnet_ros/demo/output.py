"""The folder that the demo writes to: only what a demo left there is ever removed."""
from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from tdnet_ros.demo.processes import DemoError

MARK = '.tdnet_demo'
FILES = ('overlay.mp4', 'overlay.png', 'latency.png', 'latency.json', 'log/sent.json')


def claim(out: Path, source: Path | None) -> TextIO:
    """Mark `out` as a demo's, or fail where a run would cost somebody's files.

    No other demo writes there as long as the file that is returned is open.
    """
    results = [out / name for name in ('bag', *FILES)]
    try:
        if source and _replaced(source.resolve(), out, results):
            raise DemoError(f'the demo would overwrite {source}, which it is to play: choose '
                            'another --out')
        present = [path for path in results if path.exists() or path.is_symlink()]
        if present and not (out / MARK).exists():
            raise DemoError(f'{present[0]} exists and no demo wrote it: choose another --out')
        strangers = _strangers(out / 'bag')
        if strangers:
            raise DemoError(f'{strangers[0]} was not written by a demo: choose another --out')
        (out / 'log').mkdir(parents=True, exist_ok=True)
        mark = (out / MARK).open('a', encoding='utf-8')
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return mark
    except BlockingIOError as error:
        mark.close()
        raise DemoError(f'another demo writes to {out}: choose another --out') from error
    except OSError as error:
        raise DemoError(f'--out {out} cannot be written: {error.strerror}') from error


def clear(out: Path) -> None:
    """Remove what an earlier run left in a claimed `out`."""
    bag = out / 'bag'
    if bag.exists():
        for path in bag.iterdir():
            path.unlink()
        bag.rmdir()
    for name in FILES:
        (out / name).unlink(missing_ok=True)


def kept(out: Path) -> str:
    """One more line for a run that could not start; '' where no earlier one left results."""
    found = [name for name in ('bag', *FILES[:-1]) if (out / name).exists()]
    return (f'\n{out}/ still holds the results of an earlier run ({", ".join(found)}); '
            'log/node.log is of this one' if found else '')


def _replaced(source: Path, out: Path, results: list[Path]) -> bool:
    return source == out.resolve() or any(
        path.resolve() in (source, *source.parents) for path in results)


def _strangers(bag: Path) -> list[Path]:
    """What is not part of a bag, the bag itself when it lies elsewhere."""
    if bag.is_symlink() or (bag.exists() and not bag.is_dir()):
        return [bag]
    return [path for path in (bag.iterdir() if bag.exists() else ())
            if path.suffix != '.mcap' and path.name != 'metadata.yaml']
