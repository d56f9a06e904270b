"""What a running node said of its cameras in /diagnostics, while it was recorded."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DIAGNOSTICS = '/diagnostics'
UNLABELLED_COUNTS = ('failed', 'skipped', 'overwritten', 'throttled')
_FACTS = {'model': 'model', 'device': 'device', 'input_size': 'input size'}
UNTRAINED = 'the model has no trained weights: its labels are noise'


@dataclass
class LiveCamera:
    """The last counts of one camera, and each time its memory was emptied."""

    unlabelled: dict[str, int] = field(default_factory=dict)
    '''Frames by why they have no labels.'''
    image_topic: str = ''
    resets: list[dict[str, Any]] = field(default_factory=list)
    '''`time_s` of the message that tells it, `count` of resets since the one before, `reason`.'''
    _count: int = 0

    def update(self, time_s: float, values: dict[str, str]) -> None:
        """Take in the values of one diagnostic status."""
        self.image_topic = values['topic']
        self.unlabelled = {name: int(values.get(f'frames {name}', 0))
                           for name in UNLABELLED_COUNTS}
        count = int(values.get('resets', 0))
        if count > self._count:
            self.resets.append({'time_s': time_s, 'count': count - self._count,
                                'reason': values.get('last reset', '')})
        self._count = count


@dataclass
class LiveRun:
    """The node that was recorded."""

    facts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    cameras: dict[str, LiveCamera] = field(default_factory=dict)
    '''By what the camera's topics begin with: /tdnet or /tdnet/front.'''

    def update(self, time_s: float, message: Any) -> None:
        """Take in a diagnostic_msgs/DiagnosticArray; other programs' statuses are ignored."""
        for status in message.status:
            node, _, part = status.name.partition(': ')
            values = {item.key: item.value for item in status.values}
            if part == 'device' and 'input size' in values:
                self.facts = {name: values[key] for name, key in _FACTS.items() if key in values}
                self.problems = [UNTRAINED] if values.get('trained') == 'False' else []
            elif 'frames received' in values and 'topic' in values:
                name = f'/{node}' if part == 'image' else f'/{node}/{part}'
                self.cameras.setdefault(name, LiveCamera()).update(time_s, values)
