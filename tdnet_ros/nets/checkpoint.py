"""Weights in and out: safetensors of our own, and the authors' checkpoints.

Nothing here executes code from a file.
"""
from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
import re
from typing import Any
import warnings

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save
import torch
from torch import Tensor

from tdnet_ros.nets.card import ModelCard, check_file
from tdnet_ros.nets.zoo import Network, build

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
'''Types of numbers that weights may have in a file.'''

_DROPPED = re.compile(
    r'auxlayer\d*\.|teacher\.|pretrained\d*\.fc\.|.*\.num_batches_tracked$'
    r'|ffm_(32|8)(_\d+)?\.smooth\.|ffm_4(_\d+)?\.up\.|head_aux\d+\.|clslayer_(32|16)\.')

_PATH = r'(?P<path>\d+)'
_RENAMES = (
    (rf'pretrained{_PATH}\.', 'paths.{path}.backbone.'),
    (rf'psp{_PATH}\.conv(?P<bin>\d)\.', 'paths.{path}.context.convs.{bin}.'),
    (rf'enc{_PATH}\.w_qs\.', 'paths.{path}.encoder.query.'),
    (rf'enc{_PATH}\.w_ks\.', 'paths.{path}.encoder.key.'),
    (rf'enc{_PATH}\.w_vs\.0\.conv\.', 'paths.{path}.encoder.value.'),
    (rf'atn{_PATH}_(?P<source>\d+)\.fc\.0\.conv\.', 'paths.{path}.hops.{hop}.fc.'),
    (rf'atn{_PATH}\.fc\.0\.conv\.', 'paths.{path}.hops.0.fc.'),
    (rf'layer_norm{_PATH}\.ln\.', 'heads.{path}.norm.'),
    (rf'head{_PATH}\.conv5\.4\.', 'heads.{path}.classifier.1.'),
    (rf'head{_PATH}\.conv5\.', 'heads.{path}.conv.'),
    (rf'head{_PATH}\.conv_out\.', 'heads.{path}.classifier.1.'),
    (rf'head{_PATH}\.conv\.', 'heads.{path}.conv.'),
    *((rf'ffm_{4 << level}_{_PATH}\.', f'paths.{{path}}.context.levels.{level}.')
      for level in range(4)),
    # Per-frame networks have no path number.
    (r'pretrained\.', 'backbone.'),
    (r'head\.conv5\.0\.conv(?P<bin>\d)\.', 'context.convs.{bin}.'),
    (r'head\.conv5\.1\.', 'head.conv.0.'),
    (r'head\.conv5\.2\.', 'head.conv.1.'),
    (r'head\.conv5\.5\.', 'head.classifier.1.'),
    (r'resnet\.', 'backbone.'),
    *((rf'ffm_{4 << level}\.', f'context.levels.{level}.') for level in range(4)),
    (r'clslayer_8\.conv_out\.', 'head.classifier.1.'),
    (r'clslayer_8\.conv\.', 'head.conv.'),
)
_INNER_RENAMES = (
    (r'(backbone\.)conv1\.', r'\1stages.0.conv.'),
    (r'(backbone\.)bn1\.', r'\1stages.0.norm.'),
    (r'(backbone\.)layer(\d)\.', r'\1stages.\2.'),
    (r'(encoder\.(?:query|key)\.)0\.conv\.', r'\g<1>0.'),
    (r'(encoder\.(?:query|key)\.)0\.bn\.', r'\g<1>1.'),
    (r'(encoder\.(?:query|key)\.)1\.conv\.', r'\g<1>3.'),
    (r'(levels\.\d\.)w_qs\.', r'\1query.'),
    (r'(levels\.\d\.)w_ks\.', r'\1key.'),
    (r'(levels\.\d\.)w_vs\.', r'\1value.'),
    (r'(levels\.\d\.)latlayer3\.', r'\1mix.'),
    (r'((?:levels\.\d\.\w+|heads?(?:\.\d)?\.conv)\.)conv\.', r'\g<1>0.'),
    (r'((?:levels\.\d\.\w+|heads?(?:\.\d)?\.conv)\.)bn\.', r'\g<1>1.'),
)


def load_network(card: ModelCard) -> Network:
    """Build a card's network and load its weights, if it has any, as float32.

    Raises ValueError naming the missing, extra or misshaped weights.
    """
    network = build(card.architecture, len(card.classes)).float()  # whatever is the default
    if card.weights is not None:
        if card.weights.suffix == '.onnx':
            raise ValueError(f'model {card.name} is exported ({card.weights}): expected engine '
                             'onnxruntime or tensorrt, or the model that it was exported from')
        try:
            state = load_file(card.weights)
        except (SafetensorError, OSError) as error:
            raise ValueError(f'weights {card.weights}: not a safetensors file '
                             f'({error})') from error
        load_state(network, state, str(card.weights))
    return network


