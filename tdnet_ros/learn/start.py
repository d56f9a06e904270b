"""Start a network from trained weights: of other classes, fewer channels or fewer paths.

Growing is that of Net2Net (Chen et al. 2016): the wider network computes what the narrower one
does, but for rounding, and goes on learning from there. A per-frame network starts every path of a
TDNet, which then has pre-trained sub-networks.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard
from tdnet_ros.nets.checkpoint import load_network, load_state
from tdnet_ros.nets.classes import ClassSet
from tdnet_ros.nets.zoo import Network

GROWING = ('width', 'paths', 'key_channels', 'memory_stride', 'shared_stages', 'shared_head')
"""Fields of the architecture that may differ between a network and what starts it."""
NEW = ('groups', 'value_channels', 'head_reduction', 'norm_size')
"""Fields of what a per-frame network lacks, or has uncut."""
SHARES = (0.2, 0.8)
"""Range of what each copy of a channel carries on: unequal, so that they come to differ."""


def start_from(network: Network, card: ModelCard, classes: ClassSet) -> list[str]:
    """Copy a card's weights into a network in place; return the classes that start anew.

    A class starts as the card's class of that name. Every channel becomes as many copies as the
    network has more channels, path p starts as path p mod N of the card, what its paths share as
    the first one's, and a hop that the card does not have starts at zero. Of a per-frame network
    every path takes the backbone and the context, the value is its features as they are, and a
    head takes its weights for the path's channels; where widths do not allow that, both are new.
    Raises ValueError where the networks differ in anything else, or in their channels by no whole
    factor.
    """
    _check(card, network.architecture)
    known = {name: number for number, name in enumerate(card.classes.names)}
    generator = torch.Generator().manual_seed(0)
    state = load_network(card).state_dict()
    started = {}
    for key, fresh in network.state_dict().items():
        found = _counterpart(key, fresh, network.architecture, state, card.architecture)
        if found is None:
            started[key] = fresh
        elif '.classifier.' in key:
            rows = _spread(found, (len(known), *fresh.shape[1:]), key, generator)
            started[key] = torch.stack([rows[known[name]] if name in known else own
                                        for name, own in zip(classes.names, fresh, strict=True)])
        else:
            started[key] = _spread(found, fresh.shape, key, generator)
    load_state(network, started, card.name)
    return [name for name in classes.names if name not in known]


def _check(card: ModelCard, wanted: Architecture) -> None:
    if not card.trained:
        raise ValueError(f'model {card.name} has no weights to start from')
    if (tuple(card.mean), tuple(card.std)) != (IMAGENET_MEAN, IMAGENET_STD):
        raise ValueError(f'model {card.name} wants another normalisation of its input')
    theirs, ours = asdict(card.architecture), asdict(wanted)
    may = GROWING + (NEW if card.architecture.paths == 1 else ())
    names = [name for name in ours if ours[name] != theirs[name] and (
        name not in may or (name == 'paths' and ours[name] == 1))]
    if names:
        came, expected = (', '.join(f'{name} {fields[name]}' for name in names)
                          for fields in (theirs, ours))
        raise ValueError(f'model {card.name} has {came}, expected {expected}')


def _counterpart(key: str, fresh: Tensor, wanted: Architecture, state: Mapping[str, Tensor],
                 source: Architecture) -> Tensor | None:
    """Return what a network of `source` has in the place of `key`; None: `fresh` stays."""
    if source.paths == 1 < wanted.paths:
        return _of_per_frame(key, fresh, wanted, state, source)
    found = state.get(_source_key(key, wanted, source))
    if found is None:
        assert '.hops.' in key, key
        return torch.zeros_like(fresh)
    if '.encoder.query.3.' in key:  # attention divides its scores by the root of the channels
        return found * (source.key_channels / wanted.key_channels) ** 0.5
    return found


def _of_per_frame(key: str, fresh: Tensor, wanted: Architecture, state: Mapping[str, Tensor],
                  source: Architecture) -> Tensor | None:
    """Return what starts `key` of a TDNet from a per-frame network."""
    if '.hops.' in key:
        return torch.zeros_like(fresh)
    whole = wanted.head_channels == wanted.feature_channels
    if '.encoder.value.' in key and whole:
        return torch.eye(len(fresh)).view_as(fresh) if key.endswith('weight') else 0 * fresh
    if key.startswith('heads.') and (not whole or wanted.inner_channels % source.inner_channels):
        return None
    place = _source_key(key, wanted, source).removeprefix('paths.0.').replace('heads.0', 'head')
    found = state.get(place)
    if found is not None and place == 'head.conv.0.weight':
        group = int(key.split('.')[1]) % wanted.groups
        parts = found.split(source.feature_parts, 1)
        found = torch.cat([part.chunk(wanted.groups, 1)[group] for part in parts], 1)
    return found


def _source_key(key: str, wanted: Architecture, source: Architecture) -> str:
    """Return the key, in a network of `source`, of the weights that start those of `key`."""
    part, *rest = key.split('.')
    path = int(rest.pop(0)) % source.paths if part in ('paths', 'heads') else 0
    if part == 'heads':
        return '.'.join([part, str(0 if source.shared_head else path), *rest])
    in_path = part == 'paths' and rest[0] == 'backbone'
    if part == 'trunk' or in_path:
        _, number, *rest = rest[1:] if in_path else rest
        stage = int(number) + (wanted.shared_stages if in_path else 0)
        place = f'trunk.stages.{stage}'
        if stage >= source.shared_stages:
            place = f'paths.{path}.backbone.stages.{stage - source.shared_stages}'
        return '.'.join([place, *rest])
    if part == 'paths' and rest[0] == 'hops':  # counted from the latest frame
        rest[1] = str(int(rest[1]) - (wanted.paths - source.paths))
    return '.'.join([part, str(path), *rest]) if part == 'paths' else key


def _spread(found: Tensor, shape: Sequence[int], key: str, generator: torch.Generator) -> Tensor:
    """Repeat output channels as they are; copies of an input channel share out its weights."""
    factors = [new // old for new, old in zip(shape, found.shape, strict=True)]
    if any(old * factor != new for new, old, factor in zip(shape, found.shape, factors)):
        raise ValueError(f'{key} is {list(shape)}, no whole multiple of {list(found.shape)}')
    for axis, factor in enumerate(factors):
        found = found.repeat_interleave(factor, axis)
    if found.dim() > 1 and factors[1] > 1:
        low, high = SHARES
        shares = torch.rand((shape[0], shape[1] // factors[1], factors[1]), generator=generator)
        shares = low + (high - low) * shares
        shares = (shares / shares.sum(-1, keepdim=True)).flatten(1)
        found = found * shares.view(*shares.shape, *[1] * (found.dim() - 2))
    return found
