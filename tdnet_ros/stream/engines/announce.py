"""Long work that says that it goes on, and for how long it has."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import sys
import threading
import time

EVERY_S = 15.0


@contextmanager
def announced(what: str, every_s: float = EVERY_S) -> Iterator[None]:
    """Say on stderr what begins, every so often how long it has taken, and when it is over."""
    start, over = time.monotonic(), threading.Event()

    def say(text: str) -> None:
        print(f'{what}: {text}', file=sys.stderr, flush=True)

    def repeat() -> None:
        while not over.wait(every_s):
            say(f'{time.monotonic() - start:.0f} s so far')

    ticker = threading.Thread(target=repeat, name='tdnet_announce', daemon=True)
    say('begins')
    ticker.start()
    try:
        yield
    except BaseException:
        say(f'failed after {time.monotonic() - start:.0f} s')
        raise
    else:
        say(f'ready after {time.monotonic() - start:.0f} s')
    finally:
        over.set()
        ticker.join()
