"""The default engine gives the numbers of the network as written."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import itertools
import resource
import sys

import pytest
import torch
from torch import Tensor

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.variants import VARIANTS, variant
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.engines import cpu, onednn
from tdnet_ros.stream.engines.engine import ReferenceEngine
from tdnet_ros.stream.engines.step import WholeNorm
from tdnet_ros.stream.engines.torch_engine import TorchEngine, build_steps

Make = Callable[[Architecture], Network]
Run = Callable[..., list[Tensor]]
CPU = torch.device('cpu')


def check(network: Network, run: Run, size: tuple[int, int], batch: int = 1) -> None:
    paths = network.architecture.paths
    frames = [torch.randn(batch, 3, *size) for _ in range(2 * paths)]
    expected = run(ReferenceEngine(network), frames, paths)
    for ours, reference in zip(run(TorchEngine(network, CPU), frames, paths), expected,
                               strict=True):
        assert ours.shape == reference.shape
        assert ours.dtype == torch.float32
        assert (ours - reference).abs().max() < 1e-4 * reference.abs().max()


@pytest.mark.parametrize('name', VARIANTS)
def test_every_variant(name: str, make_network: Make, run: Run) -> None:
    narrow = replace(variant(name), width=0.125, key_channels=8)
    check(make_network(narrow), run, (65, 97))


@pytest.mark.parametrize('size', [(97, 193), (64, 96), (33, 50), (120, 161)])
def test_any_size(size: tuple[int, int], make_network: Make, run: Run) -> None:
    check(make_network(variant('td4-tiny')), run, size)


@pytest.mark.parametrize('paths', [2, 3, 5])
def test_any_number_of_paths(paths: int, make_network: Make, run: Run) -> None:
    check(make_network(replace(variant('td4-tiny'), paths=paths)), run, (65, 97))


@pytest.mark.parametrize('name', ['td4-tiny', 'psp18', 'td2-bise18-half'])
def test_batch(name: str, make_network: Make, run: Run) -> None:
    check(make_network(replace(variant(name), width=0.125)), run, (65, 97), batch=2)


@pytest.mark.parametrize('name', ['td4-tiny', 'td2-psp50', 'psp18'])
def test_with_winograd_wherever_it_can(name: str, make_network: Make, run: Run,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, 'WINOGRAD_CHANNELS', 1)
    monkeypatch.setattr(cpu, 'WINOGRAD_PIXELS', 1)
    network = make_network(replace(variant(name), width=0.125))
    check(network, run, (161, 225))
    check(network, run, (97, 100), batch=2)


def refuse(*tensors: Tensor) -> Tensor:
    raise RuntimeError('could not create a primitive descriptor')


def test_without_onednn(make_network: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, 'product', refuse)
    with pytest.warns(UserWarning, match='oneDNN does not run float32'):
        check(make_network(variant('td4-tiny')), run, (65, 97))


def test_size_may_change(make_network: Make, run: Run) -> None:
    """Weights packed for one size serve another."""
    network = make_network(variant('td2-tiny'))
    engine = TorchEngine(network, CPU)
    for size in ((97, 193), (64, 96), (97, 193)):
        frames = [torch.randn(1, 3, *size) for _ in range(3)]
        for ours, reference in zip(run(engine, frames, 2),
                                   run(ReferenceEngine(network), frames, 2), strict=True):
            assert torch.allclose(ours, reference, atol=1e-4)


@pytest.mark.parametrize('name', [name for name in VARIANTS if variant(name).paths > 1])
def test_features_fit_another_size(name: str, make_network: Make) -> None:
    """What a memory holds is carried over; affinities stay averages."""
    network = make_network(replace(variant(name), width=0.125, key_channels=8))
    paths = network.architecture.paths
    for engine in (TorchEngine(network, CPU), ReferenceEngine(network)):
        old, new = (97, 161), (72, 120)
        memory: list = []
        with torch.inference_mode():
            for path in range(paths - 1):
                memory.append(engine.run(torch.randn(1, 3, *old), path, memory)[1])
            memory = [engine.resample(entry, old, new) for entry in memory]
            logits, entry = engine.run(torch.randn(1, 3, *new), paths - 1, memory)
        assert logits.isfinite().all()
        for part, same in zip(memory[-1], entry, strict=True):
            assert part is None or same is None or part.shape == same.shape
        affinity = getattr(memory[-1], 'affinity', None)
        if affinity is not None:
            assert torch.allclose(affinity.sum(-1), torch.ones(affinity.shape[:2]), atol=1e-5)


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_network_stays_as_it_was(precision: str, make_network: Make) -> None:
    network = make_network(variant('td2-bise18-half'))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    engine = TorchEngine(network, CPU, precision)
    with torch.inference_mode():
        engine.run(torch.randn(1, 3, 64, 96), 0, [])
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_a_cpu_without_kernels_for_bfloat16_takes_others(
        make_network: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """OneDNN's want AVX512."""
    class Wanting(onednn.PackedConv):
        def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
            if x.dtype == torch.bfloat16:
                raise RuntimeError('bf16 path needs the cpu support')
            return super().forward(x, added)

    monkeypatch.setattr(onednn, 'PackedConv', Wanting)
    network = make_network(variant('td2-tiny'))
    frames = [torch.randn(1, 3, 65, 97) for _ in range(3)]
    with pytest.warns(UserWarning, match='oneDNN does not run bfloat16'):
        engine = TorchEngine(network, CPU, 'bfloat16')
    for ours, reference in zip(run(engine, frames, 2), run(TorchEngine(network, CPU), frames, 2),
                               strict=True):
        assert (ours.argmax(1) == reference.argmax(1)).float().mean() > 0.95


