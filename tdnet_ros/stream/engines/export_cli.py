"""Write a model as ONNX graphs, one per path: tdnet_export."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
import time

import torch

from tdnet_ros.nets.card import ModelCard, find_model
from tdnet_ros.nets.engines import ENGINES, check_engine
from tdnet_ros.nets.images import find_images
from tdnet_ros.nets.writing import check_folder
from tdnet_ros.stream.engines.allocator import is_out_of_memory, shortage
from tdnet_ros.stream.engines.export import CARD, MANIFEST, export
from tdnet_ros.stream.engines.onnx_engine import OnnxEngine, find_provider
from tdnet_ros.stream.engines.quantise import MOST_IMAGES, export_quantised

EXAMPLES = '''examples:
  tdnet_export td4-psp18 --out exported
  tdnet_export best.yaml --out exported --input-size 360 640 --precision float16
  tdnet_export best.yaml --out exported --precision int8 --images drive/     for CPUs
  tdnet_export best.yaml --out exported --labels 720 1280
  tdnet_export best.yaml --out exported --precision float16 --tensorrt     on the robot itself

Each graph takes a normalised image and the memory and returns logits and what the frame adds to
the memory; all shapes are fixed. Use exported/model.yaml as the model, with engine onnxruntime.'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one model; 1 after one line that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        card = find_model(options.model, options.weights)
        check_folder(options.out)
        if options.tensorrt:
            _check_tensorrt(options.precision)
        manifest = _export(card, options)
        if options.tensorrt:
            _build_tensorrt(manifest)
    except (OSError, ValueError) as error:
        print(f'tdnet_export: {error}', file=sys.stderr)
        return 1
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        print(f'tdnet_export: {shortage(error)}: {error}', file=sys.stderr)
        return 1
    print(f'wrote {manifest.parent}: {CARD}, {MANIFEST} and {card.architecture.paths} graphs')
    return 0


def _export(card: ModelCard, options: argparse.Namespace) -> Path:
    height, width = options.input_size or card.input_size
    labels = tuple(options.labels) if options.labels else None
    quantised = options.precision == 'int8'
    if quantised != bool(options.images):
        raise ValueError('--precision int8 and --images belong together: the images, as the '
                         'camera takes them, show which values occur')
    if quantised:
        return export_quantised(card, options.out, (height, width), find_images(options.images),
                                labels, _say)
    return export(card, options.out, (height, width), options.precision, labels, _say)


def _check_tensorrt(precision: str) -> None:
    check_engine('tensorrt', precision)
    if not torch.cuda.is_available():
        raise ValueError('--tensorrt: no CUDA device here; build on the robot itself')
    find_provider(torch.device('cuda'), tensorrt=True)


def _build_tensorrt(manifest: Path) -> None:
    """Build the engines now, so that the robot does not when it starts."""
    device = torch.device('cuda')
    engine = OnnxEngine(manifest, device, tensorrt=True)
    image = torch.zeros(1, 3, *engine.input_size, device=device)
    for path in range(engine.paths):
        start = time.monotonic()
        engine.run(image, path, [])
        _say(f'path {path + 1} of {engine.paths} ran after {time.monotonic() - start:.0f} s')


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'tdnet_export', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('model', help='card, weights, shipped model or variant')
    add('--weights', help="a safetensors file in place of the model's own")
    add('--out', type=Path, required=True, help='folder to write')
    add('--input-size', nargs=2, type=int, metavar=('H', 'W'), help="default: the model's own")
    add('--precision', default='float32', choices=ENGINES['onnxruntime'])
    add('--images', type=Path, metavar='DIR',
        help=f'for int8: at least {MOST_IMAGES} images, best of your own camera')
    add('--labels', nargs=2, type=int, metavar=('H', 'W'),
        help='let the graphs also return the best class at this size, as uint8')
    add('--tensorrt', action='store_true', help='build the TensorRT engines of this GPU, too')
    return parser


if __name__ == '__main__':
    sys.exit(main())
