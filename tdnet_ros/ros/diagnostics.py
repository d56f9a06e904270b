"""The node's state as diagnostic_msgs, at a steady pace on the wall clock."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
import math
import threading
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile

from tdnet_ros.ros import cyclonedds
from tdnet_ros.ros.errors import ErrorLog, one_line
from tdnet_ros.ros.fastdds import profile_variable
from tdnet_ros.ros.meter import LATENCY, PERSISTENT, Snapshot
from tdnet_ros.ros.names import DIAGNOSTICS
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.ros.stamps import MAX_AGE_S, is_comparable
from tdnet_ros.ros.texts import counted

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Finding(NamedTuple):
    """Something an operator should know, with its level."""

    level: bytes
    text: str


@contextmanager
def noting(findings: list[Finding]) -> Iterator[None]:
    """Make what fails in here a finding: all the rest is told, even when the GPU is broken."""
    try:
        yield
    except Exception as error:
        findings.append(Finding(ERROR, one_line(error)))


class DiagnosticsThread:
    """Publishes /diagnostics from a thread of its own.

    So it goes on while the executor is busy loading a model and while simulated time stands.
    """

    def __init__(self, node: Node, period_s: float,
                 statuses: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._period_s = period_s
        self._statuses = statuses
        self._publisher = node.create_publisher(
            DiagnosticArray, DIAGNOSTICS, QoSProfile(depth=1))
        self._errors = ErrorLog(node)
        self._telling = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='tdnet_diagnostics')
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def wait(self) -> None:
        """Return when no status is being made that began before; it keeps what it tells of."""
        with self._telling:
            pass

    def _run(self) -> None:
        while not self._stopping.wait(self._period_s):
            try:
                with self._telling:
                    msg = DiagnosticArray(status=self._statuses())
                msg.header.stamp = self._node.get_clock().now().to_msg()
                self._publisher.publish(msg)
            except Exception as error:
                self._errors.report(f'diagnostics: {one_line(error)}')


def status(name: str, hardware_id: str, findings: Iterable[Finding], fine: str,
           values: dict[str, Any]) -> DiagnosticStatus:
    """One status: the worst level, every finding in words (or `fine`), and the values."""
    worst_first = sorted(findings, key=lambda finding: finding.level, reverse=True)
    return DiagnosticStatus(
        name=name, hardware_id=hardware_id,
        level=worst_first[0].level if worst_first else OK,
        message='; '.join(finding.text for finding in worst_first) or fine,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()])


def camera_values(snapshot: Snapshot, topic: str) -> dict[str, Any]:
    """What is counted and timed, under the keys that other programs read."""
    values: dict[str, Any] = {
        'topic': topic,
        'frames lost': snapshot.lost, 'frames received': snapshot.received,
        'frames processed': snapshot.processed,
        'frames overwritten': snapshot.overwritten, 'frames failed': snapshot.failed,
        'last failure': snapshot.last_failure,
        'frames skipped': snapshot.skipped, 'last skip': snapshot.last_skip,
        'frames throttled': snapshot.throttled,
        'input rate (Hz)': snapshot.input_hz, 'output rate (Hz)': snapshot.output_hz,
        'since last image (s)': snapshot.since_image_s,
        'image age (s)': '' if snapshot.image_age_s is None else snapshot.image_age_s,
        'memory fill': f'{snapshot.memory_fill} of {snapshot.memory_size}', 'path': snapshot.path,
        'resets': snapshot.resets, 'last reset': snapshot.last_reset}
    for name in (LATENCY, *(stage for stage in snapshot.spreads if stage != LATENCY)):
        if name in snapshot.spreads:
            for key, value in snapshot.spreads[name]._asdict().items():
                values[f'{name} {key} (ms)'] = value
    return values


def stream_findings(snapshot: Snapshot, parameters: NodeParameters,
                    in_simulated_time: bool = False) -> list[Finding]:
    """What is wrong with the images themselves: failing, late or of another time."""
    findings = []
    if snapshot.recent_failures:
        level = WARN if snapshot.recent_processed else ERROR
        findings.append(Finding(level, f'{counted(snapshot.recent_failures, "image")} failed, '
                                       f'last: {snapshot.last_failure}'))
    if snapshot.recent_losses:
        findings.append(losses(
            snapshot.recent_losses, 'image', '; or image_transport compressed'))
    if snapshot.since_image_s <= parameters.no_image_timeout_s:  # else they are of the past
        findings += _lasting_findings(snapshot, parameters.latency_budget_ms)
    return findings + _stamp_findings(snapshot, in_simulated_time)


def losses(count: int, what: str, remedy: str = '') -> Finding:
    """So many of what a topic brings were lost on the way; remedy: what helps besides."""
    need = cyclonedds.REMEDY if cyclonedds.is_used() else (
        f'config/fastdds.xml ({profile_variable()}) on both sides and room in /dev/shm (in Docker '
        '--shm-size=1g), those over 64 MiB a larger segment_size in it')
    return Finding(WARN, f'{counted(count, what)} lost between driver and node: large {what}s '
                         f'need {need}{remedy}')


def unlabelled_findings(snapshot: Snapshot, parameters: NodeParameters) -> list[Finding]:
    """Why images that come in are not labelled."""
    findings = []
    if snapshot.recent_skips:
        level = WARN if snapshot.recent_processed else ERROR
        findings.append(Finding(level, f'{counted(snapshot.recent_skips, "image")} skipped, last: '
                                       f'{snapshot.last_skip}'))
    patience_s = max(parameters.no_image_timeout_s, parameters.latency_budget_ms / 1e3)
    if snapshot.unanswered_s > patience_s:
        findings.append(Finding(
            ERROR, f'images come in, none was labelled for {snapshot.unanswered_s:.1f} s: the '
                   'network hangs, or takes so long: a smaller input_size or model, or a GPU, is '
                   'faster'))
    return findings


def _lasting_findings(snapshot: Snapshot, budget_ms: float) -> list[Finding]:
    """What befalls most of the last images."""
    findings = []
    if snapshot.is_forgetful:
        findings.append(Finding(
            WARN, f'memory emptied for {snapshot.emptied} of {snapshot.labelled} images, so most '
                  f'have no history; last: {snapshot.last_reset}'))
    late = sum(value > budget_ms for value in snapshot.latencies_ms)
    if late:
        count = len(snapshot.latencies_ms)
        level = ERROR if late == count >= PERSISTENT else WARN
        findings.append(Finding(
            level, f'{late} of {counted(count, "image")} later than latency_budget_ms '
                   f'{budget_ms:g}, p50 {snapshot.spreads[LATENCY].p50:.0f} ms'
                   f'{_remedy(snapshot, budget_ms)}'))
    return findings


def _stamp_findings(snapshot: Snapshot, in_simulated_time: bool) -> list[Finding]:
    age = snapshot.image_age_s
    if age is not None and math.isinf(age):
        return [Finding(
            WARN, 'images have no stamp, so pauses and copies are not known, latency counts from '
                  'arrival and points match at random: the camera driver has to set header.stamp')]
    if age is not None and not is_comparable(age):
        is_near = abs(age) <= MAX_AGE_S
        how_far = f'{abs(age):.3g}' if is_near else f'{abs(age):.1f}'
        remedy = 'synchronise the clocks'
        if in_simulated_time:
            remedy = ('use_sim_time is true, but /clock has another time than the images: set it '
                      'to false with real cameras')
        elif not is_near:
            remedy = f'play bags with --clock and set use_sim_time, or {remedy}'
        return [Finding(
            WARN, f'image stamps are {how_far} s {"behind" if age > 0 else "ahead of"} the '
                  f"node's clock, so latency counts from arrival: {remedy}")]
    return []


def _remedy(snapshot: Snapshot, budget_ms: float) -> str:
    """What helps against late images: the network, unless they are late when they come."""
    transport = snapshot.spreads.get('transport')
    if transport is not None and transport.p50 > budget_ms / 2:
        return (f', of which {transport.p50:.0f} ms passed before they came: synchronise the '
                'clocks, or look at the camera driver and the network between')
    if snapshot.spreads[LATENCY].p50 < budget_ms / 2:
        return ', so the network is fast enough, but something else keeps the machine busy'
    return ': a smaller input_size or model, or a GPU, is faster'


def _text(value: Any) -> str:
    return f'{value:.3f}' if isinstance(value, float) else str(value)