def test_bfloat16_labels_agree(make_network: Make, run: Run) -> None:
    network = make_network(variant('td2-bise18-half'))
    frames = [torch.randn(1, 3, 96, 128) for _ in range(4)]
    for ours, reference in zip(run(TorchEngine(network, CPU, 'bfloat16'), frames, 2),
                               run(TorchEngine(network, CPU), frames, 2), strict=True):
        assert ours.dtype == torch.float32
        assert (ours.argmax(1) == reference.argmax(1)).float().mean() > 0.95


@pytest.mark.parametrize('name', ['td4-tiny', 'td2-bise18-half', 'psp18'])
def test_step_is_one_static_graph(name: str, make_network: Make) -> None:
    """torch.export refuses a step that reads a tensor's value or branches on it."""
    network = make_network(replace(variant(name), width=0.125))
    steps = build_steps(network)
    image = torch.randn(1, 3, 65, 97)
    with torch.no_grad():
        memory: list = []
        for step in steps[1:]:
            memory.append(step(image, memory)[1])
        expected, _ = steps[0](image, memory)
        program = torch.export.export(steps[0], (image, memory))
        logits, _ = program.module()(image, memory)
    assert torch.allclose(logits, expected, atol=1e-6)


def test_memory_does_not_grow(make_network: Make, run: Run) -> None:
    """Over 1000 frames nothing grows, and what a frame needs is not mapped anew."""
    engine = TorchEngine(make_network(variant('td4-tiny')), CPU)
    frames = [torch.randn(1, 3, 65, 97)] * 40
    run(engine, frames, 4)
    usage = [resource.getrusage(resource.RUSAGE_SELF)]
    for _ in range(2):  # a busy machine may take pages away meanwhile, but not each time
        for _ in range(25):
            run(engine, frames, 4)
        usage.append(resource.getrusage(resource.RUSAGE_SELF))
    rounds = list(itertools.pairwise(usage))
    assert min(after.ru_maxrss - before.ru_maxrss for before, after in rounds) < 2048, 'kB'
    if sys.platform == 'linux':
        assert min(after.ru_minflt - before.ru_minflt for before, after in rounds) < 1000, (
            'pages: less than one a frame')


def test_the_norm_of_a_gpu_is_that_of_the_cpu() -> None:
    norm = torch.nn.GroupNorm(1, 6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = 3 * torch.randn(2, 6, 9, 7).contiguous(memory_format=torch.channels_last) + 1
    ours = WholeNorm(norm).by_moments(x)
    assert torch.allclose(ours, norm(x), atol=1e-5)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert WholeNorm(norm).by_moments(x.half()).dtype == torch.float16
