"""What the node counts, as it says in /diagnostics."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from tdnet_ros.ros.meter import OUTCOMES

DEVICE_STATUS = 'tdnet: device'
CAMERA_STATUS = 'tdnet: image'
COUNTED = ('received', *OUTCOMES)


@dataclass(frozen=True)
class NodeReport:
    """One message of /diagnostics, as far as the demo needs it."""

    values: dict[str, str]  # of the device status: state, model, trained, input size...
    problem: str  # empty, or what the device status reports as an error
    counts: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    '''Frames received, and what became of them.'''
    last_failure: str = ''
    last_skip: str = ''

    @property
    def waiting(self) -> int:
        """Frames that are still to be labelled."""
        return self.counts['received'] - sum(self.counts[name] for name in OUTCOMES)

    @classmethod
    def of(cls, message: Any) -> NodeReport | None:
        """Read a diagnostic_msgs/DiagnosticArray; None if it is not the node's."""
        found = {status.name: status for status in message.status}
        if DEVICE_STATUS not in found:
            return None
        device = found[DEVICE_STATUS]
        camera = _values(found[CAMERA_STATUS]) if CAMERA_STATUS in found else {}
        return cls(values=_values(device),
                   problem=device.message if device.level == DiagnosticStatus.ERROR else '',
                   counts={name: int(camera.get(f'frames {name}', 0)) for name in COUNTED},
                   last_failure=camera.get('last failure', ''),
                   last_skip=camera.get('last skip', ''))


def _values(status: Any) -> dict[str, str]:
    return {item.key: item.value for item in status.values}
