"""The console scripts and the demo. Ctrl-C ends each with one line and status 130, loading or not.

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

from tdnet_ros.nets.missing import complain_of_missing

INTERRUPTED = 130
'''Exit status after Ctrl-C.'''
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


def demo() -> int:
    """Run script/demo."""
    return _run('demo', 'tdnet_ros.demo.cli')


def _run(name: str, module: str) -> int:
    _end_on_interrupt_of_imports(name)
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')  # one clear line is ours to say
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    sys.unraisablehook = _interrupt_again
    _end_when_unread(name)
    try:
        return int(import_module(module).main())
    except ModuleNotFoundError as error:
        return complain_of_missing(name, error)
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        return INTERRUPTED
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done but to take PyTorch apart


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
    """Let output that fails be no OSError, which programs take for one of their files."""
    output = sys.stdout
    if isinstance(output, TextIOWrapper):
        raw = _Output(output.fileno(), 'w', closefd=False)
        raw.program = name
        sys.stdout = TextIOWrapper(
            raw if output.write_through else BufferedWriter(raw),  # type: ignore[arg-type]
            output.encoding, output.errors, line_buffering=output.line_buffering,
            write_through=output.write_through)


def _interrupt_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Repeat an interrupt that came where nothing can be raised, such as in a weak reference."""
    if unraisable.exc_type is KeyboardInterrupt:
        main = threading.main_thread().ident
        threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _end_on_interrupt_of_imports(name: str) -> None:
    """End at once on Ctrl-C while a module is loaded; at other times raise KeyboardInterrupt.

    Raised while an extension is loaded, KeyboardInterrupt becomes an ImportError, which many a
    library takes for an optional package that is missing.
    """
    process = os.getpid()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        while frame is not None and 'importlib._bootstrap' not in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is None:
            raise KeyboardInterrupt
        if os.getpid() == process:  # a process that was forked has no line of its own to say
            cursor = '\r\x1b[K\x1b[?25h' if sys.stderr.isatty() else ''  # progress hides it
            print(f'{cursor}{name}: interrupted', file=sys.stderr, flush=True)
        os._exit(INTERRUPTED)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as by nohup
        signal.signal(signal.SIGINT, on_interrupt)
