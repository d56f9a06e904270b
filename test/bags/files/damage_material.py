"""Bags to be damaged, and what can still be read of them."""
from __future__ import annotations

from contextlib import closing
from pathlib import Path
import random

from tdnet_ros.bags.files.bag import Bag

FRAMES = 40
TOPIC = '/front/image_raw'


def storage(bag: Path) -> Path:
    """The largest file of a bag."""
    if bag.is_file():
        return bag
    return max(bag.iterdir(), key=lambda file: file.stat().st_size)


def read(bag: Path) -> tuple[list[int], list[str]]:
    """Log times of the frames that can be read, and what is damaged."""
    opened = Bag(bag)
    logged = [message.logged_ns for message in opened.messages([TOPIC])]
    opened.close()
    return logged, opened.problems


def contents(bag: Path) -> list[bytes]:
    with closing(Bag(bag)) as opened:
        return [message.cdr for message in opened.messages([TOPIC])]


def zeros(file: Path, at: int, count: int = 4096) -> None:
    with file.open('r+b') as target:
        target.seek(at)
        target.write(bytes(count))


def noise(file: Path, at: int, count: int = 4096) -> None:
    with file.open('r+b') as target:
        target.seek(at)
        target.write(random.Random(at).randbytes(count))
