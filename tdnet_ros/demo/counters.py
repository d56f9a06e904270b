"""What the node counts, as it says in /diagnostics."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

DEVICE_STATUS = 'tdnet: device'
CAMERA_STATUS = 'tdnet: image'


@dataclass(frozen=True)
class NodeReport:
    """One message of /diagnostics, as far as the demo needs it."""

    values: dict[str, str]  # of the device status: state, model, trained, input size...
    problem: str  # empty, or what the device status reports as an error
    received: int = 0
    processed: int = 0
    overwritten: int = 0
    failed: int = 0
    last_failure: str = ''

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Frames received, processed, overwritten, failed."""
        return self.received, self.processed, self.overwritten, self.failed

    @property
    def settled(self) -> bool:
        """Whether no image waits to be labelled."""
        return self.received == self.processed + self.overwritten + self.failed

    @classmethod
    def of(cls, message: Any) -> NodeReport | None:
        """Read a diagnostic_msgs/DiagnosticArray; None if it is not the node's."""
        found = {status.name: status for status in message.status}
        if DEVICE_STATUS not in found:
            return None
        device = found[DEVICE_STATUS]
        camera = _values(found[CAMERA_STATUS]) if CAMERA_STATUS in found else {}
        counts = {name: int(camera.get(f'frames {name}', 0))
                  for name in ('received', 'processed', 'overwritten', 'failed')}
        return cls(values=_values(device), last_failure=camera.get('last failure', ''),
                   problem=device.message if device.level == DiagnosticStatus.ERROR else '',
                   **counts)


def _values(status: Any) -> dict[str, str]:
    return {item.key: item.value for item in status.values}
