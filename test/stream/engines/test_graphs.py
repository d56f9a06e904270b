"""Steps that a CUDA graph can record: what the CPU can prove, and what needs a GPU."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.variants import VARIANTS, variant
from tdnet_ros.nets.zoo import Network, build
from tdnet_ros.stream.classify import with_confidence
from tdnet_ros.stream.engines.graphs import GraphEngine, repeat
from tdnet_ros.stream.engines.step import StepFeatures
from tdnet_ros.stream.engines.torch_engine import TorchEngine
from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Lanes

Make = Callable[[Architecture], Network]
Run = Callable[..., list[Tensor]]
CPU, META, CUDA = (torch.device(name) for name in ('cpu', 'meta', 'cuda'))
SIZE = (65, 97)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
SYNCHRONISING = ('aten._local_scalar_dense', 'aten.nonzero', 'aten.masked_select', 'aten.equal')


class Recording(TorchDispatchMode):
    """Refuses what cannot be recorded: tensors of two devices, sizes that depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        name = str(function).rpartition('.')[0]
        assert name not in SYNCHRONISING, f'{name} waits for the device'
        result = function(*args, **(kwargs or {}))
        tensors = [item for item in tree_flatten((args, kwargs, result))[0]
                   if isinstance(item, Tensor)]
        assert {tensor.device.type for tensor in tensors} <= {'meta'}, (
            f'{name} reads or writes the host')
        self.operators.append(name)
        return result


def narrow(name: str) -> Architecture:
    return replace(variant(name), width=0.125, key_channels=8)


@pytest.mark.parametrize('precision', ['float16', 'bfloat16'])
@pytest.mark.parametrize('name', ['td4-tiny', 'td2-bise18-half', 'td2-fa18', 'psp18'])
def test_a_frame_never_touches_the_host(name: str, precision: str) -> None:
    """On the meta device shapes, types and operators are those of a GPU, values there are none.

    From pixels to labels and confidence everything stays there; the second frame of a path may
    not even look up anything, for its graph has been recorded.
    """
    engine = TorchEngine(build(narrow(name), 7), META, precision)
    with torch.no_grad():  # in inference mode operators would come in larger pieces
        paths = len(engine.steps)
        preprocessor = Preprocessor(SIZE, (0.5,) * 3, (0.2,) * 3, Lanes(META))
        pixels = torch.empty(1, 3, 120, 160, dtype=torch.uint8, device=META)
        memory: list[StepFeatures | None] = []
        for number in range(3 * paths):
            recording = Recording()
            with recording if number >= 2 * paths else nullcontext():
                image = preprocessor.normalise(pixels)
                logits, features = engine.run(image, number % paths, memory if paths > 1 else [])
                labels, confidence = with_confidence(logits, (120, 160))
            memory = [*memory, features][-(paths - 1):]
            assert logits.dtype == torch.float32
            assert labels.dtype == confidence.dtype == torch.uint8
            assert labels.shape == confidence.shape == (120, 160)
    assert 'aten.convolution' in recording.operators


@pytest.mark.parametrize('work', [
    lambda x: float(x[0]), lambda x: x.nonzero(), lambda x: x + torch.ones(3),
    lambda x: x * torch.eye(3).to(META)], ids=['value', 'count', 'host', 'upload'])
def test_what_touches_the_host_is_noticed(work: Callable[[Tensor], object]) -> None:
    x = torch.empty(3, device=META)
    with Recording(), pytest.raises((AssertionError, RuntimeError)):
        work(x)


@pytest.mark.parametrize('name', VARIANTS)
def test_fixed_tensors_give_the_same(name: str, make_network: Make, run: Run) -> None:
    network = make_network(narrow(name))
    paths = network.architecture.paths
    frames = [torch.randn(1, 3, *SIZE) for _ in range(2 * paths + 1)]
    for ours, eager in zip(run(GraphEngine(network, CPU, record=repeat), frames, paths),
                           run(TorchEngine(network, CPU), frames, paths), strict=True):
        assert torch.allclose(ours, eager, atol=1e-5)