def save_weights(network: Network, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a network's weights as safetensors, in `dtype`.

    Statistics of batch norm are float32: a variance can exceed what float16 holds. ValueError
    if a weight does.
    """
    state = {key: value.to(torch.float32 if '.running_' in key else dtype).contiguous()
             for key, value in network.state_dict().items()
             if not key.endswith('num_batches_tracked')}
    for key, value in state.items():
        if not value.isfinite().all():
            raise ValueError(f'{key} holds what is no number or more than {value.dtype} can hold')
    path.write_bytes(save(state))


def load_state(network: Network, state: Mapping[str, Tensor], source: str) -> None:
    """Copy weights into a network after checking every key, type, shape and value.

    Counters of batch norm are not needed and may be absent.
    """
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()
              if not key.endswith('num_batches_tracked')}
    found = {key: value for key, value in state.items()
             if not key.endswith('num_batches_tracked')}
    odd = [key for key, value in found.items()
           if value.dtype not in FLOATS or value.layout != torch.strided or value.is_meta]
    faults = [_listing('missing', sorted(wanted.keys() - found.keys())),
              _listing('not expected', sorted(found.keys() - wanted.keys())),
              _listing('of another shape', [
                  f'{key} {list(found[key].shape)} (expected {list(shape)})'
                  for key, shape in wanted.items()
                  if key in found and tuple(found[key].shape) != shape]),
              _listing('not dense tensors of float16, bfloat16, float32 or float64', odd),
              _listing('not finite', [key for key, value in found.items()
                                      if key not in odd and not value.isfinite().all()])]
    if any(faults):
        raise ValueError(f'weights {source} do not fit the network: '
                         + '; '.join(fault for fault in faults if fault)
                         + ('. Expected weights of this very architecture' if any(faults[:3])
                            else ''))
    network.load_state_dict(dict(state), strict=False)


def read_official(path: Path) -> dict[str, Tensor]:
    """Read an authors' checkpoint: a plain state, or a training file with `model_state`.

    torch.load runs with weights_only, so a file that would execute code is refused.
    """
    check_file('checkpoint', path)
    try:
        with _numpy_scalars_allowed(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'checkpoint {path}: cannot be read as PyTorch weights: it is no file of '
                         'PyTorch, is cut off, or holds objects besides weights, which could '
                         'execute code and are refused') from error
    if isinstance(content, dict) and isinstance(content.get('model_state'), dict):
        content = content['model_state']
    if not isinstance(content, dict) or not content:
        raise ValueError(f'checkpoint {path}: holds a {type(content).__name__}, '
                         'expected a state dict or a training file with model_state')
    odd = [key for key, value in content.items()
           if not isinstance(key, str) or not isinstance(value, Tensor)]
    if odd:
        raise ValueError(f"checkpoint {path}: {odd[0]!r} names no weights: expected one of the "
                         "authors' (what tdnet_train has learnt is best.yaml)")
    return content


def rename_official(state: Mapping[str, Tensor], paths: int) -> dict[str, Tensor]:
    """Rename the keys of an authors' checkpoint of N paths to ours; drop what inference lacks.

    Unknown keys stay as they are, so that load_state names them.
    """
    renamed = {}
    for original, value in state.items():
        key = original.removeprefix('module.')
        if not _DROPPED.match(key):
            renamed[_rename(key, paths)] = value
    return renamed


def _rename(key: str, paths: int) -> str:
    for pattern, template in _RENAMES:
        match = re.match(pattern, key)
        if match:
            found = {name: int(text) - 1 for name, text in match.groupdict().items()}
            if 'source' in found:
                found['hop'] = (found['source'] - found['path'] - 1) % paths
            key = template.format(**found) + key[match.end():]
            break
    for pattern, replacement in _INNER_RENAMES:
        key = re.sub(pattern, replacement, key, count=1)
    return key


def _listing(what: str, keys: list[str], limit: int = 5) -> str:
    if not keys:
        return ''
    more = f' and {len(keys) - limit} more' if len(keys) > limit else ''
    return f'{len(keys)} {what}: {", ".join(keys[:limit])}{more}'


def _numpy_scalars_allowed() -> AbstractContextManager[Any]:
    """Let a plain NumPy number through: training files keep the best mIoU as one."""
    allow = getattr(torch.serialization, 'safe_globals', None)
    if allow is None:  # before PyTorch 2.5
        return nullcontext()
    scalar = np.float64(0).__reduce__()[0]
    return allow([scalar, np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))])
