"""Bags that fail in the middle: what `tdnet_bag frames` makes of the others."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from bags.label_material import drive, write_bag
from tdnet_ros.bags.frames import pictures


def test_a_link_to_itself_does_not_cost_the_others(
        tmp_path: Path, tdnet_bag: Callable[..., tuple[int, str, str]]) -> None:
    link, bag = tmp_path / 'latest', write_bag(tmp_path / 'drive', drive(2))
    link.symlink_to(link)
    assert tdnet_bag('frames', link, bag, '--out', tmp_path / 'mine') == (
        1, f'{bag}: 1 picture written to {tmp_path}/mine/train\n',
        f'tdnet_bag: {link} does not exist: expected a rosbag\n')


def test_a_bag_that_goes_away_while_it_is_read_does_not_cost_the_others(
        tmp_path: Path, tdnet_bag: Callable[..., tuple[int, str, str]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    bags = [write_bag(tmp_path / name, drive(24), 'split') for name in ('unplugged', 'here')]

    def update(done: int, text: str) -> None:
        if bags[0].exists():
            bags[0].rename(tmp_path / 'gone')

    monkeypatch.setattr(pictures, 'progress', lambda title: nullcontext(update))
    status, out, errors = tdnet_bag('frames', *bags, '--out', tmp_path / 'mine')
    assert (status, out) == (1, f'{bags[1]}: 2 pictures written to {tmp_path}/mine/train\n')
    line, = errors.splitlines()
    assert line.startswith(f'tdnet_bag: {bags[0]}: ') and 'No such file or directory' in line
