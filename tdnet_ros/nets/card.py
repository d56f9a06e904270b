"""Model cards: what a set of weights is, in a YAML file beside it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
import os
from pathlib import Path
from typing import Any

import yaml

from tdnet_ros.nets.architecture import Architecture, aligned_size
from tdnet_ros.nets.classes import CAMVID, CITYSCAPES, ClassSet
from tdnet_ros.nets.zoo import VARIANTS

MODELS = Path(__file__).resolve().parent.parent / 'models'
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelCard:
    """A network, its classes and how its input is prepared."""

    name: str
    architecture: Architecture
    classes: ClassSet
    input_size: tuple[int, int]
    '''Native (height, width) of the network's input in pixels.'''
    mean: tuple[float, float, float] = IMAGENET_MEAN
    '''Per RGB channel, of values from 0 to 1.'''
    std: tuple[float, float, float] = IMAGENET_STD
    weights: Path | None = None
    '''The safetensors file; None: random weights, good for timing only.'''
    source: str = ''
    licence: str = ''
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    '''Command, seed and losses of a training run.'''

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
    path = Path(os.path.expanduser(weights))
    if path.with_suffix('.yaml').is_file():
        return _card_beside(path)
    if not path.is_file():
        raise FileNotFoundError(f'weights {path}: no such file')
    return replace(_find_card(model), weights=path)


def _find_card(model: str | Path) -> ModelCard:
    path = Path(os.path.expanduser(model))
    if path.suffix in ('.yaml', '.yml'):
        return load_card(path)
    if path.suffix == '.safetensors':
        return _card_beside(path)
    shipped = MODELS / f'{model}.yaml'
    if shipped.is_file():
        return load_card(shipped)
    if str(model) in VARIANTS:
        return untrained_card(str(model))
    if path.is_dir():
        best = path / 'best.yaml'
        raise ValueError(f"model '{model}' is a folder: expected "
                         + (f'the card {best} in it' if best.is_file() else 'a card (.yaml)'))
    raise ValueError(f"model '{model}': expected a card (.yaml), weights (.safetensors), a "
                     f'shipped model ({", ".join(shipped_models()) or "none"}) or one of '
                     f'{", ".join(VARIANTS)}')


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
    return ModelCard(name, architecture, classes or CAMVID, size)


def load_card(path: Path) -> ModelCard:
    """Read a card; ValueError names the file and the field that is wrong."""
    if not path.is_file():
        raise FileNotFoundError(f'model card {path}: no such file')
    try:
        content = yaml.safe_load(path.read_text())
        card = _card(content)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f'field {error} is missing' if isinstance(error, KeyError) else error
        raise ValueError(f'model card {path}: {reason}') from error
    if card.weights is None:
        return card
    weights = path.parent / card.weights
    if not weights.is_file():
        raise FileNotFoundError(f'model card {path}: its weights {weights} do not exist')
    return replace(card, weights=weights)


def save_card(card: ModelCard, path: Path) -> None:
    """Write a card; its weights are named relative to it."""
    content = _plain(asdict(card))
    content['weights'] = card.weights.name if card.weights else None
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=95))


def _card_beside(weights: Path) -> ModelCard:
    if not weights.is_file():
        raise FileNotFoundError(f'weights {weights}: no such file')
    card = weights.with_suffix('.yaml')
    if not card.is_file():
        raise FileNotFoundError(f'weights {weights}: no model card {card.name} beside them; '
                                'tdnet_convert and tdnet_train write both')
    return replace(load_card(card), weights=weights)


def _card(content: Any) -> ModelCard:
    if not isinstance(content, dict):
        raise ValueError(f'expected a mapping, not {type(content).__name__}')
    _refuse_unknown(content, ModelCard)
    _refuse_unknown(content['architecture'], Architecture)
    norm_size = content['architecture'].get('norm_size', Architecture.norm_size)
    architecture = Architecture(**{
        **content['architecture'], 'norm_size': _pair(norm_size) if norm_size else None})
    classes = content['classes']
    return ModelCard(**{
        **content,
        'architecture': architecture,
        'classes': ClassSet(classes['name'], tuple(map(str, classes['names'])),
                            tuple(_triple(color, int) for color in classes['palette'])),
        'input_size': _pair(content['input_size']),
        'mean': _triple(content.get('mean', IMAGENET_MEAN), float),
        'std': _triple(content.get('std', IMAGENET_STD), float),
        'weights': Path(content['weights']) if content.get('weights') else None,
    })


def _refuse_unknown(content: Mapping[str, Any], record: type) -> None:
    known = [entry.name for entry in fields(record)]
    unknown = [name for name in content if name not in known]
    if unknown:
        raise ValueError(f'unknown {", ".join(map(str, unknown))}, expected {", ".join(known)}')


def _pair(values: Any) -> tuple[int, int]:
    height, width = (int(value) for value in values)
    return height, width


def _triple(values: Any, number: type) -> Any:
    first, second, third = (number(value) for value in values)
    return first, second, third


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
