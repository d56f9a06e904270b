"""What a run does with its validation split: judge, show, and keep the best weights."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lightning_fabric import Fabric

from tdnet_ros.learn.calibrate import calibrate, has_bias
from tdnet_ros.learn.config import BEST
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.export import export
from tdnet_ros.learn.validate import StreamingValidation
from tdnet_ros.nets.card import ModelCard, find_model, load_card, save_card
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.writing import replacing
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.frame import Image

FIGURE = 'val mIoU'
"""By which the best weights are chosen; in a card after the name of the data."""
NONE_YET = -1.0
"""Best mean IoU before any."""


class Calibration(NamedTuple):
    """The mean IoU of the best weights before, and of those that were calibrated."""

    before: float
    after: float
    kept: bool
    """Whether the calibrated weights are the best now."""


class Validator:
    """Judges averaged weights on the validation split and writes the best."""

    def __init__(self, dataset: Dataset, card: ModelCard, out: Path, fabric: Fabric) -> None:
        self._dataset = dataset
        self._card = card
        self._best = out / BEST
        self._device = fabric.device
        self._streaming = self._streams(dataset)
        self._figure = f'{dataset.classes.name} {FIGURE}'
        self.best = NONE_YET
        """Mean IoU of OUT/best.yaml, rounded as in it."""

    def resume(self) -> None:
        """Go on from OUT/best.yaml, if it is there; a person may have added other figures."""
        if self._best.exists():
            self.best = max((value for name, value in load_card(self._best).metrics.items()
                             if name.endswith(FIGURE)), default=NONE_YET)

    def _streams(self, dataset: Dataset) -> StreamingValidation:
        return StreamingValidation(dataset, self._device, self._card.input_size)

    def measure(self, network: Network) -> dict[str, float]:
        """Return the mean and every class's IoU."""
        confusion = self._streaming.confusion(network)
        ious = dict(zip(self._dataset.classes.names, map(float, confusion.iou())))
        return {'miou': confusion.miou(), **ious}

    def pictures(self, network: Network) -> list[Image]:
        """Return overlays of a few frames."""
        return list(self._streaming.overlays(network))

    def keep(self, network: Network, step: int, metrics: dict[str, float]) -> None:
        """Write OUT/best.yaml and its weights if they are better than what is there."""
        self._keep(network, {**self._card.training, 'step': step}, metrics['miou'])

    def _keep(self, network: Network, made: Mapping[str, Any], miou: float) -> bool:
        miou = round(miou, 4)
        better = miou > self.best
        if better:
            export(network, replace(self._card, training=made, metrics={self._figure: miou}),
                   self._best)
            self.best = miou
        return better

    def calibrate(self, training: Dataset, last: Network | None, step: int) -> Calibration | None:
        """Calibrate the best weights on the training split or, where they are that, the last ones.

        last: those that the run has come to, if it went on, at `step`. Where the calibrated ones
        are no better than the best, those stay.
        """
        best = find_model(str(self._best))
        network, made = last, {**self._card.training, 'step': step}
        if 'calibration' not in best.training:
            network, made = load_network(best).to(self._device), {**best.training}
        if network is None or not has_bias(network):
            return None
        print(f'calibrating on the {len(training.labelled())} labelled frames of the training '
              'split', flush=True)
        before = self.best
        shifts = calibrate(network, training, self._streams(training))
        after = self.measure(network)['miou']
        kept = self._keep(network, {**made, 'calibration': shifts}, after)
        if not kept:
            with replacing(self._best) as part:
                save_card(replace(best, training={'calibration': None, **best.training}), part)
        return Calibration(before, after, kept)
