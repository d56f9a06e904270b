"""`tdnet_bag play` as a process: every image arrives, when it is due, with the right stamp."""
from collections.abc import Callable
import json
from pathlib import Path
import signal
import subprocess
import time

import cv2
import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from bags.material import (
    FRAMES,
    KEEPING,
    Arrivals,
    Peer,
    compressed_message,
    frame,
    image_message,
    write_bag,
)
from tdnet_ros.bags.play import PlayOptions, play
from tdnet_ros.bags.sources import open_source

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., subprocess.Popen]
KEPT = 10  # images that the player keeps for a subscriber that is behind


def done(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    return out


def test_every_image_arrives_once_and_in_order(tmp_path: Path, folder: Path, peer: Peer,
                                               start: Start) -> None:
    arrivals = Arrivals(peer, Image, '/camera/image_raw', KEEPING)
    player = start('play', folder, '--rate', 5, '--summary', tmp_path / 'sent.json')
    peer.spin_until(lambda: arrivals.count() == FRAMES)
    done(player)
    sent = json.loads((tmp_path / 'sent.json').read_text())
    assert sent['sent'] == FRAMES
    assert arrivals.stamps_ns() == sent['stamps_ns']
    assert [message.data[0] // 10 for message in arrivals.messages] == list(range(FRAMES))
    first = arrivals.messages[0]
    assert (first.encoding, first.width, first.height, first.step) == ('bgr8', 32, 24, 96)
    assert first.header.frame_id == 'camera_optical_frame'


def test_best_effort_subscribers_hear_it_too(tmp_path: Path, folder: Path, peer: Peer,
                                             start: Start) -> None:
    """They may lose images while the machine is busy, but get none twice or out of order."""
    arrivals = Arrivals(peer, Image, '/camera/image_raw', QoSProfile(
        depth=50, reliability=ReliabilityPolicy.BEST_EFFORT))
    player = start('play', folder, '--rate', 5, '--summary', tmp_path / 'sent.json')
    peer.spin_until(lambda: player.poll() is not None)
    done(player)
    peer.spin_for(0.2)
    came = arrivals.stamps_ns()
    sent = json.loads((tmp_path / 'sent.json').read_text())['stamps_ns']
    assert came == [stamp for stamp in sent if stamp in came]
    assert came


class FakeTime:
    """A clock that goes on while somebody waits for it, and its own stop event."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return round(self.now_s * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        return False

    def is_set(self) -> bool:
        return False


def test_delays_do_not_add_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are due on one timeline, so work between them, here 10 ms, is made up for.

    So is the one time that it is 100 ms, with the next eight.
    """
    clock = FakeTime()
    monkeypatch.setattr('tdnet_ros.bags.play.time', clock)
    summary = play(open_source(str(folder), 50.0), PlayOptions(loop=True, frames=60, wait_s=0),
                   clock, on_frame=lambda sent: clock.sleep(0.1 if sent.sent == 21 else 0.01))
    late_ms = (np.array(summary.stamps_ns) - summary.stamps_ns[0]) / 1e6 - np.arange(60) * 20.0
    made_up_for = range(80, 0, -10)
    np.testing.assert_allclose(late_ms, [*[0] * 21, *made_up_for, *[0] * 31], atol=0.01)
    assert summary.max_late_ms == pytest.approx(80)
    assert summary.seconds == pytest.approx(59 * 0.02)


def test_stamps_now_are_the_times_of_sending(video: Path, peer: Peer, start: Start) -> None:
    arrivals = Arrivals(peer, Image, '/cam', KEEPING)
    done_before = time.time_ns()
    player = start('play', video, '--topic', '/cam', '--frame-id', 'left', '--frames', KEPT)
    peer.spin_until(lambda: arrivals.count() == KEPT)
    done(player)
    age_ms = (np.array(arrivals.times_ns) - np.array(arrivals.stamps_ns())) / 1e6
    assert arrivals.stamps_ns()[0] > done_before
    assert min(age_ms) > 0
    assert arrivals.messages[0].header.frame_id == 'left'


def test_original_stamps_repeat_with_the_loop(video: Path, peer: Peer, start: Start) -> None:
    arrivals = Arrivals(peer, Image, '/camera/image_raw', KEEPING)
    player = start('play', video, '--rate', 5, '--stamps', 'original', '--loop', '--frames',
                   FRAMES + 3)
    peer.spin_until(lambda: arrivals.count() == FRAMES + 3)
    done(player)
    once = [index * 200_000_000 for index in range(FRAMES)]
    assert arrivals.stamps_ns() == once + once[:3]


def test_bag_goes_out_as_it_came_in(bag: Path, peer: Peer, start: Start) -> None:
    raw = Arrivals(peer, Image, '/front/image_raw', KEEPING)
    packed = Arrivals(peer, CompressedImage, '/rear/image_raw/compressed', KEEPING)
    player = start('play', bag, '--stamps', 'original', '--rate', 20)
    peer.spin_until(lambda: raw.count() == 6 and packed.count() == 3)
    done(player)
    assert raw.messages == [image_message(index) for index in range(6)]
    assert packed.messages == [compressed_message(index) for index in range(3)]


def test_pictures_go_out_as_jpeg(folder: Path, peer: Peer, start: Start) -> None:
    arrivals = Arrivals(peer, CompressedImage, '/cam/compressed', KEEPING)
    player = start('play', folder, '--topic', '/cam', '--compressed', '--frames', KEPT)
    peer.spin_until(lambda: arrivals.count() == KEPT)
    done(player)
    for index, message in enumerate(arrivals.messages):
        assert 'jpeg' in message.format
        pixels = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(pixels, frame(index), atol=2)


def test_a_bag_is_not_packed_anew(bag: Path, tdnet_bag: Run) -> None:
    status, _, err = tdnet_bag('play', bag, '--compressed')
    assert status == 1
    assert 'the images of a bag go out as they are' in err


def test_one_topic_of_a_bag_goes_where_it_is_wanted(
        tmp_path: Path, bag: Path, peer: Peer, start: Start) -> None:
    arrivals = Arrivals(peer, Image, '/cam', KEEPING)
    before_ns = time.time_ns()
    player = start('play', bag, '--from', '/front/image_raw', '--topic', '/cam',
                   '--summary', tmp_path / 'sent.json')
    peer.spin_until(lambda: arrivals.count() == 6)
    done(player)
    assert arrivals.messages[0].header.frame_id == 'front'
    assert min(arrivals.stamps_ns()) > before_ns
    sent = json.loads((tmp_path / 'sent.json').read_text())
    assert sent['seconds'] > 0.499, 'recorded at 10 Hz, and played so'


def test_an_image_and_its_calibration_have_one_stamp(
        tmp_path: Path, peer: Peer, start: Start) -> None:
    """Drivers stamp them alike, and who synchronises them asks for it."""
    headers = [image_message(k // 2).header for k in range(4)]
    drive = write_bag(tmp_path / 'drive', {
        '/cam/camera_info': [(20 * k, CameraInfo(header=item)) for k, item in enumerate(headers)],
        '/cam/image': [(20 * k + 5, Image(header=item)) for k, item in enumerate(headers)]})
    images = Arrivals(peer, Image, '/cam/image', KEEPING)
    infos = Arrivals(peer, CameraInfo, '/cam/camera_info', KEEPING)
    player = start('play', drive)
    peer.spin_until(lambda: images.count() == infos.count() == 4)
    done(player)
    assert images.stamps_ns() == infos.stamps_ns()
    assert len({*images.stamps_ns()}) == 4, 'also where the source repeats its stamp'


def test_a_bag_plays_in_its_own_time_with_its_calibration(
        tmp_path: Path, peer: Peer, start: Start) -> None:
    """What `ros2 bag play --clock --loop` does, for nodes with use_sim_time."""
    info = CameraInfo(header=image_message(0).header, width=32, k=[5.0] * 9)
    drive = write_bag(tmp_path / 'drive', {
        '/front/image_raw': [(100 * k + 20, image_message(k)) for k in range(3)],
        '/front/camera_info': [(10, info)], '/rear/camera_info': [(15, info)]})
    clock = Arrivals(peer, Clock, '/clock', KEEPING)
    images = Arrivals(peer, Image, '/cam/image', KEEPING)
    infos = Arrivals(peer, CameraInfo, '/cam/camera_info', KEEPING)
    player = start('play', drive, '--clock', '--loop', '--frames', 6, '--topic', '/cam/image')

    def times_ms() -> list[int]:
        return [message.clock.sec * 1000 + message.clock.nanosec // 10 ** 6
                for message in clock.messages]

    peer.spin_until(lambda: images.count() == 6 and times_ms()[-1:] == [1220])
    assert 'sent 6 images' in done(player)
    assert images.messages == [image_message(k) for k in range(3)] * 2
    assert infos.messages[-1] == info
    assert times_ms()[-5:] == [1220, 1010, 1020, 1120, 1220]


def test_interrupt_ends_it_cleanly(tmp_path: Path, folder: Path, peer: Peer,
                                   start: Start) -> None:
    arrivals = Arrivals(peer, Image, '/camera/image_raw', KEEPING)
    player = start('play', folder, '--loop', '--summary', tmp_path / 'sent.json')
    peer.spin_until(lambda: arrivals.count() >= 3)
    player.send_signal(signal.SIGINT)
    assert 'sent' in done(player)
    assert json.loads((tmp_path / 'sent.json').read_text())['sent'] >= 3


def test_paused_player_waits_for_enter(folder: Path, peer: Peer, start: Start) -> None:
    arrivals = Arrivals(peer, Image, '/camera/image_raw', KEEPING)
    player = start('play', folder, '--rate', 20, '--start-paused', '--frames', KEPT,
                   stdin=subprocess.PIPE)
    assert player.stderr.readline() == 'paused: press Enter to play\n'
    peer.spin_for(0.5)
    assert arrivals.count() == 0
    player.stdin.write('\n')
    player.stdin.flush()
    peer.spin_until(lambda: arrivals.count() == KEPT)
    done(player)


def test_player_waits_for_as_many_as_it_is_told(folder: Path, peer: Peer, start: Start) -> None:
    first = Arrivals(peer, Image, '/camera/image_raw', KEEPING)
    player = start('play', folder, '--rate', 20, '--subscribers', 2, '--frames', KEPT)
    peer.spin_until(lambda: peer.node.count_publishers('/camera/image_raw') == 1)
    peer.spin_for(1.0)
    assert first.count() == 0
    second = Arrivals(peer, Image, '/camera/image_raw', KEEPING)
    peer.spin_until(lambda: first.count() == second.count() == KEPT)
    done(player)


def test_what_a_node_made_is_not_played_beside_a_live_node(tmp_path: Path,
                                                           tdnet_bag: Run) -> None:
    recording = write_bag(tmp_path / 'run', {
        '/front': [(0, image_message(0))], '/tdnet/labels': [(5, image_message(1))],
        '/tdnet/rear/overlay/compressed': [(5, compressed_message(1))]})
    summary = tmp_path / 'sent.json'

    def play_it(*arguments: object) -> str:
        status, _, err = tdnet_bag('play', recording, '--wait-for-subscriber', 0, '--stamps',
                                   'original', '--summary', summary, *arguments)
        assert status == 0
        return err

    assert play_it() == ('tdnet_bag: /tdnet/labels, /tdnet/rear/overlay/compressed came out of a '
                         'node and is not played; --from plays it\n')
    assert json.loads(summary.read_text())['stamps_ns'] == [100 * 10 ** 9 + 7]
    assert play_it('--from', '/tdnet/labels') == ''
    assert json.loads(summary.read_text())['stamps_ns'] == [101 * 10 ** 9 + 7]
