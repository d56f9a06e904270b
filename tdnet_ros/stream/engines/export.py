"""Write a model as ONNX graphs, one per path, for onnxruntime and TensorRT.

Each graph takes a normalised image and the memory and returns logits and what the frame adds to
the memory; all shapes are fixed. manifest.json lists every input and output.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
import hashlib
from inspect import Parameter, signature
import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
import warnings

import torch
from torch import Tensor, nn

from tdnet_ros.nets.architecture import checked_size
from tdnet_ros.nets.card import ModelCard, save_card
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.writing import naming, to_disk
from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.classify import dense_labels
from tdnet_ros.stream.engines.static import (
    StaticStep,
    empty_memory,
    input_names,
    output_names,
    placeholder,
)
from tdnet_ros.stream.engines.torch_engine import build_steps, lower

OPSET = 18
MANIFEST = 'manifest.json'
CARD = 'model.yaml'
Progress = Callable[[str], None]


class LabelledStep(nn.Module):
    """A step that also returns the best class at one size."""

    def __init__(self, step: StaticStep, size: tuple[int, int]) -> None:
        super().__init__()
        self.step = step
        self.size = size

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the step, then labels uint8 [H, W]."""
        outputs = self.step(*inputs)
        return *outputs, dense_labels(outputs[0], self.size)


def export(card: ModelCard, out: Path, input_size: tuple[int, int], precision: str = 'float32',
           label_size: tuple[int, int] | None = None,
           progress: Progress = lambda text: None) -> Path:
    """Write a card's graphs, their manifest and a card for them; return the manifest.

    label_size: (height, width) of an additional output, uint8 `labels`.
    """
    input_size = checked_size(input_size)
    if label_size and min(label_size) < 1:
        raise ValueError(f'labels of {label_size[0]}x{label_size[1]}, expected at least one pixel')
    check_vacant(out)
    network = load_network(card)
    paths = card.architecture.paths
    modules, examples = _modules(network, input_size, getattr(torch, precision), label_size)
    inputs = input_names(paths)
    outputs = output_names(paths) + (['labels'] if label_size else [])
    steps, graphs = [], {}
    for path, module in enumerate(modules):
        progress(f'path {path + 1} of {paths}')
        file = f'path{path}.onnx'
        with torch.no_grad():
            results = module(*examples)
            graphs[file] = _graph(module, examples, inputs, outputs)
        steps.append({'file': file, 'inputs': _described(inputs, examples),
                      'outputs': _described(outputs, results)})
    with filling(out) as part:
        for file, graph in graphs.items():
            graph.save(part / file, external_data=False)
        graphs_card = replace(card, input_size=input_size,
                              weights=part / 'path0.onnx' if card.trained else None)
        save_card(graphs_card, part / CARD)
        write_manifest(part, {
            'model': card.name, 'paths': paths, 'precision': precision,
            'input_size': list(input_size), 'weights_sha256': weights_digest(network),
            'code_sha256': code_digest(), 'opset': OPSET, 'torch': torch.__version__,
            'steps': steps})
    return out / MANIFEST


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write the manifest of the graphs in a folder, by whose digests they are known again."""
    steps = [{**step, 'sha256': file_digest(folder / step['file'])} for step in content['steps']]
    (folder / MANIFEST).write_text(json.dumps({**content, 'steps': steps}, indent=2) + '\n')


def file_digest(file: Path) -> str:
    """Hash a file, of any size."""
    digest = hashlib.sha256()
    with file.open('rb') as content:
        while part := content.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def check_vacant(out: Path) -> None:
    """Raise ValueError if an export would replace the card of other weights."""
    if (out / CARD).exists() and not (out / MANIFEST).exists():
        raise ValueError(f'{out / CARD} exists already, and is not the card of an export')


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A folder inside of another, whose files move up into that once all of them are there."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix='.part-', dir=folder) as part:
            yield Path(part)
            # The manifest comes last: where it is, so is what it lists.
            files = sorted(Path(part).iterdir(), key=lambda file: file.name == MANIFEST)
            for file in files:  # all before any moves: some disks are full only now
                to_disk(file)
            for file in files:
                file.replace(folder / file.name)


def code_digest() -> str:
    """Hash the code that graphs are made of: other code may make others of the same weights."""
    digest = hashlib.sha256(torch.__version__.encode())
    package = Path(__file__).parents[2]
    for file in sorted([*package.glob('nets/*.py'), *package.glob('stream/engines/*.py')]):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def weights_digest(network: Network) -> str:
    """Hash all weights, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _modules(network: Network, size: tuple[int, int], dtype: torch.dtype,
             label_size: tuple[int, int] | None) -> tuple[list[nn.Module], list[Tensor]]:
    """Build one module per path, and inputs for any of them."""
    paths = network.architecture.paths
    steps = build_steps(network)
    lower(steps, dtype)
    image = torch.randn(1, 3, *size)
    examples = [image]
    if paths > 1:
        with torch.no_grad():
            features = steps[0](image.to(dtype), ())[1]
        # Tensors of their own: the exporter would merge inputs that are the same object.
        blank = placeholder(features, paths)
        examples += [torch.ones(1, dtype=dtype), *empty_memory(blank, paths)]
    static = [StaticStep(step, paths, dtype) for step in steps]
    return [(LabelledStep(step, label_size) if label_size else step).eval()
            for step in static], examples


def _graph(module: nn.Module, examples: Sequence[Tensor], inputs: Sequence[str],
           outputs: Sequence[str]) -> torch.onnx.ONNXProgram:
    try:
        import onnxscript  # noqa: F401  the exporter needs it and says so at length
    except ImportError as error:
        raise ValueError(f'the Python package onnxscript is missing or does not load ({error}): '
                         "pip install onnx onnxscript, with 'numpy<2' from Humble to Kilted"
                         ) from error
    if signature(torch.onnx.export).parameters['f'].default is Parameter.empty:
        raise ValueError(f'PyTorch {torch.__version__} cannot export: expected 2.5 or newer')
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        graph = torch.onnx.export(
            module, tuple(examples), input_names=list(inputs), output_names=list(outputs),
            opset_version=OPSET, dynamo=True, verbose=False)
    assert graph is not None
    return graph


def _described(names: Sequence[str], tensors: Sequence[Tensor]) -> dict[str, Any]:
    return {name: {'shape': list(tensor.shape), 'dtype': str(tensor.dtype).partition('.')[2]}
            for name, tensor in zip(names, tensors, strict=True)}
