"""Model cards: what a set of weights is, in a YAML file beside it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import difflib
import os
from pathlib import Path
import re
from reprlib import repr
from typing import Annotated, Any

import yaml

from tdnet_ros.nets.architecture import Architecture, aligned_size
from tdnet_ros.nets.classes import CAMVID, CITYSCAPES, ClassSet
from tdnet_ros.nets.records import Range, Share, Side, plain, read_record, read_yaml
from tdnet_ros.nets.variants import FOR_USERS, VARIANTS

MODELS = Path(__file__).resolve().parent.parent / 'models'
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CARDS = ('.yaml', '.yml')
CHECKPOINTS = ('.pkl', '.pth', '.pt')
WRITTEN = ('best.yaml', 'model.yaml')
'''Cards that tdnet_train and tdnet_export write.'''
NOT_CONVERTED = ("is a checkpoint of PyTorch: tdnet_convert makes weights and card of the "
                 "authors', and what tdnet_train has learnt is best.yaml beside it")
NAME = r'[^/\x00-\x1f\x7f]{1,100}'
'''A name is part of the names of folders, such as those of the export cache.'''
Spread = Annotated[float, Range(1e-4, 1)]


@dataclass(frozen=True)
class ModelCard:
    """A network, its classes and how its input is prepared."""

    name: str
    architecture: Architecture
    classes: ClassSet
    input_size: tuple[Side, Side]
    '''Native (height, width) of the network's input in pixels.'''
    mean: tuple[Share, Share, Share]
    '''Per RGB channel, of values from 0 to 1.'''
    std: tuple[Spread, Spread, Spread]
    weights: Path | None = None
    '''The safetensors file; None: random weights, good for timing only.'''
    source: str = ''
    licence: str = ''
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    '''Command, seed and losses of a training run.'''

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise ValueError(f'name is {repr(self.name)}, expected 1 to 100 characters, no / '
                             'and no line break among them')

    @property
    def trained(self) -> bool:
        """Whether there are weights; labels of a model without are noise."""
        return self.weights is not None


def find_model(model: str | Path, weights: str | Path | None = None) -> ModelCard:
    """Find a model by card file, safetensors file, shipped name or row of the table.

    A bare row of the table gives a card without weights. `weights` names a safetensors file
    to use instead: with the card beside it, or else with that of `model`. Raises
    FileNotFoundError or ValueError with one line that says what was looked for.
    """
    if not weights:
        return _find_card(model)
    path = Path(os.path.expanduser(str(weights)))
    check_file('weights', path)
    if path.suffix in CHECKPOINTS:
        raise ValueError(f'weights {path}: this {NOT_CONVERTED}')
    if path.suffix in CARDS:
        raise ValueError(f'weights {path}: this is a card; expected a .safetensors file, or the '
                         'card as the model')
    if path.with_suffix('.yaml').is_file():
        return _card_beside(path)
    return replace(_find_card(model), weights=path)


def _find_card(model: str | Path) -> ModelCard:
    if not isinstance(model, str | Path):
        raise ValueError(f'model is of type {type(model).__name__}, expected a name or a path')
    path = Path(os.path.expanduser(str(model)))
    if path.suffix in CARDS:
        return load_card(path)
    if path.suffix == '.safetensors':
        return _card_beside(path)
    shipped = MODELS / f'{model}.yaml'
    if shipped.is_file():
        return load_card(shipped)
    if str(model) in VARIANTS:
        return untrained_card(str(model))
    if str(model) and path.is_dir():
        card = next((path / name for name in WRITTEN if (path / name).is_file()), None)
        raise ValueError(f"model '{model}' is a folder: expected "
                         + (f'the card {card} in it' if card else 'a card (.yaml)'))
    if path.suffix in CHECKPOINTS:
        raise ValueError(f"model '{model}' {NOT_CONVERTED}")
    if path.suffix == '.onnx':
        raise ValueError(f"model '{model}' is a graph: expected the card beside it, model.yaml")
    near = difflib.get_close_matches(str(model), [*shipped_models(), *FOR_USERS], n=1)
    if near:
        raise ValueError(f"there is no model '{model}', did you mean '{near[0]}'?")
    raise ValueError(f"model '{model}': expected a card (.yaml), weights (.safetensors), a "
                     f'shipped model ({", ".join(shipped_models()) or "none"}) or one of '
                     f'{", ".join(FOR_USERS)}')


def check_file(what: str, path: Path) -> None:
    """Raise FileNotFoundError unless there is a file."""
    if not path.is_file():
        raise FileNotFoundError(f'{what} {path}: '
                                + ('this is no file' if path.exists() else 'no such file'))


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(path.stem for path in MODELS.glob('*.yaml'))


def untrained_card(name: str, classes: ClassSet | None = None) -> ModelCard:
    """Make the card of a row of the table, without weights."""
    architecture = VARIANTS[name]
    size = aligned_size((360, 480))
    if architecture.norm_size is not None:
        size = architecture.native_input_size
        classes = classes or CITYSCAPES
    return ModelCard(name, architecture, classes or CAMVID, size, IMAGENET_MEAN, IMAGENET_STD)


def load_card(path: Path, weights: Path | None = None) -> ModelCard:
    """Read a card; ValueError names the file and the field that is wrong.

    weights: a safetensors file that takes the place of the card's own, which need not be there.
    """
    check_file('model card', path)
    where = f'model card {path}'
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise ValueError(f'{where}: {error}') from error
    card = read_record(ModelCard, content, where)
    if weights is None and card.weights is not None:
        weights = path.parent / card.weights
        if not weights.is_file():
            raise FileNotFoundError(f'{where}: its weights {weights} (set in the card) '
                                    + ('are a folder' if weights.is_dir() else 'do not exist'))
    return replace(card, weights=weights)


def save_card(card: ModelCard, path: Path) -> None:
    """Write a card; its weights are named relative to it."""
    content = plain(card)
    content['weights'] = card.weights.name if card.weights else None
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=95))


def _card_beside(weights: Path) -> ModelCard:
    check_file('weights', weights)
    card = weights.with_suffix('.yaml')
    if not card.is_file():
        raise FileNotFoundError(f'weights {weights}: no model card {card.name} beside them; '
                                'tdnet_convert and tdnet_train write both')
    return load_card(card, weights)
