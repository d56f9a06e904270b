"""The loop over paths against a literal transcription of the published networks.

The transcription works on the authors' own key names with plain functions, so the renaming
of their checkpoints is checked by the same numbers.
"""
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
import torch.nn.functional as F

from nets.official import State, random_state
from tdnet_ros.nets.checkpoint import load_state, rename_official
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import build

SIZE = (65, 97)
Queue = list[tuple[Tensor, Tensor, Tensor]]


def conv(state: State, key: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    weight = state[f'{key}.weight']
    return F.conv2d(x, weight, state.get(f'{key}.bias'), stride,
                    dilation * (weight.shape[-1] // 2), dilation)


def norm(state: State, key: str, x: Tensor) -> Tensor:
    return F.batch_norm(x, state[f'{key}.running_mean'], state[f'{key}.running_var'],
                        state[f'{key}.weight'], state[f'{key}.bias'])


def block(state: State, key: str, x: Tensor, stride: int, dilation: int, second: int) -> Tensor:
    residual = x
    if f'{key}.downsample.0.weight' in state:
        residual = norm(state, f'{key}.downsample.1',
                        conv(state, f'{key}.downsample.0', x, stride))
    if f'{key}.conv3.weight' in state:
        x = norm(state, f'{key}.bn1', conv(state, f'{key}.conv1', x)).relu()
        x = norm(state, f'{key}.bn2', conv(state, f'{key}.conv2', x, stride, dilation)).relu()
        x = norm(state, f'{key}.bn3', conv(state, f'{key}.conv3', x))
    else:
        x = norm(state, f'{key}.bn1', conv(state, f'{key}.conv1', x, stride, dilation)).relu()
        x = norm(state, f'{key}.bn2', conv(state, f'{key}.conv2', x, 1, second))
    return (x + residual).relu()


def backbone(state: State, key: str, x: Tensor, depth: int) -> Tensor:
    if depth == 18:
        x = conv(state, f'{key}.conv1', x, 2)
    else:
        x = norm(state, f'{key}.conv1.1', conv(state, f'{key}.conv1.0', x, 2)).relu()
        x = norm(state, f'{key}.conv1.4', conv(state, f'{key}.conv1.3', x)).relu()
        x = conv(state, f'{key}.conv1.6', x)
    x = F.max_pool2d(norm(state, f'{key}.bn1', x).relu(), 3, 2, 1)
    for number, (stride, second, dilations) in enumerate((
            (1, 1, (1,) * 6), (2, 1, (1,) * 6), (1, 2, (1, *(2,) * 22)), (1, 4, (4, 8, 16)))):
        index = 0
        while f'{key}.layer{number + 1}.{index}.conv1.weight' in state:
            x = block(state, f'{key}.layer{number + 1}.{index}', x,
                      stride if index == 0 else 1, dilations[index], second)
            index += 1
    return x


def pyramid(state: State, key: str, x: Tensor, half: int) -> Tensor:
    channels, size = x.shape[1], x.shape[-2:]
    maps = [x[:, half * channels // 2:(half + 1) * channels // 2]]
    for number, bins in enumerate((1, 2, 3, 6)):
        pooled = F.adaptive_avg_pool2d(x, bins)
        pooled = norm(state, f'{key}.conv{number + 1}.1',
                      conv(state, f'{key}.conv{number + 1}.0', pooled)).relu()
        wide = F.interpolate(pooled, size, mode='bilinear', align_corners=True)
        maps.append(wide[:, half * channels // 8:(half + 1) * channels // 8])
    return torch.cat(maps, 1)


def project(state: State, key: str, x: Tensor) -> Tensor:
    x = F.leaky_relu(norm(state, f'{key}.0.bn', conv(state, f'{key}.0.conv', x)), 0.01)
    return conv(state, f'{key}.1.conv', x)


def attend(state: State, key: str, k: Tensor, v: Tensor, q: Tensor) -> Tensor:
    tokens_q, tokens_k, tokens_v = (t.flatten(2).transpose(1, 2) for t in (q, k, v))
    affinity = torch.softmax(tokens_q @ tokens_k.transpose(1, 2) / 64**0.5, 2)
    out = (affinity @ tokens_v).transpose(1, 2).reshape(1, -1, *q.shape[-2:])
    return conv(state, f'{key}.fc.0.conv', out)


def td4_hops(state: State, path: int, queue: Queue, q: Tensor) -> Tensor:
    names = {1: ('atn1_2', 'atn1_3', 'atn1_4'), 2: ('atn2_3', 'atn2_4', 'atn2_1'),
             3: ('atn3_4', 'atn3_1', 'atn3_2'), 4: ('atn4_1', 'atn4_2', 'atn4_3')}[path]
    (_, k0, v0), (q1, k1, v1), (q2, k2, v2) = queue
    carried = attend(state, names[0], k0, v0, q1)
    carried = attend(state, names[1], k1, carried + v1, q2)
    return attend(state, names[2], k2, carried + v2, q)


def td2_hops(state: State, path: int, queue: Queue, q: Tensor) -> Tensor:
    (_, k0, v0), = queue
    return attend(state, f'atn{path}', k0, v0, q)


def published(state: State, frames: list[Tensor], paths: int, depth: int,
              hops: Callable[[State, int, Queue, Tensor], Tensor]) -> list[Tensor]:
    queue: Queue = []
    outputs = []
    for number, image in enumerate(frames):
        path = number % paths + 1
        z = pyramid(state, f'psp{path}', backbone(state, f'pretrained{path}', image, depth),
                    (path - 1) % 2)
        q = project(state, f'enc{path}.w_qs', z)
        v = conv(state, f'enc{path}.w_vs.0.conv', z)
        total = v if len(queue) < paths - 1 else hops(state, path, queue, q) + v
        size = list(total.shape[-2:])
        weight, bias = (F.interpolate(state[f'layer_norm{path}.ln.{name}'][None, None], size,
                                      mode='bilinear', align_corners=True)[0, 0]
                        for name in ('weight', 'bias'))
        x = F.layer_norm(total, size, weight, bias)
        x = norm(state, f'head{path}.conv5.1', conv(state, f'head{path}.conv5.0', x)).relu()
        outputs.append(conv(state, f'head{path}.conv5.4', x))
        small = F.max_pool2d(z, 1, 4)
        queue.append((project(state, f'enc{path}.w_qs', small),
                      project(state, f'enc{path}.w_ks', small),
                      conv(state, f'enc{path}.w_vs.0.conv', small)))
        del queue[:-(paths - 1)]
    return outputs


@pytest.mark.parametrize(('model', 'depth', 'hops'), [
    ('td4-psp18', 18, td4_hops), ('td2-psp50', 50, td2_hops)])
def test_loop_equals_the_published_networks(
        model: str, depth: int, hops: Callable[[State, int, Queue, Tensor], Tensor]) -> None:
    architecture = variant(model)
    state = random_state(model)
    network = build(architecture, 19)
    load_state(network, rename_official(state, architecture.paths), model)
    frames = [torch.randn(1, 3, *SIZE) for _ in range(2 * architecture.paths)]
    with torch.inference_mode():
        expected = published(state, frames, architecture.paths, depth, hops)
        memory: list = []
        for number, image in enumerate(frames):
            logits, features = network(image, number % architecture.paths, memory)
            memory = [*memory, features][-(architecture.paths - 1):]
            assert (logits - expected[number]).abs().max() < 1e-4
    assert expected[-1].std() > 0.1, 'logits too small to tell networks apart'
