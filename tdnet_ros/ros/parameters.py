"""Every parameter of the node, once: default, description, unit, range."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import re
from typing import Any

from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.nets.engines import ENGINES, PRECISIONS, RESIZABLE
from tdnet_ros.stream.memory import MAX_GAP_S

TRANSPORTS = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}
'''Types of the messages, by the values of `image_transport`.'''
POINTS_SOURCES = ('depth', 'cloud')
_CAMERA = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_KINDS = {bool: 'true or false', int: 'whole number', float: 'number', str: 'text'}
_LISTS = {int: 'a list of whole numbers', str: "a list of texts, such as ['a', 'b']"}


def _parameter(default: Any, description: str, *, unit: str = '', low: float | None = None,
               high: float | None = None, live: bool = False, fixed: bool = False) -> Any:
    """A field of NodeParameters, to be set while the node is unconfigured.

    `live` ones may be set at any time, `fixed` ones only at start.
    """
    return dataclasses.field(default=default, metadata={
        'description': description, 'unit': unit, 'low': low, 'high': high, 'live': live,
        'fixed': fixed})


@dataclass(frozen=True)
class NodeParameters:
    """The node's parameters, checked. Changing one makes a new object."""

    model: str = _parameter(
        DEFAULT_MODEL, 'Model to run: a shipped model, a model card (.yaml) or weights '
        '(.safetensors) with their card beside them, or a variant without weights.')
    weights: str = _parameter(
        '', 'Weights file (.safetensors) to use instead: with the card beside it, or else with '
        'that of `model`.')
    device: str = _parameter(
        'auto', 'Where the network runs: auto (cuda where there is one, else cpu), cpu, cuda or '
        'cuda:N.')
    input_size: tuple[int, ...] = _parameter(
        (0, 0), 'Height and width that images are resized to for the network; 0, 0 is the '
        "model's own. Labels always have the camera's size.", unit='px', low=0, high=8192)
    engine: str = _parameter(
        'torch', 'What computes the network: torch, eager (torch without CUDA graphs), '
        'onnxruntime, tensorrt (CUDA only) or, to compare with, reference.')
    precision: str = _parameter(
        'float32', 'Precision of the network: float32, bfloat16, on CUDA float16 or, with '
        'engine onnxruntime on a CPU and a model exported for it, int8.')
    autostart: bool = _parameter(
        True, 'Configure and activate at start. Set it to false where a lifecycle manager does '
        'that.', fixed=True)
    cameras: tuple[str, ...] = _parameter(
        ('',), "Names of the cameras. One empty name is a single camera on the topic 'image'; "
        "'front' reads 'front/image' and publishes '~/front/labels'.")
    image_transport: str = _parameter(
        'raw', "How images arrive: raw ('image') or compressed ('image/compressed').")
    points: bool = _parameter(False, "Publish '~/points': the labels in space.")
    points_source: str = _parameter(
        'depth', "Where points come from: depth ('depth', 16UC1 or 32FC1, registered to the "
        "camera, and 'camera_info') or cloud ('cloud_in', organised, as many points as the image "
        'has pixels).')
    max_gap_s: float = _parameter(
        MAX_GAP_S, 'A longer pause between two images, on top of that of max_rate_hz, empties '
        'the temporal memory; 0: any does.', unit='s', low=0.0, high=3600.0, live=True)
    scene_cut: bool = _parameter(
        True, 'Empty the temporal memory when the image changes abruptly as a whole.',
        live=True)
    max_rate_hz: float = _parameter(
        0.0, 'Label at most so many images a second of each camera, evenly; 0: all.', unit='Hz',
        low=0.0, high=1000.0, live=True)
    keep_classes: tuple[str, ...] = _parameter(
        ('',), "Names of the classes to publish, all others become 255; [''] is all.", live=True)
    class_remap: tuple[str, ...] = _parameter(
        ('',), "Classes to publish as another, such as 'truck:car'; [''] is none.", live=True)
    overlay_opacity: float = _parameter(
        0.5, 'Share of the class colour in the overlay.', low=0.0, high=1.0, live=True)
    overlay_legend: bool = _parameter(
        False, 'Write the names of the classes beside their colours at the foot of the overlay.',
        live=True)
    overlay_quality: int = _parameter(
        85, 'JPEG quality of the compressed overlay.', unit='%', low=1, high=100, live=True)
    latency_budget_ms: float = _parameter(
        200.0, 'Capture-to-publish latency above which diagnostics warn (and report an error '
        'when every image is late).', unit='ms', low=1.0, high=60000.0, live=True)
    adaptive: bool = _parameter(
        False, 'Hold latency_budget_ms: run the network at a smaller input size while images are '
        'late, at the full one again when there is room.')
    no_image_timeout_s: float = _parameter(
        3.0, 'Diagnostics report an error when no image came, or none was labelled, for so long.',
        unit='s', low=0.1, high=3600.0, live=True)
    diagnostics_window_s: float = _parameter(
        10.0, 'Rates and percentiles in diagnostics cover this much time, percentiles five images '
        'at least.', unit='s', low=1.0, high=600.0)
    diagnostics_period_s: float = _parameter(
        1.0, 'Time between two diagnostics messages, on the wall clock.', unit='s', low=0.1,
        high=60.0, fixed=True)

    def __post_init__(self) -> None:
        self._check('input_size', len(self.input_size) == 2
                    and all(map(bool, self.input_size)) == any(self.input_size),
                    "height and width, or [0, 0] for the model's own")
        self._check('input_size', all(_in_range(value, 'input_size') for value in self.input_size),
                    expected(FIELDS['input_size']))
        for name, known in (('image_transport', TRANSPORTS), ('engine', ENGINES),
                            ('precision', PRECISIONS),
                            ('points_source', POINTS_SOURCES)):
            self._check(name, getattr(self, name) in known, f'one of {", ".join(known)}')
        self._check('adaptive', not self.adaptive or self.engine in RESIZABLE,
                    f'false with engine {self.engine}, which is bound to one input size')
        self._check('cameras', 0 < len(self.cameras) == len(set(self.cameras)),
                    'at least one name, each once')
        self._check('cameras', self.cameras == ('',) or all(map(_CAMERA.fullmatch, self.cameras)),
                    'names of letters, digits and underscores, a letter first')
        self._check('cameras', not {'device', 'image'} & {*self.cameras},
                    "names other than 'device' and 'image', which diagnostics give to others")

    @property
    def longest_gap_s(self) -> float:
        """Time between two labelled images that the memory outlasts."""
        period_s = 1 / self.max_rate_hz if self.max_rate_hz else 0.0
        return self.max_gap_s and self.max_gap_s + period_s

    def _check(self, name: str, fine: bool, expected: str) -> None:
        if not fine:
            value = getattr(self, name)
            shown = list(value) if isinstance(value, tuple) else repr(value)
            raise ValueError(f"parameter '{name}' is {shown}: expected {expected}")

    def changed(self, values: dict[str, Any]) -> NodeParameters:
        """These parameters with some of them set; ValueError where a value does not fit."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(FIELDS[name].default, tuple) else value
            for name, value in values.items() if name in FIELDS}
        return dataclasses.replace(self, **known)


FIELDS = {field.name: field for field in dataclasses.fields(NodeParameters)}
'''By name; their metadata holds what `_parameter` was given.'''


def describe() -> str:
    """All parameters as text, one paragraph each."""
    return '\n'.join(f'  {name} ({expected(field)}; default {_shown(field.default)})\n'
                     f'      {field.metadata["description"]}' for name, field in FIELDS.items())


def expected(field: dataclasses.Field[Any]) -> str:
    """Say what values a parameter takes: type, range and unit."""
    default: Any = field.default
    meta = field.metadata
    is_list = isinstance(default, tuple)
    text = _LISTS[type(default[0])] if is_list else _KINDS[type(default)]
    if meta['low'] is not None:
        text += f' from {meta["low"]} to {meta["high"]}'
    return text + (f' {meta["unit"]}' if meta['unit'] else '')


def _in_range(value: float, name: str) -> bool:
    meta = FIELDS[name].metadata
    return bool(meta['low'] <= value <= meta['high'])


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return '[' + ', '.join(_shown(value) for value in default) + ']'
    return repr(default) if isinstance(default, str) else str(default).lower()
