"""Run the node for minutes on a camera and watch frames, latency and memory."""
from __future__ import annotations

import argparse
from collections import Counter
from itertools import pairwise
from pathlib import Path
import sys
import tempfile
import time
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from ros.harness import NodeProcess, Peer, image_message, latest_status, wait_for

REPORT_S = 30.0
# Somebody takes these, so that the node makes them.
OUTPUTS = {'labels': Image, 'confidence': Image, 'labels/compressed': CompressedImage,
           'overlay/compressed': CompressedImage}
MAX_SLOPE_MIB = 1.0  # a minute, over the second half


class Report(NamedTuple):
    """Half a minute."""

    minutes: float
    p50_ms: float
    memory_mib: float
    labels: int
    failed: int


def main() -> int:
    options = _options()
    height, width = options.size
    clip = [np.roll(frame, 4 * index, 1) for index in range(30)
            for frame in [np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)]]
    with tempfile.TemporaryDirectory() as folder:
        node = NodeProcess(
            Path(folder) / 'log.txt', '-p', f'model:={options.model}',
            '-p', f'diagnostics_window_s:={REPORT_S}')
        node.wait_for_log('active: labels /image')
        peer = Peer('soak')
        try:
            rows = _drive(peer, node, clip, options.rate, 60 * options.minutes)
        finally:
            peer.close()
        code = node.end()
        return _judge(rows, code, node.log)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='script/soak', description=__doc__, epilog='example: script/soak 20 --rate 200')
    parser.add_argument('minutes', type=float)
    parser.add_argument('--rate', type=float, default=30.0, help='images a second (30)')
    parser.add_argument('--size', type=int, nargs=2, default=(360, 480), metavar=('H', 'W'))
    parser.add_argument('--model', default='td2-tiny')
    return parser.parse_args()


def _drive(peer: Peer, node: NodeProcess, clip: list[np.ndarray], rate_hz: float,
           seconds: float) -> list[Report]:
    """Send images evenly and report now and then."""
    diagnostics = peer.collect(DiagnosticArray, '/diagnostics')
    outputs = {topic: peer.collect(kind, f'/tdnet/{topic}') for topic, kind in OUTPUTS.items()}
    send = peer.sender()
    wait_for(lambda: latest_status(diagnostics, 'tdnet: device'), 'diagnostics')
    rows: list[Report] = []
    start = time.monotonic()
    report = start + REPORT_S
    sent, came = 0, Counter[str]()
    while node.alive and (now := time.monotonic()) < start + seconds:
        send.publish(image_message(clip[sent % len(clip)], peer.now_ns()))
        sent += 1
        if now >= report:
            report += REPORT_S
            rows.append(_report((now - start) / 60, sent, came, diagnostics))
            del diagnostics[:-1]
        for topic, messages in outputs.items():
            count = len(messages)
            came[topic] += count
            del messages[:count]
        time.sleep(max(0.0, start + sent / rate_hz - time.monotonic()))
    return rows


def _report(minutes: float, sent: int, came: Counter[str],
            diagnostics: list[DiagnosticArray]) -> Report:
    camera, device = (latest_status(diagnostics, f'tdnet: {name}') for name in ('image', 'device'))
    p50, p99 = (float(camera.get(f'latency {name} (ms)', 'nan')) for name in ('p50', 'p99'))
    memory = float(device['process memory (MiB)'])
    counts = ' '.join(f'{name} {camera[f"frames {name}"]}'
                      for name in ('received', 'processed', 'overwritten', 'failed', 'lost'))
    outputs = ' '.join(f'{topic} {count}' for topic, count in came.items())
    print(f'{minutes:6.1f} min  sent {sent} {counts}  came {outputs}  '
          f'latency p50 {p50:.1f} p99 {p99:.1f} ms  memory {memory:.1f} MiB', flush=True)
    return Report(minutes, p50, memory, came['labels'], int(camera['frames failed']))


def _judge(rows: list[Report], code: int, log: str) -> int:
    if code != 0 or len(rows) < 2:
        print(f'exit code {code} after {len(rows)} reports:\n{log}', file=sys.stderr)
        return 1
    half = rows[len(rows) // 2 - 1:]
    slope = np.polyfit([row.minutes for row in half], [row.memory_mib for row in half], 1)[0]
    stopped = any(after.labels == before.labels for before, after in pairwise(rows))
    print(f'exit code 0, latency p50 {rows[0].p50_ms:.1f} -> {rows[-1].p50_ms:.1f} ms, '
          f'memory slope {slope:+.3f} MiB a minute over the second half'
          f'{", LABELS STOPPED" if stopped else ""}, {rows[-1].failed} failed')
    return int(slope > MAX_SLOPE_MIB or stopped or rows[-1].failed > 0)


if __name__ == '__main__':
    sys.exit(main())
