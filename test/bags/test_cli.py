"""The tdnet_bag program: help, bad input, and a look into a bag."""
from collections.abc import Callable
from pathlib import Path
import subprocess

import pytest

Start = Callable[..., subprocess.Popen]


@pytest.mark.parametrize('arguments', [
    (), ('play',), ('record',), ('frames',), ('info',), ('report',), ('compare',)])
def test_help_has_examples(start: Start, arguments: tuple[str, ...]) -> None:
    process = start(*arguments, '--help')
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert 'examples:' in out


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'does not exist'), (b'text', 'is no video that OpenCV can decode')])
def test_bad_input_is_one_line(tmp_path: Path, start: Start, content: bytes | None,
                               message: str) -> None:
    source = tmp_path / 'input.mp4'
    if content is not None:
        source.write_bytes(content)
    process = start('play', source)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert (out, len(err.splitlines())) == ('', 1)
    assert err.startswith(f'tdnet_bag: {source} {message}')


@pytest.mark.parametrize('arguments', [
    ('--rate', '0'), ('--frames', '-1'), ('--rate', 'fast'), ('--wait-for-subscriber', 'nan')])
def test_bad_numbers_are_refused(folder: Path, start: Start, arguments: tuple[str, str]) -> None:
    process = start('play', folder, *arguments)
    _, err = process.communicate(timeout=15)
    assert process.returncode == 2
    assert arguments[0] in err.splitlines()[-1]


@pytest.mark.parametrize(('option', 'expected'), [
    ('--engine', 'choose from torch, eager, reference, onnxruntime, tensorrt'),
    ('--precision', 'choose from float32, bfloat16, float16')])
def test_engines_and_precisions_are_those_there_are(bag: Path, start: Start, option: str,
                                                    expected: str) -> None:
    process = start('label', bag, '--out', 'labelled', option, 'fast')
    _, err = process.communicate(timeout=15)
    assert process.returncode == 2
    assert expected in err.splitlines()[-1].replace("'", '')  # newer Pythons leave them out


def test_no_cluster_is_started_for_an_engine_without_that_precision(bag: Path,
                                                                    start: Start) -> None:
    process = start('label', bag, '--out', 'labelled', '--ray', '--engine', 'reference',
                    '--precision', 'bfloat16')
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, '')
    assert err == 'tdnet_bag: engine reference computes in float32, not bfloat16\n'


def test_info_lists_topics(bag: Path, start: Start) -> None:
    process = start('info', bag)
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert '10 messages' in out
    assert '6  /front/image_raw  [sensor_msgs/msg/Image]' in out


def test_info_lists_what_is_there_of_a_recording_that_was_cut_off(
        bag: Path, start: Start) -> None:
    (bag / 'metadata.yaml').unlink()
    storage = bag / 'bag.mcap'
    storage.write_bytes(storage.read_bytes()[:-100])
    process = start('info', bag)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert '6  /front/image_raw  [sensor_msgs/msg/Image]' in out
    assert all(line.startswith(f'tdnet_bag: {bag}/') for line in err.splitlines())
    assert 'metadata.yaml: offset 0: the file is missing; the recording was cut off' in err
