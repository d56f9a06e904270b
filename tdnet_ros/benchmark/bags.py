"""Measure `tdnet_bag label`: against the network alone, its memory, its workers, opening a bag.

Prints a line for each. Every figure is a ratio or a difference inside of one run.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
import os
from pathlib import Path
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from tdnet_ros.bags.label.bag_job import prepare
from tdnet_ros.bags.label.chunk import Labeller
from tdnet_ros.bags.label.job import ChunkResult
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.label.run import label_bag
from tdnet_ros.bags.label.wire import compressed_image, types
from tdnet_ros.bags.message import COMPRESSED_IMAGE, RAW_IMAGE
from tdnet_ros.benchmark.frames import STEP_NS, find_frames, make_frame
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.ros.compressed import encode_jpeg
from tdnet_ros.stream import Frame

LARGE = (1080, 1920)
START_NS = 10 ** 18
EXAMPLES = '''examples:
  python3 -m tdnet_ros.benchmark.bags --images camvid/val/images
  python3 -m tdnet_ros.benchmark.bags --parts open --gigabytes 10 --tmp /scratch'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts that are asked for and print a line for each."""
    options = _parser().parse_args(arguments)
    try:
        images = find_frames(options.images, options.frames) if options.images else []
    except ValueError as error:
        raise SystemExit(str(error)) from error
    for name in options.parts:
        with tempfile.TemporaryDirectory(prefix='tdnet_bags_', dir=options.tmp) as folder:
            for line in PARTS[name](options, images, Path(folder)):
                print(line, flush=True)
    return 0


def measure_speed(options: argparse.Namespace, images: list[Path], folder: Path) -> Iterator[str]:
    """Label and run the network alone in turns, in one process."""
    frames = [make_frame(number, 0, options.size, images) for number in range(options.frames)]
    for what, full in (('raw images, labels', False), ('JPEG images, labels and overlay', True)):
        bag = _write_bag(folder / f'bag{full}', frames, full)
        with Labeller(LabelOptions(model=options.model, device=options.device,
                                   overlay=full)) as labeller:
            labeller.segmenter.warm_up(options.size)
            rounds = []
            for number in range(options.rounds):
                alone = _timed(partial(_run_network, labeller, frames))
                labelled = _timed(partial(_label, bag, folder / f'out{full}{number}', labeller))
                rounds.append((alone, labelled))
        network, whole = (len(frames) / statistics.median(pair[index][0] for pair in rounds)
                          for index in (0, 1))
        ratios = [alone[0] / labelled[0] for alone, labelled in rounds]
        cpu = statistics.median(labelled[1] / alone[1] for alone, labelled in rounds)
        yield (f'speed, {what}: network alone {network:.1f} frames/s, labelling {whole:.1f}; '
               f'ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f} in '
               f'{len(rounds)} rounds of {len(frames)} frames); {cpu:.2f} of its CPU time')


def measure_memory(options: argparse.Namespace, images: list[Path],
                   folder: Path) -> Iterator[str]:
    """Compare the most memory of the network with that of labelling 1080p with everything."""
    frames = [make_frame(number, 0, LARGE, images) for number in range(10)]
    bag = _write_bag(folder / 'bag', (frames[number % 10] for number in range(options.large)),
                     False)
    with Labeller(LabelOptions(model=options.model, device=options.device, overlay=True,
                               confidence=True)) as labeller:
        _run_network(labeller, frames)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _label(bag, folder / 'out', labeller)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield (f'memory: {(after - before) / 1024:.0f} MB above the {before / 1024:.0f} MB of network '
           f'and {len(frames)} frames, for {options.large} raw images of 1080p, labels, overlay '
           'and confidence')


def measure_open(options: argparse.Namespace, images: list[Path], folder: Path) -> Iterator[str]:
    """Time from a bag of many gigabytes, not in the cache, to the first frame's being read."""
    frames = [make_frame(number, 0, LARGE, images) for number in range(10)]
    count = round(options.gigabytes * 1e9 / frames[0].rgb.nbytes)
    for storage in StoragePlugin:
        bag = _write_bag(folder / storage.name.lower(), (
            frames[number % 10] for number in range(count)), False, storage)
        file, = (path for path in bag.iterdir() if path.name != 'metadata.yaml')
        with file.open('rb') as content:
            os.fsync(content.fileno())
            os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        seconds, _ = _timed(partial(prepare, bag, LabelOptions(model=options.model)))
        size_gb = file.stat().st_size / 1e9
        yield (f'open, {storage.name.lower()}: {seconds:.2f} s for {size_gb:.1f} GB, '
               'not in the cache, to index, topics and first image')
        file.unlink()


