"""`tdnet_bag label` ends with a report of what it labelled, unless told not to."""
import json
from pathlib import Path

import pytest

from bags.label_material import drive, save_model, write_bag
from tdnet_ros.bags.cli import main


def test_a_report_does_not_stay_in_the_bag_that_is_in_work(tmp_path: Path) -> None:
    model = save_model(tmp_path, paths=2)
    bag = write_bag(tmp_path / 'drive', drive(6))
    out = tmp_path / 'out'
    assert main(['label', str(bag), '--out', str(out), '--model', str(model), '--device', 'cpu',
                 '--no-report']) == 0
    part = (out / 'drive').rename(out / 'drive.part')
    assert main(['report', str(part)]) == 0
    assert (out / 'report.html').exists()
    assert not (part / 'report.html').exists()


def test_the_bag_that_was_labelled_is_found_from_any_folder(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_model(tmp_path, paths=2)
    write_bag(tmp_path / 'drive', drive(2))
    monkeypatch.chdir(tmp_path)
    assert main(['label', 'drive', '--out', 'out', '--model', str(model), '--device', 'cpu']) == 0
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    assert main(['report', '../out', '--out', 'report.html']) == 0
    before, after = ([line for line in (folder / 'report.html').read_text().splitlines()
                      if 'src="data:image/jpeg;base64,' in line]
                     for folder in (tmp_path / 'out', Path()))
    assert len(before) == 2 and before == after  # over its images


@pytest.mark.parametrize('wanted', [True, False])
def test_labelling_ends_with_a_report(tmp_path: Path, capsys: pytest.CaptureFixture,
                                      wanted: bool) -> None:
    model = save_model(tmp_path, paths=2)
    bag = write_bag(tmp_path / 'drive', drive(6))
    out = tmp_path / 'out'
    status = main(['label', str(bag), '--out', str(out), '--model', str(model), '--device', 'cpu',
                   *([] if wanted else ['--no-report'])])
    assert (status, capsys.readouterr().err) == (0, '')
    assert (out / 'report.html').exists() == wanted
    if wanted:
        labelled, = json.loads((out / 'report.json').read_text())['bags']
        assert (labelled['name'], labelled['source'], labelled['input']) == (
            'drive', 'offline', str(bag))
        camera, = labelled['cameras']
        assert (camera['frames'], camera['image']) == (6, '/front/image_raw')
        # The pictures are the labels over the images of the bag that was labelled.
        assert (out / 'report.html').read_text().count('src="data:image/jpeg;base64,') == 6


def test_the_report_has_the_bags_of_earlier_runs_too(
        tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model = save_model(tmp_path, paths=2)
    out = tmp_path / 'out'
    write_bag(out / 'recorded', drive(2))
    for name in ('tuesday', 'monday', 'work'):
        bag = write_bag(tmp_path / name, drive(2))
        assert main(['label', str(bag), '--out', str(out), '--model', str(model), '--device',
                     'cpu', *(['--no-report'] if name == 'work' else [])]) == 0
    (out / 'work').rename(out / 'work.part')
    (out / 'monday' / 'monday_0.mcap').write_bytes(b'')  # not what this run is about
    capsys.readouterr()
    assert main(['label', str(tmp_path / 'tuesday'), '--out', str(out), '--model', str(model),
                 '--device', 'cpu']) == 0
    assert capsys.readouterr().err == ''
    assert [bag['name'] for bag in json.loads((out / 'report.json').read_text())['bags']] == [
        'monday', 'tuesday']
