"""`tdnet_bag play` of what cannot be played, or not all of it: it ends, and says so."""
from collections.abc import Callable
from pathlib import Path
import subprocess
import threading

import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image

from bags.material import KEEPING, STUMP, Arrivals, Peer, image_message, write_bag, write_raw
from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.play import PlayOptions, play
from tdnet_ros.bags.sources import open_source

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen]


@pytest.mark.parametrize(('arguments', 'message'), [
    (('--wait-for-subscriber', 0.3), 'no subscriber on /camera/image_raw after 0.3 s'),
    (('--subscribers', 2, '--wait-for-subscriber', 0.3), 'no subscriber on /camera/image_raw'),
    (('--topic', 'bad topic'), "'bad topic' is no topic name"),
    (('--topic', '/cam/compressed', '--compressed', '--wait-for-subscriber', 0.1),
     'no subscriber on /cam/compressed after'),
    (('--start-paused', '--wait-for-subscriber', 0), 'there is no input'),
])
def test_nobody_there_is_one_clear_line(folder: Path, tdnet_bag: Run, arguments: tuple,
                                        message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path('/dev/null').open() as nothing:
        monkeypatch.setattr('sys.stdin', nothing)
        status, _, err = tdnet_bag('play', folder, *arguments)
    assert status == 1
    assert message in err.splitlines()[-1]


def test_two_topics_cannot_go_to_one(bag: Path, tdnet_bag: Run) -> None:
    status, _, err = tdnet_bag('play', bag, '--topic', '/cam')
    assert status == 1
    assert 'choose with --from: /front/image_raw, /rear/image_raw/compressed' in err


def test_messages_that_are_damaged_are_left_out_and_counted(tmp_path: Path, peer: Peer,
                                                            start: Start) -> None:
    late = serialize_message(image_message(1))
    drive = write_bag(tmp_path / 'drive', {'/front': [
        (0, image_message(0)), (100, STUMP), (200, image_message(0)), (300, late[:-50])]})
    images = Arrivals(peer, Image, '/front', KEEPING)
    player = start('play', drive)
    peer.spin_until(lambda: images.count() == 2)
    out, err = player.communicate(timeout=15)
    assert player.returncode == 1
    assert 'sent 2 images' in out
    assert [line for line in err.splitlines() if line.startswith('tdnet_bag: ')] == [
        f'tdnet_bag: {drive}: 2 messages of /front cannot be read, first that logged at '
        '1100000000: 4 bytes are too few for a header']


def unreadable(path: Path, with_info: bool) -> Path:
    """A bag of images that are cut off, one as short as can be, and of one calibration or none."""
    infos = {'/cam/camera_info': [serialize_message(CameraInfo(header=image_message(0).header))]}
    cut = serialize_message(image_message(0))[:-50]
    return write_raw(path, {'/cam/image': [cut, cut], **(infos if with_info else {})})


@pytest.mark.parametrize('with_info', [False, True])
def test_a_bag_without_one_readable_image_does_not_loop_for_ever(
        tmp_path: Path, tdnet_bag: Run, with_info: bool) -> None:
    drive = unreadable(tmp_path / 'drive', with_info)
    status, out, err = tdnet_bag('play', drive, '--loop', '--wait-for-subscriber', 0)
    assert (status, out) == (1, '')
    first, unread = [line for line in err.splitlines() if line.startswith('tdnet_bag: ')]
    assert first == 'tdnet_bag: no image of it can be read'
    assert unread.startswith(f'tdnet_bag: {drive}: 2 messages of /cam/image cannot be read, first '
                             'that logged at 1000000000: RMWError: ')


def test_a_folder_that_is_emptied_does_not_loop_for_ever(folder: Path) -> None:
    def empty(_: object) -> None:
        for path in folder.iterdir():
            path.unlink()

    with pytest.raises(BagError, match='no image of it can be read'):
        play(open_source(str(folder), 100.0), PlayOptions(loop=True, wait_s=0),
             threading.Event(), on_frame=empty)


def test_the_summary_says_which_samples_were_sent(tmp_path: Path) -> None:
    """Not the calibration, nor the first image, which cannot be read."""
    whole = serialize_message(image_message(0))
    infos = [serialize_message(CameraInfo(header=image_message(0).header))]
    drive = write_raw(tmp_path / 'drive', {
        '/cam/camera_info': infos, '/cam/image': [whole[:-50], whole, whole]})
    summary = play(open_source(str(drive)), PlayOptions(loop=True, frames=3, wait_s=0),
                   threading.Event())
    assert summary.as_dict()['samples'] == [2, 3, 2]


def test_an_interrupt_is_heard_between_messages_that_cannot_be_read(tmp_path: Path) -> None:
    source = open_source(str(unreadable(tmp_path / 'drive', with_info=False)))
    stop = threading.Event()
    stop.set()
    assert play(source, PlayOptions(wait_s=0), stop).sent == 0
    assert source.problems == []
