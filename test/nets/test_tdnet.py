"""The network is a pure function that takes any size, any number of paths."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tdnet_ros.nets.variants import VARIANTS, variant
from tdnet_ros.nets.zoo import Network, build


def run(network: Network, frames: list[torch.Tensor]) -> list[torch.Tensor]:
    paths = network.architecture.paths
    memory: list = []
    outputs = []
    with torch.inference_mode():
        for number, image in enumerate(frames):
            logits, features = network(image, number % paths, memory)
            outputs.append(logits)
            memory = [*memory, features][-(paths - 1):] if paths > 1 else []
    return outputs


@pytest.mark.parametrize('name', VARIANTS)
def test_every_variant_runs(name: str) -> None:
    architecture = variant(name)
    with torch.device('meta'):
        network = build(architecture, 11)
        frames = [torch.empty(1, 3, 100, 150)] * (architecture.paths + 1)
    stride = architecture.output_stride
    for logits in run(network, frames):
        assert logits.shape == (1, 11, -(-100 // stride), -(-150 // stride))


@pytest.mark.parametrize('size', [(97, 193), (64, 96), (33, 50), (120, 161)])
def test_any_size(size: tuple[int, int]) -> None:
    outputs = run(build(variant('td2-tiny'), 5), [torch.randn(1, 3, *size)] * 3)
    assert all(torch.isfinite(logits).all() for logits in outputs)


@pytest.mark.parametrize('paths', [2, 3, 5])
def test_any_number_of_paths(paths: int) -> None:
    """The memory counts once it is full, and then every entry of it does."""
    network = build(replace(variant('td4-tiny'), paths=paths), 5)
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        memory = [network(torch.randn(1, 3, 64, 96), 1 + i, [])[1] for i in range(paths - 1)]
        alone = network(image, 0, [])[0]
        assert torch.equal(network(image, 0, memory[1:])[0], alone)
        full = network(image, 0, memory)[0]
        assert not torch.allclose(full, alone)
        for index, entry in enumerate(memory):
            changed = [*memory]
            changed[index] = entry._replace(value=entry.value + torch.randn_like(entry.value))
            assert not torch.allclose(network(image, 0, changed)[0], full), index


def test_forward_is_pure() -> None:
    network = build(variant('td2-tiny'), 5)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    frames = [torch.randn(1, 3, 64, 96) for _ in range(4)]
    assert all(map(torch.equal, run(network, frames), run(network, frames)))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_batch_equals_one_by_one() -> None:
    network = build(variant('td4-tiny'), 5)
    clips = [[torch.randn(1, 3, 64, 96) for _ in range(6)] for _ in range(2)]
    batched = run(network, [torch.cat(pair) for pair in zip(*clips, strict=True)])
    for index, clip in enumerate(clips):
        for logits, together in zip(run(network, clip), batched, strict=True):
            assert torch.allclose(logits, together[index:index + 1], atol=1e-5)


def test_build_is_reproducible_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(5)
    first = build(variant('td2-tiny'), 5)
    drawn = torch.rand(1)
    torch.manual_seed(6)
    second = build(variant('td2-tiny'), 5)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)


def test_build_leaves_the_generators_of_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, 'manual_seed_all', seeds.append)
    build(variant('td2-tiny'), 5)
    assert not seeds


@pytest.mark.parametrize('path', [-1, 2])
def test_no_such_path(path: int) -> None:
    with pytest.raises(ValueError, match=f'path {path}, expected 0 to 1'):
        build(variant('td2-tiny'), 5)(torch.zeros(1, 3, 64, 96), path, [])
