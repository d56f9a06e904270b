"""The node's statuses: one for the device, one for each camera."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from tdnet_ros.ros import cyclonedds, graph
from tdnet_ros.ros.adaptation import Adaptation
from tdnet_ros.ros.camera_stream import CameraStream
from tdnet_ros.ros.device import device_values, hardware_name, pressure
from tdnet_ros.ros.diagnostics import (
    ERROR,
    WARN,
    Finding,
    camera_values,
    losses,
    noting,
    status,
    stream_findings,
    unlabelled_findings,
)
from tdnet_ros.ros.inputs import Input
from tdnet_ros.ros.messages import LabelInfo
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.ros.points import PointPainter
from tdnet_ros.ros.stamps import is_simulated
from tdnet_ros.stream import VideoSegmenter


def untrained(model: str) -> str:
    """What there is to say of a model without weights."""
    return (f"model '{model}' HAS NO TRAINED WEIGHTS: its labels are noise. Set the parameter "
            "'weights' or 'model' to a trained one")


def batching(segmenter: VideoSegmenter) -> str:
    """What was measured of running images of several cameras together, and what came of it."""
    times = ', '.join(f'{count} together {value:.1f}' if count > 1 else f'one {value:.1f}'
                      for count, value in segmenter.batch_ms.items())
    chosen = f'up to {segmenter.batch} together' if segmenter.batch > 1 else 'one by one'
    return f'{chosen} (ms an image: {times})'


def log_model(logger: Any, segmenter: VideoSegmenter) -> None:
    """Say what was loaded, and what it lacks."""
    card = segmenter.card
    height, width = segmenter.input_size
    logger.info(f'{card.name} with {len(card.classes)} classes ({card.classes.name}) on '
                f'{segmenter.device} ({hardware_name(segmenter.device)}), '
                f'engine {segmenter.engine} in {segmenter.precision}, input {height} x {width}, '
                f'{segmenter.paths} paths')
    if segmenter.batch_ms:
        logger.info(f'images of several cameras: {batching(segmenter)}')
    if not segmenter.trained:
        logger.warning(untrained(card.name))
    if LabelInfo is None:
        logger.warning('vision_msgs is not installed: label_info is not published')


def device_status(name: str, phase: str, findings: Sequence[Finding],
                  segmenter: VideoSegmenter | None,
                  adaptation: Adaptation | None) -> DiagnosticStatus:
    """The network and the device it runs on."""
    values: dict[str, Any] = {'state': phase}
    if phase == 'finalized':
        findings = [*findings, Finding(WARN, 'finalized: start the process again to label')]
    if segmenter is None:
        return status(f'{name}: device', 'none', findings, phase, values)
    height, width = segmenter.input_size
    values |= {'model': segmenter.card.name, 'trained': segmenter.trained,
               'input size': f'{height} x {width}', 'paths': segmenter.paths,
               'engine': f'{segmenter.engine} {segmenter.precision}',
               **({'adaptive': adaptation.last_change or 'full size'} if adaptation else {}),
               **({'batches': batching(segmenter)} if segmenter.batch_ms else {})}
    hardware, findings = str(segmenter.device), list(findings)
    if not segmenter.trained:
        findings.append(Finding(WARN, untrained(segmenter.card.name)))
    with noting(findings):
        hardware = hardware_name(segmenter.device)
        values |= device_values(segmenter.device)
        findings += (Finding(WARN, text) for text in pressure(segmenter.device))
    return status(f'{name}: device', hardware, findings, phase, values)


def camera_status(node: Node, name: str, phase: str, stream: CameraStream,
                  parameters: NodeParameters, pause: Finding | None) -> DiagnosticStatus:
    """One camera's images, and why none come in or go out; pause: why none are expected."""
    snapshot = stream.meter.snapshot()
    findings = stream_findings(snapshot, parameters, is_simulated(node))
    with noting(findings):
        silence = (unlabelled_findings(snapshot, parameters)
                   + _unheard(node, stream.input, parameters, pause))
        if errors := [item.text for item in silence if item.level == ERROR]:
            stream.silence.report('; '.join(errors), about='silence')
        findings += silence or _too_large(node, stream)
        if snapshot.is_forgetful or snapshot.recent_skips:
            findings += graph.rivals(node, stream.input.topic)
        findings += graph.incompatible_receivers(node, stream.outputs.topics)
        if stream.points is not None and snapshot.recent_depth_losses:
            findings.append(losses(snapshot.recent_depth_losses, stream.points.inputs[0].what))
        findings += _no_points(node, stream.points, parameters, pause)
    return status(f'{name}: {stream.name}', stream.hardware, findings, phase,
                  camera_values(snapshot, stream.input.topic))


def _too_large(node: Node, stream: CameraStream) -> list[Finding]:
    """That images which come in are too large for all to arrive; the log has it once."""
    lossy = cyclonedds.too_large(stream.image_bytes)
    if lossy and not stream.is_told_lossy:
        stream.is_told_lossy = True
        node.get_logger().warning(f'{stream.input.topic}: {lossy}')
    return [Finding(WARN, lossy)] if lossy else []


def _no_points(node: Node, points: PointPainter | None, parameters: NodeParameters,
               pause: Finding | None) -> list[Finding]:
    """Why there are no points although somebody takes them; that goes to the log, too."""
    if points is None or not points.wanted:
        return []
    unheard = [finding.text for item in points.inputs
               for finding in _unheard(node, item, parameters, pause)
               if finding is not pause]
    why = '; '.join(unheard) or points.problem
    if not why:
        return []
    points.log.report(f'no points: {why}', about='no points')
    return [Finding(WARN, f'no points: {why}')]


def _unheard(node: Node, heard: Input, parameters: NodeParameters,
             pause: Finding | None) -> list[Finding]:
    """Why nothing comes in on a topic; pause: why nothing is expected."""
    if heard.subscription is None:
        return []
    found = graph.incompatible_senders(node, heard.topic, heard.subscription.qos_profile)
    present_s = heard.presence.seconds(node.count_publishers(heard.topic) > 0)
    since_s = min(heard.silent_s, present_s)
    if since_s > parameters.no_image_timeout_s:
        found.append(graph.silence(
            node, heard.name, heard.topic, heard.type_name, since_s, pause, heard.what,
            len(parameters.cameras) == 1))
    return found
