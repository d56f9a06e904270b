"""Everything that is measured for docs/benchmarks.md, part by part."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch

from tdnet_ros.benchmark.goals import STEADY_FRAMES
from tdnet_ros.benchmark.measure import Progress, measure
from tdnet_ros.benchmark.worker import Setup
from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.card import find_model, save_card, untrained_card
from tdnet_ros.stream.devices import has_bfloat16

PAPER_SIZE = (769, 1537)
VIDEO_FRAMES = 60
STEADY = 'steady'
'''The part that looks whether memory grows.'''


@dataclass(frozen=True)
class Part:
    """Engines that take turns over the same frames."""

    name: str
    '''Key in the results.'''
    setups: tuple[Setup, ...]
    frames: int


def real_frames(folder: Path) -> tuple[Path, ...]:
    """Write frames of the demo's street video there, or return nothing where it is missing."""
    try:
        from tdnet_ros.demo.plan import default_video
        video = cv2.VideoCapture(str(default_video()))
    except (ImportError, ValueError):
        return ()
    paths: list[Path] = []
    while len(paths) < VIDEO_FRAMES:
        fine, bgr = video.read()
        if not fine:
            break
        paths.append(folder / f'{len(paths):03}.png')
        cv2.imwrite(str(paths[-1]), bgr)
    return tuple(paths)


def parts(device: str, images: tuple[Path, ...], folder: Path, quick: bool) -> list[Part]:
    """List what to measure on a device, 'cpu' or 'cuda'; cards of variants go to a folder."""
    if quick:
        small = Setup('torch', 'float32', 'td2-tiny', None, device, (65, 97), (72, 96), 1, 1, ())
        return [Part('paper', (replace(small, engine='reference'), small), 3),
                Part('paths', _paths(small, folder, (3,)), 2),
                Part('cameras', _cameras(small, (2,)), 10)]
    cuda = device == 'cuda'
    paper = Setup('torch', 'float32', 'td4-psp18', None, device, PAPER_SIZE, (1024, 2048)
                  if cuda else PAPER_SIZE, 1, 0, images)
    default = Setup('torch', 'float32', DEFAULT_MODEL, None, device, None, (720, 960), 1, 0,
                    images)
    half = replace(paper if cuda else default, precision='float16' if cuda else 'float32')
    found = [
        Part('paper', _engines(paper, cuda), 200 if cuda else 20),
        Part('default', _engines(default, cuda) + (() if cuda else (
            replace(default, engine='onnxruntime', precision='int8'),)), 200 if cuda else 40),
        Part('size', _sizes(replace(default, precision=half.precision), [
            (180, 240), (270, 360), (360, 480), (540, 720), (720, 960)]), 100 if cuda else 20),
        Part('paths', _paths(replace(default, precision=half.precision), folder, (1, 2, 3, 4, 6)),
             100 if cuda else 20),
        Part('cameras', _cameras(half, (1, 2, 4)), 100 if cuda else 15),
        Part(STEADY, (half if cuda else replace(
            half, model='td4-tiny', input_size=(97, 193), frame_size=(97, 193)),), STEADY_FRAMES)]
    if cuda:
        deep = replace(paper, model='td2-psp50')
        found.append(Part('deep', (replace(deep, engine='reference'),
                                   replace(deep, precision='float16')), 200))
    return found


def at_most(wanted: Sequence[Part], frames: int | None) -> list[Part]:
    """Shorten parts to so many frames, but for the one that looks whether memory grows."""
    return [part if frames is None or part.name == STEADY else
            replace(part, frames=min(part.frames, frames)) for part in wanted]


def run_parts(wanted: Sequence[Part], progress: Progress) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure part by part; an engine that is not there is named under `missing`."""
    for number, part in enumerate(wanted):
        def say(text: str, head: str = f'{part.name} ({number + 1} of {len(wanted)}): ') -> None:
            progress(head + text)

        missing: dict[str, str] = {}
        try:
            result = measure(part.setups, part.frames, say, missing)
        except ValueError as error:
            result = {'runs': [], 'error': str(error)}
        yield part.name, {**result, 'missing': missing}


def _engines(setup: Setup, cuda: bool) -> tuple[Setup, ...]:
    """All engines and precisions that make sense there, the plain way first."""
    pairs = [('reference', 'float32'), ('torch', 'float32'), ('onnxruntime', 'float32')]
    if cuda:
        pairs += [('torch', 'float16'), ('torch', 'bfloat16'), ('onnxruntime', 'float16'),
                  ('tensorrt', 'float16')]
    elif has_bfloat16(torch.device('cpu')):
        pairs.append(('torch', 'bfloat16'))
    return tuple(replace(setup, engine=engine, precision=precision)
                 for engine, precision in pairs)


def _sizes(setup: Setup, sizes: Sequence[tuple[int, int]]) -> tuple[Setup, ...]:
    return tuple(replace(setup, input_size=size) for size in sizes)


def _cameras(setup: Setup, counts: Sequence[int]) -> tuple[Setup, ...]:
    return tuple(replace(setup, cameras=count) for count in counts)


def _paths(setup: Setup, folder: Path, counts: Sequence[int]) -> tuple[Setup, ...]:
    """The same network cut into more or fewer paths, without weights."""
    card = find_model(setup.model)
    input_size = setup.input_size or card.input_size
    setups = []
    for count in counts:
        file = folder / f'{count}-paths.yaml'
        architecture = replace(card.architecture, paths=count)
        save_card(replace(untrained_card('td2-tiny'), name=file.stem, input_size=input_size,
                          architecture=architecture, classes=card.classes), file)
        setups.append(replace(setup, model=str(file), input_size=input_size))
    return tuple(setups)
