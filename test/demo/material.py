"""Results of a made-up run."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np

from tdnet_ros.demo.counters import NodeReport
from tdnet_ros.demo.results import Results
from tdnet_ros.demo.stages import STAGES
from tdnet_ros.ros.meter import LATENCY


def diagnostics(level: bytes = DiagnosticStatus.OK, message: str = 'active',
                **counts: int) -> DiagnosticArray:
    """A message as the node sends it."""
    device = {'state': 'active', 'model': 'td2-tiny', 'trained': 'False', 'device': 'cpu',
              'input size': '97 x 193'}
    camera = {f'frames {name}': str(count) for name, count in counts.items()}
    return DiagnosticArray(status=[
        DiagnosticStatus(name='tdnet: device', level=level, message=message, values=pairs(device)),
        DiagnosticStatus(name='tdnet: image', values=pairs(camera))])


def pairs(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]


def results(frames: int, report: NodeReport) -> Results:
    """Frames every 40 ms whose latency goes from 7 ms up, 7 ms a frame."""
    stamps = np.arange(frames, dtype=np.int64) * 40_000_000
    stage_ms = np.arange(1.0, frames + 1)
    return Results(bag=None, label_stamps_ns=stamps, overlay_stamps_ns=stamps,
                   times_ms={**dict.fromkeys(STAGES, stage_ms), LATENCY: 7 * stage_ms},
                   report=report)
