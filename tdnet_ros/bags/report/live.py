"""What a running node said of its cameras in /diagnostics, while it was recorded."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tdnet_ros.ros.meter import OUTCOMES

RECEIVED = 'frames received'
UNLABELLED_COUNTS = tuple(outcome for outcome in OUTCOMES if outcome != 'processed')
_FACTS = {'model': 'model', 'device': 'device', 'input_size': 'input size'}
UNTRAINED = 'the model has no trained weights: its labels are noise'


@dataclass
class LiveCamera:
    """What one camera's counts grew by, and each time its memory was emptied."""

    unlabelled: dict[str, int] = field(default_factory=dict)
    '''Frames by why they have no labels.'''
    image_topic: str = ''
    resets: list[dict[str, Any]] = field(default_factory=list)
    '''`time_s` of the message that tells it, `count` of resets since the one before, `reason`.'''
    _last: dict[str, int] = field(default_factory=dict)

    def update(self, time_s: float, values: dict[str, str]) -> None:
        """Take in the values of one diagnostic status."""
        self.image_topic = values['topic']
        grown = self._growth({name: int(values.get(name, 0)) for name in (
            RECEIVED, 'resets', *(f'frames {name}' for name in UNLABELLED_COUNTS))})
        self.unlabelled = {name: self.unlabelled.get(name, 0) + grown[f'frames {name}']
                           for name in UNLABELLED_COUNTS}
        if grown['resets']:
            self.resets.append({'time_s': time_s, 'count': grown['resets'],
                                'reason': values.get('last reset', '')})

    def _growth(self, counts: dict[str, int]) -> dict[str, int]:
        """By how much counts grew; none in the first message, from 0 in a node started anew."""
        last, self._last = self._last or counts, counts
        if counts[RECEIVED] < last[RECEIVED]:
            return counts
        return {name: count - last[name] for name, count in counts.items()}


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
            elif RECEIVED in values and 'topic' in values:
                name = f'/{node}' if part == 'image' else f'/{node}/{part}'
                self.cameras.setdefault(name, LiveCamera()).update(time_s, values)
