"""A network whose batch norms do something, and the frames to run it on."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stream.engines.onnx_material import SIZE, narrow
from tdnet_ros.nets.architecture import Architecture
from tdnet_ros.nets.zoo import Network, build
from tdnet_ros.stream.engines.export import export

Run = Callable[[Any, list[Tensor], int], list[Tensor]]


@pytest.fixture
def make_network() -> Callable[[Architecture], Network]:
    def make(architecture: Architecture) -> Network:
        network = build(architecture, 7)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.2, 0.2)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.2, 0.2)
        return network
    return make


@pytest.fixture
def run() -> Run:
    """Feed frames to an engine as the segmenter does; return the logits of each."""
    def feed(engine: Any, frames: list[Tensor], paths: int) -> list[Tensor]:
        memory: list[Any] = []
        outputs = []
        with torch.inference_mode():
            for number, image in enumerate(frames):
                logits, features = engine.run(image, number % paths, memory)
                outputs.append(logits)
                memory = [*memory, features][-(paths - 1):] if paths > 1 else []
        return outputs
    return feed


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs of a per-frame network, to be copied."""
    return export(narrow('bise18-half'), tmp_path_factory.mktemp('exported'), SIZE).parent
