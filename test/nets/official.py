"""The layout of the authors' checkpoints, written out, and random ones of that layout."""
from __future__ import annotations

import torch
from torch import Tensor

State = dict[str, Tensor]
Shapes = dict[str, list[int]]
CLASSES = 19


def conv(key: str, *shape: int, bias: bool = False) -> Shapes:
    return {f'{key}.weight': list(shape), **({f'{key}.bias': [shape[0]]} if bias else {})}


def norm(key: str, channels: int) -> Shapes:
    names = ('weight', 'bias', 'running_mean', 'running_var')
    return {**{f'{key}.{name}': [channels] for name in names}, f'{key}.num_batches_tracked': []}


def resnet(key: str, blocks: tuple[int, ...], bottleneck: bool) -> Shapes:
    expansion = 4 if bottleneck else 1
    if bottleneck:
        shapes = {**conv(f'{key}.conv1.0', 64, 3, 3, 3), **norm(f'{key}.conv1.1', 64),
                  **conv(f'{key}.conv1.3', 64, 64, 3, 3), **norm(f'{key}.conv1.4', 64),
                  **conv(f'{key}.conv1.6', 128, 64, 3, 3), **norm(f'{key}.bn1', 128)}
    else:
        shapes = {**conv(f'{key}.conv1', 64, 3, 7, 7), **norm(f'{key}.bn1', 64)}
    inputs = 128 if bottleneck else 64
    for layer, count in enumerate(blocks):
        planes = 64 << layer
        for number in range(count):
            name = f'{key}.layer{layer + 1}.{number}'
            kernels = ((1, inputs), (3, planes), (1, planes)) if bottleneck else (
                (3, inputs), (3, planes))
            for index, (kernel, channels) in enumerate(kernels):
                outputs = planes * expansion if index == 2 else planes
                shapes |= conv(f'{name}.conv{index + 1}', outputs, channels, kernel, kernel)
                shapes |= norm(f'{name}.bn{index + 1}', outputs)
            if inputs != planes * expansion or (number == 0 and layer > 0):
                shapes |= conv(f'{name}.downsample.0', planes * expansion, inputs, 1, 1)
                shapes |= norm(f'{name}.downsample.1', planes * expansion)
            inputs = planes * expansion
    return {**shapes, f'{key}.fc.weight': [1000, inputs], f'{key}.fc.bias': [1000]}


