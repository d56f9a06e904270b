"""Everything that the demo leaves to look at, made from the bag."""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
import json
from typing import Any

import numpy as np
from rich.console import Console

from tdnet_ros.bags.files.bag import Bag
from tdnet_ros.bags.report.series import pick
from tdnet_ros.demo import latency
from tdnet_ros.demo.plan import Plan
from tdnet_ros.demo.processes import DemoError
from tdnet_ros.demo.results import Picture, Results, image_of, read_results
from tdnet_ros.demo.sheet import Pair, write_sheet
from tdnet_ros.demo.video import write_video
from tdnet_ros.nets.card import find_model
from tdnet_ros.nets.writing import naming

PAIRS = 8


def write_report(plan: Plan, sent: dict[str, Any], console: Console) -> None:
    """Write latency.json, latency.png, overlay.mp4 and overlay.png, and say what they show."""
    with closing(Bag(plan.out / 'bag')) as bag:
        _write(plan, sent, console, read_results(bag))
        for line in bag.problems:
            console.print(f'note: {line}', highlight=False, soft_wrap=True)


def _write(plan: Plan, sent: dict[str, Any], console: Console, results: Results) -> None:
    summary = latency.summarize(results, sent['sent'])
    figures = plan.out / 'latency.json'
    with naming(figures):
        figures.write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')
    latency.print_tables(summary, console)
    for line in (*sent['problems'], *latency.losses(summary, results)):
        console.print(f'note: {line}', highlight=False, soft_wrap=True)
    if not summary['frames']['labelled']:
        raise DemoError(f'no frame was labelled ({results.report.last_failure or "none came"})')
    plot = plan.out / 'latency.png'
    with naming(plot):
        latency.plot_latency(results, summary, plot)
    stamps_ns = sent['stamps_ns']
    write_video(plan.out / 'overlay.mp4', results.overlays(), stamps_ns, _rate(stamps_ns))
    pairs = _pairs(plan, results, sent)
    write_sheet(plan.out / 'overlay.png', pairs, find_model(plan.model).classes,
                *_titles(plan, results, summary, pairs))


def _rate(stamps_ns: Sequence[int]) -> float:
    """Frames per second of what was sent."""
    if len(stamps_ns) < 2:
        return 10.0
    return float(np.clip(1e9 / np.median(np.diff(stamps_ns)), 1.0, 240.0))


def _pairs(plan: Plan, results: Results, sent: dict[str, Any]) -> list[Pair]:
    chosen = pick(len(results.overlay_stamps_ns), PAIRS)
    wanted = {int(results.overlay_stamps_ns[index]) for index in chosen}
    images = (results.images(plan.topic, wanted) if plan.live
              else _played_images(plan, sent, wanted))
    return [Pair((stamp_ns - sent['stamps_ns'][0]) * 1e-9, images[stamp_ns], overlay)
            for stamp_ns, overlay in results.overlays() if stamp_ns in images]


def _played_images(plan: Plan, sent: dict[str, Any], wanted: set[int]) -> dict[int, Picture]:
    """Read the images that were played with these stamps from the source again."""
    images, stamps = {}, dict(zip(sent['samples'], sent['stamps_ns'], strict=True))
    for number, sample in enumerate(plan.images):
        stamp_ns = stamps.get(number)
        if stamp_ns in wanted:
            images[stamp_ns] = (sample.payload if isinstance(sample.payload, np.ndarray)
                                else image_of(sample.payload, plan.compressed))
        if len(images) == len(wanted):
            break
    return images


def _titles(plan: Plan, results: Results, summary: dict[str, Any],
            pairs: Sequence[Pair]) -> tuple[str, str]:
    values, frames = results.report.values, summary['frames']
    spread = summary['capture_to_publish_ms']
    height, width = pairs[0].image.shape[:2]
    size = values.get('input size', '?').replace('x', '×')
    model = values.get('model', plan.model)
    if values.get('trained') != 'True':
        model += ', untrained: its labels are noise'
    return f'tdnet_ros  ·  {model}', (
        f'{plan.title}, {width} × {height}.  {frames["labelled"]} of {frames["sent"]} frames '
        f'labelled on {values.get("device", "this machine")}, network input {size}.  '
        f'Capture to label {spread["p50"]:.0f} ms (median), {spread["p99"]:.0f} ms (p99).')
