"""Nothing but the results of an earlier demo is ever removed."""
from pathlib import Path

import pytest

from tdnet_ros.demo.output import claim, clear
from tdnet_ros.demo.processes import DemoError


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What a demo leaves."""
    path = tmp_path / 'out'
    claim(path, None).close()
    (path / 'bag').mkdir()
    for name in ('bag/bag.mcap', 'bag/metadata.yaml', 'overlay.mp4', 'latency.json', 'notes.txt'):
        (path / name).write_text(name)
    return path


def test_results_of_a_demo_are_replaced_and_the_rest_stays(tmp_path: Path, out: Path) -> None:
    claim(out, tmp_path / 'drive.mp4').close()
    clear(out)
    assert sorted(path.name for path in out.iterdir()) == ['.tdnet_demo', 'log', 'notes.txt']


@pytest.mark.parametrize('source', ['bag', 'bag/bag.mcap', 'overlay.mp4', '.', '../link.mp4'])
def test_source_is_not_overwritten(out: Path, source: str) -> None:
    (out.parent / 'link.mp4').symlink_to(out / 'overlay.mp4')
    with pytest.raises(DemoError, match=r'would overwrite .*: choose another --out'):
        claim(out, out / source)


def test_source_beside_the_results_may_be_played(out: Path) -> None:
    claim(out, out / 'drive.mp4').close()


def test_two_demos_do_not_write_to_one_folder(out: Path) -> None:
    with claim(out, None), pytest.raises(DemoError, match=f'another demo writes to {out}'):
        claim(out, None)
    claim(out, None).close()


@pytest.mark.parametrize('name', ['bag/bag.mcap', 'overlay.mp4'])
def test_files_that_no_demo_wrote_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('precious')
    with pytest.raises(DemoError, match='exists and no demo wrote it: choose another --out'):
        claim(tmp_path, None)


def test_stranger_in_the_bag_is_named(out: Path) -> None:
    (out / 'bag' / 'thesis.txt').write_text('draft')
    with pytest.raises(DemoError, match=r'thesis\.txt was not written by a demo'):
        claim(out, None)


def test_bag_elsewhere_is_left_alone(out: Path) -> None:
    (out / 'bag').rename(out / 'precious')
    (out / 'bag').symlink_to(out / 'precious')
    with pytest.raises(DemoError, match='bag was not written by a demo'):
        claim(out, None)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    for path, reason in ((tmp_path / 'file', 'Not a directory'), (Path('/proc/x'), 'No such')):
        with pytest.raises(DemoError, match=f'--out {path} cannot be written: {reason}'):
            claim(path, None)
