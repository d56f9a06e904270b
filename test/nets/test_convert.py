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


@pytest.mark.parametrize(('text', 'reason'), [
    ('road: [1, 2', "line 1: expected ',' or ']'"),
    ('road: [a, b, c]', "colours: road 0 is 'a', expected a whole number from 0 to 255"),
    ('road: [1, 2]', 'colours: road is [1, 2], expected a list of 3'),
    ('road:', 'colours: road is None, expected a list of 3'),
    ('road: [1, -1, 2]', 'colours: road 1 is -1, expected a whole number from 0 to 255'),
    ('- road', "it holds ['road'], expected a mapping of class names to RGB colours"),
    ('', 'it holds None, expected a mapping of class names to RGB colours'),
    ('{}', "class set 'mine': 0 names"),
    ('road: [1, 2, 3]\ncar: [3, 2, 1]\nroad: [4, 4, 4]', 'line 3: road is there twice'),
    ('road: [1, 2, 3]\nNO: [3, 2, 1]', 'the name False is not text: put it in quotes'),
    ('road: [1, 2, 3]\ncar: [1, 2, 3]', 'road and car have the same colour, [1, 2, 3]'),
])
def test_bad_classes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                               text: str, reason: str) -> None:
    classes = tmp_path / 'mine.yaml'
    classes.write_text(text)
    line = complaint(capsys, classes, tmp_path / 'new.safetensors')
    assert line.startswith(f'tdnet_convert: {classes}: {reason}')
