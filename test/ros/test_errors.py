"""Errors as one line, whatever a message brought with it."""
from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
import warnings

import pytest

from tdnet_ros.ros import errors
from tdnet_ros.ros.errors import MAX_CHARACTERS, Pace, one_line, printable, quoted
from tdnet_ros.stream.engines.graphs import CaptureError


def test_what_was_written_for_users_stays_as_it_is() -> None:
    assert one_line(ValueError('no such file')) == 'no such file'
    assert one_line(KeyError('x')) == "KeyError: 'x'"
    assert one_line(RuntimeError()) == 'RuntimeError'


def test_an_error_that_a_gpu_does_not_get_over_says_what_to_do() -> None:
    broken = RuntimeError('CUDA error: device-side assert triggered\nCompile with `DSA`')
    assert one_line(broken) == ('CUDA error: device-side assert triggered: this process cannot '
                                'use the GPU any more, restart the node')
    assert one_line(CaptureError(RuntimeError('not permitted\nCompile with ...'))) == (
        'a CUDA graph broke off (not permitted), which this PyTorch cannot recover from; engine '
        'eager records none: this process cannot use the GPU any more, restart the node')
    assert one_line(RuntimeError('CUDA error: out of memory')) == (
        'RuntimeError: CUDA error: out of memory')


@pytest.mark.parametrize('words', [
    'CUDA error: invalid program counter', 'CUDA error: hardware stack error',
    'CUDA error: operation not supported on global/shared address space',
    'CUDA error: unknown error'])
def test_a_process_that_lost_its_gpu_is_to_be_restarted(words: str) -> None:
    """After the last one too, which a suspended computer wakes up with."""
    assert one_line(RuntimeError(f'{words}\nCompile with `DSA`')) == (
        f'{words}: this process cannot use the GPU any more, restart the node')


def test_one_line_of_bounded_length() -> None:
    text = one_line(ValueError('first\n second\t' + 9999 * 'x'))
    assert text.startswith('first second xxx')
    assert len(text) == MAX_CHARACTERS
    assert text.endswith('...')


def test_nothing_that_a_terminal_or_a_log_would_obey() -> None:
    name = '\x1b[2Jrgb8\x00\u202e\ud800'
    assert printable(name) == r'\x1b[2Jrgb8\x00\u202e\ud800'
    assert printable('Straße 5 µm') == 'Straße 5 µm'


def test_names_are_short() -> None:
    assert quoted('rgb8') == "'rgb8'"
    assert len(quoted(1_000_000 * 'A')) < 100


def test_the_log_hears_one_text_a_second_and_the_same_every_ten(
        monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=50.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(errors, 'time', clock)
    pace, said = Pace(), []
    for after_s, text in ((0, 'a'), (0.9, 'b'), (0.2, 'b'), (9, 'b'), (1.1, 'b'), (0.5, 'a')):
        clock.now += after_s
        said.append(pace.admits(text))
    assert said == [True, False, True, False, True, False]


def test_warnings_are_logged_and_those_of_this_package_are_kept() -> None:
    log = SimpleNamespace(warning=(logged := []).append)
    ours, others = errors.__file__, warnings.__file__
    with suppress(ValueError), errors.logged_warnings(log) as kept:
        for text, file in ('slow', ours), ('old', others), ('slow', ours):
            warnings.warn_explicit(text, UserWarning, file, 1)
        raise ValueError('and what was done came to nothing')
    assert (logged, kept) == (['slow', 'old'], ['slow'])
