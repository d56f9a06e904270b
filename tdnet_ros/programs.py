"""The console scripts, the demo and script/bench: how they end before they are done.

Ctrl-C ends each with one line and status 130, loading or not. So do SIGTERM, as of `timeout`, and
a terminal that goes away, with 143 and 129. Files that were begun are removed, unless a module was
being loaded. A warning is one line, too.

One whose output nobody reads any more, such as that of `tdnet_bag info run1 | head -n 1`, ends
without a word; one whose output cannot be written, as on a full disk, with one line. tdnet_node
is not here: for it a signal is the usual way to end.
"""
from __future__ import annotations

from importlib import import_module
from io import BufferedWriter, FileIO, TextIOWrapper
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any
import warnings

from tdnet_ros.nets.missing import complain_of_missing
from tdnet_ros.ros.errors import PACKAGE, printable

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALLED = 128
'''Exit status after a signal, less its number.'''
UNREAD = 141
'''Exit status where nobody reads the output any more.'''


def bag() -> int:
    """Run tdnet_bag."""
    return _run('tdnet_bag', 'tdnet_ros.bags.cli')


def convert() -> int:
    """Run tdnet_convert."""
    return _run('tdnet_convert', 'tdnet_ros.nets.convert')


def train() -> int:
    """Run tdnet_train."""
    return _run('tdnet_train', 'tdnet_ros.learn.train')


def evaluate() -> int:
    """Run tdnet_evaluate."""
    return _run('tdnet_evaluate', 'tdnet_ros.learn.evaluate')


def export() -> int:
    """Run tdnet_export."""
    return _run('tdnet_export', 'tdnet_ros.stream.engines.export_cli')


def benchmark() -> int:
    """Run tdnet_benchmark."""
    return _run('tdnet_benchmark', 'tdnet_ros.benchmark.cli')


def bench() -> int:
    """Run script/bench."""
    return _run('script/bench', 'tdnet_ros.benchmark.bench')


def demo() -> int:
    """Run script/demo."""
    return _run('demo', 'tdnet_ros.demo.cli')


def _run(name: str, module: str) -> int:
    _end_on_signals(name)
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')  # one clear line is ours to say
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    os.environ.setdefault('UCX_DEBUG_SIGNO', '0')  # with a PyTorch that has MPI it takes SIGHUP
    _end_when_unread(name)
    _warn_in_one_line(name)
    try:
        return int(import_module(module).main())
    except ModuleNotFoundError as error:
        return complain_of_missing(name, error)
    except KeyboardInterrupt as error:
        print(f'{name}: interrupted', file=sys.stderr)
        return SIGNALLED + _number(error)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)  # all is done but to take PyTorch apart


class _Output(FileIO):
    """The output of a program, which ends when nobody reads it any more or it has no room."""

    program = ''

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # for what is left to say
            if isinstance(error, BrokenPipeError):
                raise SystemExit(UNREAD) from None
            print(f'{self.program}: cannot write the output: {error.strerror}', file=sys.stderr)
            raise SystemExit(1) from None


def _end_when_unread(name: str) -> None:
    """Let output that fails be no OSError, which programs take for one of their files.

    What the terminal has no letters for, as in the name of a file, is escaped, not an error.
    """
    output = sys.stdout
    if isinstance(output, TextIOWrapper):
        errors = 'backslashreplace' if output.errors == 'strict' else output.errors
        raw = _Output(output.fileno(), 'w', closefd=False)
        raw.program = name
        sys.stdout = TextIOWrapper(
            raw if output.write_through else BufferedWriter(raw),  # type: ignore[arg-type]
            output.encoding, errors, line_buffering=output.line_buffering,
            write_through=output.write_through)


def _warn_in_one_line(name: str) -> None:
    """Leave out which line of this package a warning comes from; nobody has to read that."""
    usual = warnings.formatwarning

    def in_one_line(message: Warning | str, category: type[Warning], filename: str, lineno: int,
                    line: str | None = None) -> str:
        if not filename.startswith(PACKAGE):
            return usual(message, category, filename, lineno, line)
        return f'{name}: {printable(str(message))}\n'

    warnings.formatwarning = in_one_line


def _end_on_signals(name: str) -> None:
    """End at once on a signal while a module is loaded; at other times raise KeyboardInterrupt.

    Raised while an extension is loaded, KeyboardInterrupt becomes an ImportError, which many a
    library takes for an optional package that is missing. It is repeated where it came when
    nothing could be raised, such as in a weak reference.
    """
    process = os.getpid()

    def on_signal(number: int, frame: FrameType | None) -> None:
        while frame is not None and 'importlib._bootstrap' not in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is None:
            if number != signal.SIGINT:  # `timeout` sends it twice
                signal.signal(number, signal.SIG_IGN)
            raise KeyboardInterrupt(number)
        if os.getpid() == process:  # a process that was forked has no line of its own to say
            cursor = '\r\x1b[K\x1b[?25h' if sys.stderr.isatty() else ''  # progress hides it
            print(f'{cursor}{name}: interrupted', file=sys.stderr, flush=True)
        os._exit(SIGNALLED + number)

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(unraisable)
            return
        number = _number(unraisable.exc_value)
        if number != signal.SIGINT:
            signal.signal(number, on_signal)
        main = threading.main_thread().ident
        threading.Timer(0.01, signal.pthread_kill, (main, number)).start()

    sys.unraisablehook = again
    for number in ENDING:
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(number, on_signal)  # not if it is ignored, as by nohup


def _number(interrupt: BaseException | None) -> int:
    """Which signal a KeyboardInterrupt stands for."""
    return next(iter(interrupt.args if interrupt else ()), signal.SIGINT)
