"""What cannot be labelled, and where labels cannot go: one line says why."""
from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import sqlite3

import pytest
from rosbags.rosbag2 import Reader

from bags.label_material import START_NS, Logged, drive, header, write_bag
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label.location import check_inputs

Run = Callable[..., tuple[int, list[str]]]
PATHS = 2


def test_bad_input_is_one_line_each(tmp_path: Path, run: Run) -> None:
    note = Logged('/note', 'std_msgs/msg/Header', START_NS, header(START_NS))
    strange = drive(2)
    for item in strange:
        item.message.encoding = 'BGR8'
    depth = drive(2)
    for item in depth:
        item.message.encoding = '32FC1'
    twin = write_bag(tmp_path / 'elsewhere' / 'good', drive(2))
    good = write_bag(tmp_path / 'good', drive(2))
    empty = tmp_path / 'empty'
    empty.mkdir()
    (tmp_path / 'text.mcap').write_text('text')
    bags = {
        write_bag(tmp_path / 'silent', [note]): 'has no image topic; its topics: /note',
        write_bag(tmp_path / 'strange', strange): "encoding 'BGR8' is not supported "
                                                  "(did you mean 'bgr8'?)",
        write_bag(tmp_path / 'depth', depth): "encoding '32FC1' is that of a depth image",
        tmp_path / 'nothing': 'does not exist: expected a rosbag',
        empty: 'is no rosbag: it has neither metadata.yaml nor a storage file',
        tmp_path / 'text.mcap': 'has no image topic',
        good: ''}
    status, errors = run(*bags)
    assert status == 1
    assert len(errors) == len(bags) - 1
    for (bag, message), error in zip(bags.items(), errors):
        assert error.startswith(f'tdnet_bag: {bag} ') and message in error
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['good']
    for bad, message in (((good, good), 'is given twice'), ((good, twin), 'choose another --out'),
                         ((tmp_path / 'out' / 'good',), 'would be written into itself'),
                         ((good, '--start', 5), 'nothing is left from --start 5 on'),
                         ((twin, '--keep', 'tank'), "there is no class 'tank'"),
                         ((twin, '--topic', '/left'), 'has no image topic /left'),
                         ((twin, '--workers', 2), '--workers needs --ray'),
                         ((twin, '--points'), 'points need a depth topic')):
        status, errors = run(*bad)
        assert (status, len(errors)) == (1, 1), errors
        assert message in errors[0]


def test_labels_of_another_bag_of_the_name_stay(tmp_path: Path, run: Run) -> None:
    monday, tuesday = (write_bag(tmp_path / day / 'drive', drive(count))
                       for day, count in (('monday', 4), ('tuesday', 5)))
    assert run(monday) == (0, [])
    assert run(tuesday) == (1, [
        f'tdnet_bag: {tmp_path}/out/drive was labelled from another bag of this name, or before '
        'the bag was all there: choose another --out or remove it'])


@pytest.mark.parametrize('out', ['drive', 'drive/labels', 'drive/../drive/'])
def test_an_output_inside_an_input_is_refused(tmp_path: Path, out: str) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(BagError, match=rf'--out .* lies in {bag}, which is read'):
        check_inputs([str(bag)], f'{tmp_path}/{out}')
    check_inputs([str(bag)], f'{tmp_path}/drive2')
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize('command', ['label', 'frames'])
def test_the_same_command_goes_on_where_the_output_is_among_the_bags(
        tmp_path: Path, model: Path, command: str, tdnet_bag: Callable[..., tuple[int, str, str]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    for name in 'ab':
        write_bag(tmp_path / 'week' / name, drive(2))
    monkeypatch.chdir(tmp_path / 'week')
    rest = '--model', model, '--device', 'cpu', '--no-report'
    for _ in range(2):
        status, _, errors = tdnet_bag(command, *sorted(os.listdir()), '--out', 'out',
                                      *(rest if command == 'label' else ()))
        assert (status, errors) == (0, '')
    for bags, out in ((['a', 'b'], 'a'), (['out'], 'out')):  # a is a bag
        assert f'--out {out}' in tdnet_bag(command, *bags, '--out', out)[2]


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    (tmp_path / 'out').write_text('a file')
    assert run(bag) == (1, [f'tdnet_bag: cannot write {tmp_path}/out/drive.part: '
                            'Not a directory'])


def test_what_others_keep_under_the_name_of_the_work_stays(tmp_path: Path, run: Run) -> None:
    bag = write_bag(tmp_path / 'drive', drive(2))
    write_bag(tmp_path / 'out' / 'drive.part', drive(2))
    (tmp_path / 'out' / 'drive.part' / 'writing').mkdir()
    before = sorted((tmp_path / 'out').rglob('*'))
    assert run(bag) == (1, [
        f'tdnet_bag: {tmp_path}/out/drive.part is in the way, and no work of `tdnet_bag label`: '
        'choose another --out or remove it'])
    assert sorted((tmp_path / 'out').rglob('*')) == before


@pytest.mark.parametrize(('msgtype', 'why'), [
    ('lost_msgs/msg/Lost', 'the bag has no definition of lost_msgs/msg/Lost, and the definition '),
    ('std_srvs/srv/Trigger_Event', 'events of a service have no definition')])
def test_what_cannot_be_copied_is_left_out(tmp_path: Path, run: Run, msgtype: str,
                                           why: str) -> None:
    notes = [Logged(name, 'std_msgs/msg/Header', START_NS, header(START_NS))
             for name in ('/note', '/kept')]
    bag = write_bag(tmp_path / 'drive', [*drive(2), *notes], 'db3')
    with sqlite3.connect(bag / 'drive.db3') as database:
        database.execute('UPDATE topics SET type = ? WHERE name = "/note"', [msgtype])
        database.execute('DELETE FROM message_definitions')
    status, errors = run(bag, '--copy-input')
    assert (status, len(errors)) == (1, 1), errors
    assert errors[0].startswith(f'tdnet_bag: {bag}: /note is not copied: {why}')
    with Reader(tmp_path / 'out' / 'drive') as reader:
        assert {item.topic: item.msgcount for item in reader.connections} == {
            '/front/image_raw': 2, '/kept': 1, '/tdnet/labels/compressed': 2,
            '/tdnet/label_info': 1}
