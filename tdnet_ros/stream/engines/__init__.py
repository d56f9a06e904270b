"""Engines: how a network is computed under the segmenter."""
from __future__ import annotations

import torch

from tdnet_ros.nets.card import ModelCard
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.engines import check_engine
from tdnet_ros.stream.engines.engine import Engine, ReferenceEngine
from tdnet_ros.stream.engines.graphs import GraphEngine
from tdnet_ros.stream.engines.torch_engine import TorchEngine


def load_engine(name: str, card: ModelCard, device: torch.device, input_size: tuple[int, int],
                precision: str = 'float32') -> Engine:
    """Load a card's network into an engine; ValueError says what does not go together."""
    check_engine(name, precision)
    if name in ('torch', 'eager') and precision == 'float16' and device.type == 'cpu':
        raise ValueError('precision float16 needs a CUDA device; on the CPU use bfloat16')
    if precision == 'int8' and device.type != 'cpu':
        raise ValueError(f'precision int8 is for the CPU; on {device.type} use float16')
    if name in ('onnxruntime', 'tensorrt'):
        from tdnet_ros.stream.engines.exported import find_graphs
        from tdnet_ros.stream.engines.onnx_engine import OnnxEngine, find_provider
        find_provider(device, name == 'tensorrt')  # before graphs are exported for it
        manifest = find_graphs(card, input_size, precision)
        return OnnxEngine(manifest, device, tensorrt=name == 'tensorrt')
    network = load_network(card)
    if name == 'reference':
        return ReferenceEngine(network.to(device))
    if name == 'torch' and device.type == 'cuda':
        return GraphEngine(network, device, precision)
    return TorchEngine(network, device, precision)


__all__ = ['Engine', 'load_engine']