def pyramid(key: str, channels: int) -> Shapes:
    shapes: Shapes = {}
    for number in range(1, 5):
        shapes |= conv(f'{key}.conv{number}.0', channels // 4, channels, 1, 1)
        shapes |= norm(f'{key}.conv{number}.1', channels // 4)
    return shapes


def encoder(number: int, channels: int, values: int) -> Shapes:
    shapes: Shapes = {}
    for name in ('w_qs', 'w_ks'):
        shapes |= conv(f'enc{number}.{name}.0.conv', 64, channels, 1, 1, bias=True)
        shapes |= norm(f'enc{number}.{name}.0.bn', 64)
        shapes |= conv(f'enc{number}.{name}.1.conv', 64, 64, 1, 1, bias=True)
    return shapes | conv(f'enc{number}.w_vs.0.conv', values, channels, 1, 1, bias=True)


def path(number: int, channels: int, head: int) -> Shapes:
    shapes = pyramid(f'psp{number}', channels) | encoder(number, channels, 512)
    shapes |= {f'layer_norm{number}.ln.{name}': [97, 193] for name in ('weight', 'bias')}
    shapes |= conv(f'head{number}.conv5.0', head, 512, 3, 3)
    shapes |= norm(f'head{number}.conv5.1', head)
    return shapes | conv(f'head{number}.conv5.4', CLASSES, head, 1, 1, bias=True)


def fast_level(key: str, channels: int) -> Shapes:
    shapes: Shapes = {}
    for name, outputs, kernel in (('w_qs', 32, 1), ('w_ks', 32, 1), ('w_vs', channels, 1),
                                  ('latlayer3', channels, 1), ('up', channels // 2, 1),
                                  ('smooth', 128, 3)):
        shapes |= conv(f'{key}.{name}.conv', outputs, channels, kernel, kernel)
        shapes |= norm(f'{key}.{name}.bn', outputs)
    return shapes


def fast_head(key: str, channels: int, inner: int) -> Shapes:
    return {**conv(f'{key}.conv.conv', inner, channels, 3, 3), **norm(f'{key}.conv.bn', inner),
            **conv(f'{key}.conv_out', CLASSES, inner, 1, 1)}


def fast_backbone(key: str) -> Shapes:
    """The ResNet of FANet: its first layer has a stride, too, and there is no classifier."""
    shapes = {name: shape for name, shape in resnet(key, (2, 2, 2, 2), False).items()
              if f'{key}.fc.' not in name}
    return {**shapes, **conv(f'{key}.layer1.0.downsample.0', 64, 64, 1, 1),
            **norm(f'{key}.layer1.0.downsample.1', 64)}


def fast_layout(model: str) -> Shapes:
    """Keys and shapes of the authors' TD2-FA18, and of the FANet-18 that it starts from."""
    widths = {32: 512, 16: 256, 8: 128, 4: 64}
    shapes: Shapes = {}
    if model == 'fa18':
        shapes |= fast_backbone('resnet')
        for name, channels in widths.items():
            shapes |= fast_level(f'ffm_{name}', channels)
        for name, channels, inner in ((32, 128, 64), (16, 128, 64), (8, 256, 256)):
            shapes |= fast_head(f'clslayer_{name}', channels, inner)
        return shapes
    for number in (1, 2):
        shapes |= fast_backbone(f'pretrained{number}')
        for name, channels in widths.items():
            shapes |= fast_level(f'ffm_{name}_{number}', channels)
        shapes |= encoder(number, 256, 256)
        shapes |= conv(f'atn{number}.fc.0.conv', 256, 256, 1, 1, bias=True)
        shapes |= {f'layer_norm{number}.ln.{name}': [96, 192] for name in ('weight', 'bias')}
        shapes |= fast_head(f'head{number}', 256, 256)
        shapes |= fast_head(f'head_aux{number}', 128, 64)
    return shapes


def layout(model: str) -> Shapes:
    """Keys and shapes of the authors' checkpoint of one of our variants."""
    if model in ('td2-fa18', 'fa18'):
        return fast_layout(model)
    shapes: Shapes = {}
    if model == 'td4-psp18':
        for number in range(1, 5):
            shapes |= resnet(f'pretrained{number}', (2, 2, 2, 2), False) | path(number, 512, 128)
            for source in {1, 2, 3, 4} - {number}:
                shapes |= conv(f'atn{number}_{source}.fc.0.conv', 512, 512, 1, 1, bias=True)
    elif model == 'td2-psp50':
        for number in (1, 2):
            shapes |= resnet(f'pretrained{number}', (3, 4, 6, 3), True) | path(number, 2048, 256)
            shapes |= conv(f'atn{number}.fc.0.conv', 512, 512, 1, 1, bias=True)
    elif model == 'psp101':
        shapes |= resnet('pretrained', (3, 4, 23, 3), True) | pyramid('head.conv5.0', 2048)
        shapes |= conv('head.conv5.1', 512, 4096, 3, 3) | norm('head.conv5.2', 512)
        shapes |= conv('head.conv5.5', CLASSES, 512, 1, 1, bias=True)
    return shapes


def random_state(model: str) -> State:
    """Random weights of that layout, with random batch norm statistics, of sane magnitude."""
    state: State = {}
    for key, shape in layout(model).items():
        if key.endswith('num_batches_tracked'):
            state[key] = torch.tensor(7)
        elif key.endswith('running_var') or (len(shape) in (1, 2) and key.endswith('weight')):
            state[key] = torch.rand(shape) + 0.5
        elif len(shape) == 4:
            fan_in = shape[1] * shape[2] * shape[3]
            state[key] = torch.randn(shape) * (2 / fan_in) ** 0.5
        else:
            state[key] = torch.randn(shape) * 0.1
    return state
