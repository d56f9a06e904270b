"""What tdnet_convert refuses before it reads any weights."""
from __future__ import annotations

from pathlib import Path

import pytest

from tdnet_ros.nets.convert import main


def complaint(capsys: pytest.CaptureFixture[str], classes: Path, out: Path) -> str:
    assert main(['none.pkl', '--model', 'td4-psp18', '--classes', str(classes), '--out',
                 str(out)]) == 1
    line, = capsys.readouterr().err.splitlines()
    return line


def test_the_file_of_classes_is_not_replaced_by_the_card(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes = tmp_path / 'mine.yaml'
    classes.write_text('road: [128, 64, 128]')
    assert f'{classes} exists already' in complaint(
        capsys, classes, classes.with_suffix('.safetensors'))


@pytest.mark.parametrize('text', [
    'road: [1, 2', 'road: [a, b, c]', 'road: [1, 2]', 'road: [300, -1, 2]', '- road', ''])
def test_bad_classes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                               text: str) -> None:
    classes = tmp_path / 'mine.yaml'
    classes.write_text(text)
    line = complaint(capsys, classes, tmp_path / 'new.safetensors')
    assert line.startswith(f'tdnet_convert: {classes}: expected a mapping of class names to RGB')