def measure_workers(options: argparse.Namespace, images: list[Path],
                    folder: Path) -> Iterator[str]:
    """Label one bag with one worker and with two, leaving out their start."""
    frames = [make_frame(number, 0, options.size, images) for number in range(options.frames)]
    bag = _write_bag(folder / 'bag', (
        frames[number % len(frames)] for number in range(8 * options.frames)), True)
    rates = [_cluster_rate(options, bag, folder / f'out{workers}', workers) for workers in (1, 2)]
    yield (f'workers: {rates[0]:.1f} frames/s with 1, {rates[1]:.1f} with 2 (one core each): '
           f'{rates[1] / rates[0]:.2f} times as fast')


PARTS = {'speed': measure_speed, 'memory': measure_memory, 'open': measure_open,
         'workers': measure_workers}


def _cluster_rate(options: argparse.Namespace, bag: Path, out: Path, workers: int) -> float:
    """Frames a second of all workers together, by the time that their chunks take."""
    chunk = options.frames // 2
    process = subprocess.Popen(
        [sys.executable, '-m', 'tdnet_ros.bags.cli', 'label', str(bag), '--out', str(out),
         '--model', options.model, '--device', options.device, '--chunk', str(chunk), '--ray',
         'local', '--workers', str(workers), '--no-report'], stdout=subprocess.DEVNULL)
    seconds: dict[str, float] = {}
    while process.poll() is None:
        time.sleep(0.05)
        with suppress(FileNotFoundError):  # it has its final name
            for path in (out / f'{bag.name}.part').glob(f'{bag.name}_*.json'):
                if path.name not in seconds:
                    seconds[path.name] = ChunkResult.read(path).seconds
    if process.returncode or len(seconds) < 4 * workers:
        raise SystemExit(f'labelling with {workers} workers failed')
    return workers * chunk / statistics.median(list(seconds.values())[2 * workers:])


def _label(bag: Path, out: Path, labeller: Labeller) -> None:
    outcome = label_bag(bag, out, labeller, threading.Event())
    if outcome.problems:
        raise SystemExit(outcome.problems[0])


def _run_network(labeller: Labeller, frames: Sequence[Frame]) -> None:
    memory = labeller.segmenter.new_memory()
    for frame in frames:
        labeller.segmenter.step(frame, memory)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _write_bag(path: Path, frames: Iterable[Frame], compressed: bool,
               storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    msgtype = COMPRESSED_IMAGE if compressed else RAW_IMAGE
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection('/camera/image_raw', msgtype, typestore=types())
        for number, frame in enumerate(frames):
            stamp_ns = START_NS + number * STEP_NS
            writer.write(connection, stamp_ns, _message(frame, stamp_ns, compressed))
    return path


def _message(frame: Frame, stamp_ns: int, compressed: bool) -> bytes:
    kinds = types().types
    header = kinds['std_msgs/msg/Header'](frame_id='camera', stamp=kinds[
        'builtin_interfaces/msg/Time'](sec=stamp_ns // 10 ** 9, nanosec=stamp_ns % 10 ** 9))
    if compressed:
        return compressed_image(header, encode_jpeg(
            np.ascontiguousarray(frame.rgb[..., ::-1]), 95))
    height, width = frame.size
    return bytes(types().serialize_cdr(kinds[RAW_IMAGE](
        header=header, height=height, width=width, encoding='rgb8', is_bigendian=0,
        step=3 * width, data=frame.rgb.reshape(-1)), RAW_IMAGE))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'python3 -m tdnet_ros.benchmark.bags', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--parts', nargs='+', choices=PARTS, default=list(PARTS), help='what to measure')
    add('--images', type=Path, help='folder of frames; default: a made-up moving street')
    add('--size', nargs=2, type=int, default=(360, 480), metavar=('H', 'W'), help='of the images')
    add('--frames', type=int, default=100, help='in the bag that is labelled')
    add('--rounds', type=int, default=5, help='of network and labelling, in turns')
    add('--large', type=int, default=150, help='images of 1080p that memory is measured with')
    add('--gigabytes', type=float, default=10.0, help='of the bag that is opened')
    add('--model', default=DEFAULT_MODEL)
    add('--device', default='auto')
    add('--tmp', type=Path, help='folder for the bags; default: TMPDIR')
    return parser


if __name__ == '__main__':
    sys.exit(main())
