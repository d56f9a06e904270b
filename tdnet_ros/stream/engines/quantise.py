"""Write a model as ONNX graphs whose convolutions compute in 8-bit integers, for CPUs.

The float32 graphs are run over images, in turn as a video. The least and greatest value of what
enters and leaves each convolution is what its 256 steps then cover; weights have a range for
each channel. All between the convolutions, and the memory, stays float32.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
import json
import logging
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from tdnet_ros.nets.card import ModelCard
from tdnet_ros.nets.images import read_pixels
from tdnet_ros.stream.engines.export import (
    CARD,
    MANIFEST,
    Progress,
    check_vacant,
    export,
    filling,
    write_manifest,
)
from tdnet_ros.stream.engines.onnx_engine import OnnxEngine, find_provider
from tdnet_ros.stream.engines.static import input_names
from tdnet_ros.stream.preprocess import Preprocessor
from tdnet_ros.stream.transfer import Lanes

MOST_IMAGES = 64
'''Of more, as many are picked evenly.'''
CPU = torch.device('cpu')


def export_quantised(card: ModelCard, out: Path, input_size: tuple[int, int],
                     images: Sequence[Path], label_size: tuple[int, int] | None = None,
                     progress: Progress = lambda text: None) -> Path:
    """Write a card's graphs in 8-bit integers; return the manifest. Else as `export`.

    images: image files as the camera takes them, in their order. ValueError if one cannot be
    read, if there are fewer than paths, or if the card has no weights.
    """
    check_vacant(out)
    find_provider(CPU, tensorrt=False)
    paths = card.architecture.paths
    if not card.trained:
        raise ValueError(f'model {card.name} has no weights: expected a trained one for int8')
    if len(images) < paths:
        raise ValueError(f'{len(images)} images, expected at least one for each of {paths} paths '
                         f'and better {MOST_IMAGES}')
    picked = np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).astype(int)
    images = [images[number] for number in picked]
    for image in images:
        read_pixels(image)  # what cannot be read is told before the work
    card = replace(card, metrics={}, source=f'{card.source}; in 8-bit integers'.lstrip('; '))
    # What is begun in `out` would stay there if a signal came while the exporter is imported.
    with TemporaryDirectory() as folder:
        floats = export(card, Path(folder), input_size, 'float32', label_size, progress)
        engine = OnnxEngine(floats, CPU)
        lanes = Lanes(CPU)
        normalise = Preprocessor(engine.input_size, card.mean, card.std, lanes).normalise
        for path, step in enumerate(engine.steps):
            progress(f'path {path + 1} of {paths} in int8, by {len(images)} images')
            video = (normalise(lanes.upload(np.asarray(read_pixels(image)[..., ::-1], np.uint8)))
                     for image in images)
            _quantise(floats.parent / step['file'], _inputs(engine, path, video))
        with filling(out) as part:
            for file in (CARD, *(step['file'] for step in engine.steps)):
                shutil.copy(floats.parent / file, part)
            write_manifest(part, {**json.loads(floats.read_text()), 'precision': 'int8'})
    return out / MANIFEST


def _inputs(engine: OnnxEngine, path: int,
            video: Iterator[Tensor]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield what a path takes when it is its turn in a video."""
    memory: list[Any] = []
    for number, image in enumerate(video):
        turn = number % engine.paths
        if turn == path:
            yield {name: tensor.numpy() for name, tensor in zip(
                input_names(engine.paths), engine.inputs(image, path, memory), strict=True)}
        memory = [*memory, engine.run(image, turn, memory)[1]][-engine.paths + 1:]


def _quantise(graph: Path, inputs: Iterator[dict[str, NDArray[Any]]]) -> None:
    """Replace a graph, which an engine has read already, by one in 8-bit integers."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(inputs, None)

    prepared = graph.with_suffix('.prepared.onnx')
    logging.disable(logging.WARNING)  # of the root logger, about what it asks of others
    try:
        quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)
        # With 7 bits for weights no sum of two products leaves 16 bits, in which processors
        # without VNNI add them.
        quantize_static(str(prepared), str(graph), Reader(), per_channel=True, reduce_range=True,
                        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
                        op_types_to_quantize=['Conv'])
    finally:
        logging.disable(logging.NOTSET)