def test_every_path_is_recorded_once_for_a_shape(make_network: Make, run: Run) -> None:
    recorded: list[tuple[int, ...]] = []

    def counting(step: Any, inputs: Sequence[Tensor]) -> Any:
        recorded.append(tuple(inputs[0].shape))
        return repeat(step, inputs)

    engine = GraphEngine(make_network(narrow('td4-tiny')), CPU, record=counting)
    run(engine, [torch.randn(1, 3, *SIZE) for _ in range(9)], 4)
    assert recorded == [(1, 3, *SIZE)] * 4
    run(engine, [torch.randn(2, 3, *SIZE) for _ in range(9)], 4)
    assert recorded[4:] == [(2, 3, *SIZE)] * 4
    engine.forget()
    run(engine, [torch.randn(2, 3, *SIZE) for _ in range(9)], 4)
    assert recorded[8:] == [(2, 3, *SIZE)] * 4


def test_cameras_do_not_share_their_memories(make_network: Make, run: Run) -> None:
    """Two cameras in turns on one engine give what each gives alone."""
    network = make_network(narrow('td4-tiny'))
    clips = [[torch.randn(1, 3, *SIZE) for _ in range(6)] for _ in range(2)]
    alone = [run(TorchEngine(network, CPU), clip, 4) for clip in clips]
    engine = GraphEngine(network, CPU, record=repeat)
    memories: list[list[Any]] = [[], []]
    for number in range(6):
        for camera in (0, 1):
            logits, features = engine.run(clips[camera][number], number % 4, memories[camera])
            memories[camera] = [*memories[camera], features][-3:]
            assert torch.allclose(logits, alone[camera][number], atol=1e-5)


@pytest.fixture
def full_precision() -> Iterator[None]:
    """Products in float32, not TF32, for the test."""
    backends: list[Any] = [torch.backends.cuda.matmul, torch.backends.cudnn]
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, allowed in zip(backends, before, strict=True):
        backend.allow_tf32 = allowed


def assert_close(ours: Tensor, expected: Tensor) -> None:
    """Compare by the largest logit: an untrained psp101 has some of 1e5."""
    assert (ours - expected).abs().max() < 1e-3 * expected.abs().max()


@needs_gpu
@pytest.mark.usefixtures('full_precision')
@pytest.mark.parametrize('name', VARIANTS)
def test_graphs_on_a_gpu(name: str, make_network: Make, run: Run) -> None:
    network = make_network(narrow(name)).to(CUDA)
    paths = network.architecture.paths
    frames = [torch.randn(1, 3, *SIZE, device=CUDA) for _ in range(2 * paths + 1)]
    for ours, eager in zip(run(GraphEngine(network, CUDA), frames, paths),
                           run(TorchEngine(network, CUDA), frames, paths), strict=True):
        assert_close(ours, eager)


@needs_gpu
def test_half_precision_labels_agree_on_a_gpu(make_network: Make, run: Run) -> None:
    network = make_network(variant('td2-bise18-half')).to(CUDA)
    frames = [torch.randn(1, 3, 192, 256, device=CUDA) for _ in range(5)]
    for ours, full in zip(run(GraphEngine(network, CUDA, 'float16'), frames, 2),
                          run(GraphEngine(network, CUDA), frames, 2), strict=True):
        assert (ours.argmax(1) == full.argmax(1)).float().mean() > 0.95


@needs_gpu
def test_device_memory_is_constant(make_network: Make, run: Run) -> None:
    engine = GraphEngine(make_network(narrow('td4-tiny')).to(CUDA), CUDA, 'float16')
    frames = [torch.randn(1, 3, *SIZE, device=CUDA)] * 50
    run(engine, frames, 4)
    before = torch.cuda.memory_reserved()
    for _ in range(20):
        run(engine, frames, 4)
    assert torch.cuda.memory_reserved() == before


@needs_gpu
@pytest.mark.usefixtures('full_precision')
def test_forgotten_graphs_give_their_memory_back(make_network: Make, run: Run) -> None:
    engine = GraphEngine(make_network(narrow('td4-tiny')).to(CUDA), CUDA)
    frames = [torch.randn(1, 3, *SIZE, device=CUDA)] * 9
    run(engine, frames, 4)  # workspaces of libraries stay
    engine.forget()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    first = run(engine, frames, 4)[-1].clone()
    held = torch.cuda.memory_reserved()
    engine.forget()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() - before < (held - before) / 2
    assert_close(run(engine, frames, 4)[-1], first)
