"""Files are whole or not there, and asking leaves nothing behind."""
from __future__ import annotations

from pathlib import Path

import pytest

from tdnet_ros.nets.writing import check_writable, replacing


def test_asking_whether_a_file_can_be_written_changes_nothing(tmp_path: Path) -> None:
    link, kept = tmp_path / 'link.json', tmp_path / 'kept.json'
    link.symlink_to(tmp_path / 'target.json')
    kept.write_text('{}')
    for path in (link, kept, tmp_path / 'new.json'):
        check_writable(path)
    assert sorted(tmp_path.iterdir()) == [kept, link]
    assert link.is_symlink()
    assert kept.read_text() == '{}'


def test_a_file_that_fails_half_way_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('whole')
    half_way = pytest.raises(UnicodeEncodeError)
    with half_way, replacing(path) as part, part.open('w', encoding='ascii') as file:
        file.writelines(('half', '½'))
    assert path.read_text() == 'whole'
    assert [*tmp_path.iterdir()] == [path]
