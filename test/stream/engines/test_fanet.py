"""The engine's fast attention gives the numbers of the network as written."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.card import untrained_card
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.variants import variant
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream import Frame, VideoSegmenter
from tdnet_ros.stream.engines.contexts import fused_context
from tdnet_ros.stream.engines.engine import ReferenceEngine
from tdnet_ros.stream.engines.export import export
from tdnet_ros.stream.engines.onnx_engine import OnnxEngine
from tdnet_ros.stream.engines.torch_engine import TorchEngine, build_steps, lower

Make = Callable[[Architecture], Network]
Run = Callable[..., list[Tensor]]
CPU = torch.device('cpu')


@pytest.mark.parametrize('model', ['td2-fa18', 'fa18'])
def test_labels_equal_the_reference(model: str, make_frame: Callable[..., Frame]) -> None:
    results = []
    for engine in ('torch', 'reference'):
        segmenter = VideoSegmenter.load(model, 'cpu', (96, 128), engine=engine)
        memory = segmenter.new_memory()
        results.append([segmenter.step(make_frame(i), memory).labels for i in range(4)])
    ours, reference = map(np.stack, results)
    assert (ours == reference).mean() >= 0.9999


@pytest.mark.parametrize('size', [(97, 193), (64, 96), (33, 50)])
@pytest.mark.parametrize('batch', [1, 2])
def test_any_size(size: tuple[int, int], batch: int, make_network: Make, run: Run) -> None:
    network = make_network(replace(variant('td2-fa18'), width=0.25))
    frames = [torch.randn(batch, 3, *size) for _ in range(4)]
    for ours, reference in zip(run(TorchEngine(network, CPU), frames, 2),
                               run(ReferenceEngine(network), frames, 2), strict=True):
        assert (ours - reference).abs().max() < 1e-4 * reference.abs().max()


def test_half_precision_holds_sums_over_all_positions(make_network: Make, run: Run) -> None:
    network = make_network(replace(variant('fa18'), width=0.25))
    for name, parameter in network.named_parameters():
        if name.endswith(('.value.1.bias', '.key.1.bias')):
            nn.init.constant_(parameter, 300)
    frames = [torch.randn(1, 3, 256, 320)]
    network.train()
    for _ in range(20):  # batch norms get the statistics that they would have learnt
        network(frames[0])
    exact, = run(TorchEngine(network.eval(), CPU), frames, 1)
    steps = build_steps(network)
    lower(steps, torch.float16)
    with torch.inference_mode():
        logits, _ = steps[0](frames[0].half(), [])
    assert (logits.argmax(1) == exact.argmax(1)).float().mean() > 0.9


def test_exported_graphs_equal_the_network(run: Run, tmp_path: Path) -> None:
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    card = untrained_card('fa18')
    card = replace(card, architecture=replace(card.architecture, width=0.125))
    manifest = export(card, tmp_path, (49, 65))
    frames = [torch.randn(1, 3, 49, 65) for _ in range(2)]
    expected = run(ReferenceEngine(load_network(card)), frames, 1)
    for ours, reference in zip(run(OnnxEngine(manifest, CPU), frames, 1), expected, strict=True):
        assert torch.allclose(ours, reference, atol=1e-5 * float(reference.abs().max()) + 1e-6)


def test_a_context_without_an_engine_is_named() -> None:
    with pytest.raises(TypeError, match='no engine for the context Linear'):
        fused_context(nn.Linear(1, 1))
