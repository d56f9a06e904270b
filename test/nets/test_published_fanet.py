"""TD2-FA18 and FANet-18 against a literal transcription on the authors' own key names."""
from __future__ import annotations

import pytest
import torch
from torch import Tensor
import torch.nn.functional as F

from nets.official import State, random_state
from nets.test_published_wiring import attend, conv, norm, project
from tdnet_ros.nets.checkpoint import load_state, rename_official
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build

SIZE = (96, 136)
STRIDE = 3


def layer(state: State, key: str, x: Tensor) -> Tensor:
    return F.leaky_relu(norm(state, f'{key}.bn', conv(state, f'{key}.conv', x)), 0.01)


def backbone(state: State, key: str, x: Tensor) -> list[Tensor]:
    x = F.leaky_relu(norm(state, f'{key}.bn1', conv(state, f'{key}.conv1', x, 2)), 0.01)
    x = F.max_pool2d(x, 3, 2, 1)
    layers = []
    for number in range(1, 5):
        for index in range(2):
            name, stride = f'{key}.layer{number}.{index}', 2 - index
            short = x
            if index == 0:
                short = norm(state, f'{name}.downsample.1',
                             conv(state, f'{name}.downsample.0', x, stride))
            out = norm(state, f'{name}.bn1', conv(state, f'{name}.conv1', x, stride))
            out = conv(state, f'{name}.conv2', F.leaky_relu(out, 0.01))
            x = (norm(state, f'{name}.bn2', out) + short).relu()
        layers.append(x)
    return layers


def attention(state: State, key: str, x: Tensor, below: Tensor | None) -> Tensor:
    query, keys = (norm(state, f'{key}.{name}.bn', conv(state, f'{key}.{name}.conv', x)).flatten(2)
                   for name in ('w_qs', 'w_ks'))
    query, keys = query / query.norm(dim=1, keepdim=True), keys / keys.norm(dim=1, keepdim=True)
    value = layer(state, f'{key}.w_vs', x).flatten(2)
    out = torch.einsum('bkn,bkm,bcm->bcn', query, keys, value).view_as(x)
    out = layer(state, f'{key}.latlayer3', out) + x
    if below is not None:
        out = out + F.interpolate(below, x.shape[-2:], mode='bilinear', align_corners=True)
    return out


def up(state: State, key: str, x: Tensor) -> Tensor:
    """A 1x1 convolution that pads by one."""
    out = F.conv2d(x, state[f'{key}.conv.weight'], padding=1)
    return F.leaky_relu(norm(state, f'{key}.bn', out), 0.01)


def features(state: State, resnet: str, ffm: str, image: Tensor) -> Tensor:
    feat4, feat8, feat16, feat32 = backbone(state, resnet, image)
    maps32 = attention(state, ffm.format(32), feat32, None)
    maps16 = attention(state, ffm.format(16), feat16, up(state, ffm.format(32) + '.up', maps32))
    maps8 = attention(state, ffm.format(8), feat8, up(state, ffm.format(16) + '.up', maps16))
    maps4 = attention(state, ffm.format(4), feat4, up(state, ffm.format(8) + '.up', maps8))
    coarse = layer(state, ffm.format(16) + '.smooth', maps16)
    fine = layer(state, ffm.format(4) + '.smooth', maps4)
    coarse = F.interpolate(coarse, fine.shape[-2:], mode='bilinear', align_corners=True)
    return torch.cat((coarse, fine), 1)


def head(state: State, key: str, x: Tensor) -> Tensor:
    return conv(state, f'{key}.conv_out', layer(state, f'{key}.conv', x))


def normalised(state: State, path: int, x: Tensor) -> Tensor:
    weight, bias = (F.interpolate(state[f'layer_norm{path}.ln.{name}'][None, None], x.shape[-2:],
                                  mode='bilinear', align_corners=True)[0, 0]
                    for name in ('weight', 'bias'))
    return F.layer_norm(x, list(x.shape[-2:]), weight, bias)


def published(state: State, frames: list[Tensor]) -> list[Tensor]:
    before: tuple[Tensor, Tensor] | None = None
    outputs = []
    for number, image in enumerate(frames):
        path = number % 2 + 1
        z = features(state, f'pretrained{path}', f'ffm_{{}}_{path}', image)
        total = v = conv(state, f'enc{path}.w_vs.0.conv', z)
        if before is not None:
            q = project(state, f'enc{path}.w_qs', z)
            total = attend(state, f'atn{path}', *before, q) + v
        outputs.append(head(state, f'head{path}', normalised(state, path, total)))
        k = project(state, f'enc{path}.w_ks', z)
        before = F.max_pool2d(k, 1, STRIDE), F.max_pool2d(v, 1, STRIDE)
    return outputs


@pytest.mark.parametrize('model', ['td2-fa18', 'fa18'])
def test_equals_the_published_network(model: str) -> None:
    """In float64, for norms of few pixels blow up what some processors round otherwise."""
    architecture = variant(model)
    state = random_state(model)
    network = build(architecture, 19)
    load_state(network, rename_official(state, architecture.paths), model)
    network = network.double()
    state = {name: value.double() for name, value in state.items()}
    frames = [torch.randn(1, 3, *SIZE, dtype=torch.float64) for _ in range(5)]
    memory: list = []
    with torch.inference_mode():
        expected = published(state, frames) if model == 'td2-fa18' else [
            head(state, 'clslayer_8', features(state, 'resnet', 'ffm_{}', image))
            for image in frames]
        for number, image in enumerate(frames):
            logits, entry = network(image, number % architecture.paths, memory)
            memory = [entry]
            assert (logits - expected[number]).abs().max() < 1e-9 * expected[number].abs().max()
    assert expected[-1].std() > 0.1, 'logits too small to tell networks apart'


def test_native_size_is_that_of_the_authors() -> None:
    assert variant('td2-fa18').native_input_size == (768, 1536)
    with torch.device('meta'):
        network = build(variant('td2-fa18'), 19)
        logits, features = network(torch.empty(1, 3, 768, 1536), 0, [])
    assert logits.shape == (1, 19, 96, 192)
    assert features.key.shape == (1, 64, 32, 64)
