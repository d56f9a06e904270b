"""What a run does with its validation split: judge, show, and keep the best weights."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lightning_fabric import Fabric

from tdnet_ros.learn.calibrate import calibrate, has_bias
from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.learn.export import export
from tdnet_ros.learn.validate import StreamingValidation
from tdnet_ros.nets.card import ModelCard, find_model, save_card
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.writing import replacing
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.frame import Image


class Calibration(NamedTuple):
    """The mean IoU of the best weights before and after they were calibrated."""

    before: float
    after: float
    kept: bool
    """Whether the calibrated weights are the best now."""


class Validator:
    """Judges averaged weights on the validation split and writes the best."""

    def __init__(self, dataset: Dataset, card: ModelCard, out: Path, fabric: Fabric) -> None:
        self._dataset = dataset
        self._card = card
        self._best = out / 'best.yaml'
        self._device = fabric.device
        self._streaming = self._streams(dataset)

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
        """Write OUT/best.yaml and its weights."""
        self._export(network, {'step': step}, metrics['miou'])

    def _export(self, network: Network, training: dict[str, Any], miou: float) -> None:
        export(network, replace(
            self._card, training={**self._card.training, **training},
            metrics={f'{self._dataset.name} val streaming mIoU': round(miou, 4)}), self._best)

    def calibrate(self, training: Dataset) -> Calibration | None:
        """Calibrate the best weights on the training split, if that was not tried before.

        Where they are no better the old weights stay.
        """
        card = find_model(str(self._best))
        network = load_network(card).to(self._device)
        if 'calibration' in card.training or not has_bias(network):
            return None
        before = self.measure(network)['miou']
        shifts = calibrate(network, training, self._streams(training))
        after = self.measure(network)['miou']
        kept = after > before
        if kept:
            self._export(network, {'step': card.training['step'], 'calibration': shifts}, after)
        else:
            with replacing(self._best) as part:
                save_card(replace(card, training={**card.training, 'calibration': None}), part)
        return Calibration(before, after, kept)
