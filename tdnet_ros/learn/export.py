"""What a run has learnt, as a model card with its weights."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tdnet_ros.learn.datasets import Dataset
from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard, save_card
from tdnet_ros.nets.checkpoint import save_weights
from tdnet_ros.nets.writing import replacing
from tdnet_ros.nets.zoo import Network

CAMVID_LICENCE = ('Trained on CamVid (Brostow et al. 2008, 2009), released for research: '
                  'research use.')
LICENCES: Mapping[str, str] = {
    'camvid': CAMVID_LICENCE,
    'camvid32': CAMVID_LICENCE,
    'cityscapes': 'Trained on Cityscapes (Cordts et al. 2016): non-commercial use.',
    'nyuv2': 'Trained on NYU Depth v2 (Silberman et al. 2012): research use.',
}


def new_card(name: str, architecture: Architecture, dataset: Dataset, input_size: tuple[int, int],
             start: ModelCard | None, teacher: ModelCard | None, licence: str,
             **training: Any) -> ModelCard:
    """Describe the model that a run makes; the terms of those that it learnt from stay with it."""
    source = 'trained from scratch'
    if start:
        source = f'started from {start.name} ({start.source or "source unknown"}), trained'
    source += f' on {dataset.classes.name} train'
    if teacher:
        source += f', taught by {teacher.name} ({teacher.source or "source unknown"})'
    licences = [card.licence for card in (start, teacher) if card] + [licence]
    return ModelCard(
        name, architecture, dataset.classes, input_size, IMAGENET_MEAN, IMAGENET_STD,
        source=source, licence=' '.join(dict.fromkeys(filter(None, licences))), training=training)


def export(network: Network, card: ModelCard, path: Path) -> None:
    """Write a card at path (.yaml) and half-precision weights beside it."""
    weights = path.with_suffix('.safetensors')
    with replacing(weights) as part:
        save_weights(network, part, torch.float16)
    with replacing(path) as part:
        save_card(replace(card, weights=weights), part)
