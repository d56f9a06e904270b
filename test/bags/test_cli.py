"""The tdnet_bag program: help, bad input, and a look into a bag."""
from collections.abc import Callable
from pathlib import Path
import signal

import pytest

from tdnet_ros.bags.session import stop_on_signals

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize('arguments', [
    (), ('play',), ('record',), ('label',), ('frames',), ('info',), ('report',), ('compare',)])
def test_help_has_examples(tdnet_bag: Run, arguments: tuple[str, ...]) -> None:
    status, out, _ = tdnet_bag(*arguments, '--help')
    assert status == 0
    assert 'examples:' in out


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'does not exist'), (b'text', 'is no video that OpenCV can decode')])
def test_bad_input_is_one_line(tmp_path: Path, tdnet_bag: Run, content: bytes | None,
                               message: str) -> None:
    source = tmp_path / 'input.mp4'
    if content is not None:
        source.write_bytes(content)
    status, out, err = tdnet_bag('play', source)
    assert (status, out, len(err.splitlines())) == (1, '', 1)
    assert err.startswith(f'tdnet_bag: {source} {message}')


@pytest.mark.parametrize(('command', 'option', 'value'), [
    ('play', '--rate', '0'), ('play', '--frames', '-1'), ('play', '--rate', 'fast'),
    ('play', '--wait-for-subscriber', 'nan'), ('label', '--max-gap', 'nan'),
    ('label', '--max-gap', '-1')])
def test_bad_numbers_are_refused(tdnet_bag: Run, command: str, option: str, value: str) -> None:
    status, _, err = tdnet_bag(command, 'source', option, value)
    assert status == 2
    assert option in err.splitlines()[-1]


@pytest.mark.parametrize(('option', 'expected'), [
    ('--engine', 'choose from torch, eager, reference, onnxruntime, tensorrt'),
    ('--precision', 'choose from float32, bfloat16, float16')])
def test_engines_and_precisions_are_those_there_are(tdnet_bag: Run, option: str,
                                                    expected: str) -> None:
    status, _, err = tdnet_bag('label', 'bag', '--out', 'labelled', option, 'fast')
    assert status == 2
    assert expected in err.splitlines()[-1].replace("'", '')  # newer Pythons leave them out


def test_no_cluster_is_started_for_an_engine_without_that_precision(
        tmp_path: Path, bag: Path, tdnet_bag: Run) -> None:
    assert tdnet_bag('label', bag, '--out', tmp_path / 'labelled', '--ray', '--engine',
                     'reference', '--precision', 'bfloat16') == (
        1, '', 'tdnet_bag: engine reference computes in float32, not bfloat16\n')


def test_a_summary_that_cannot_be_written_is_named_before_the_playing(
        tmp_path: Path, folder: Path, tdnet_bag: Run) -> None:
    assert tdnet_bag('play', folder, '--wait-for-subscriber', 0, '--summary',
                     tmp_path / 'none' / 'sent.json') == (
        1, '', f'tdnet_bag: cannot write {tmp_path}/none/sent.json: No such file or directory\n')


def test_a_summary_that_a_full_disk_does_not_take_is_named_after_what_was_sent(
        tmp_path: Path, folder: Path, tdnet_bag: Run) -> None:
    (tmp_path / 'sent.json').symlink_to('/dev/full')
    status, out, err = tdnet_bag('play', folder, '--wait-for-subscriber', 0, '--frames', 2,
                                 '--summary', tmp_path / 'sent.json')
    assert (status, err) == (
        1, f'tdnet_bag: cannot write {tmp_path}/sent.json: No space left on device\n')
    assert out.startswith('sent 2 images in ')


def test_ros_that_does_not_start_is_one_line_and_leaves_no_bag(
        tmp_path: Path, tdnet_bag: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', 'robots')
    status, out, err = tdnet_bag('record', '/x', '--out', tmp_path / 'bag')
    assert (status, out, len(err.splitlines())) == (1, '', 1)
    assert err.startswith('tdnet_bag: ROS does not start: ') and 'ROS_DOMAIN_ID' in err
    assert not (tmp_path / 'bag').exists()


@pytest.mark.usefixtures('tdnet_bag')  # which restores the signals
def test_signals_ask_for_the_end_but_for_a_hangup_under_nohup() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        stop = stop_on_signals()
        signal.raise_signal(number)
        assert stop.wait(10)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = stop_on_signals()
    signal.raise_signal(signal.SIGHUP)
    assert not stop.wait(0.1)


def test_info_lists_topics(bag: Path, tdnet_bag: Run) -> None:
    status, out, _ = tdnet_bag('info', bag)
    assert status == 0
    assert '10 messages' in out
    assert '6  /front/image_raw  [sensor_msgs/msg/Image]' in out


def test_info_lists_what_is_there_of_a_recording_that_was_cut_off(
        bag: Path, tdnet_bag: Run) -> None:
    (bag / 'metadata.yaml').unlink()
    storage = bag / 'bag.mcap'
    storage.write_bytes(storage.read_bytes()[:-100])
    status, out, err = tdnet_bag('info', bag)
    assert status == 1
    assert '6  /front/image_raw  [sensor_msgs/msg/Image]' in out
    assert all(line.startswith(f'tdnet_bag: {bag}/') for line in err.splitlines())
    assert 'metadata.yaml: offset 0: the file is missing; the recording was cut off' in err
