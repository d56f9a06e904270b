"""Where exported graphs are, beside a card or in the cache, and whether they are what they say."""
from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
import sys
import threading
import time
from typing import Any

from tdnet_ros.nets.card import ModelCard
from tdnet_ros.nets.checkpoint import load_network
from tdnet_ros.nets.writing import check_folder
from tdnet_ros.stream.engines.export import (
    MANIFEST,
    code_digest,
    export,
    file_digest,
    weights_digest,
)

REMEDY = 'copy all that tdnet_export wrote, or export it once more'
_one_export = threading.Lock()
'''PyTorch's exporter fails if it runs in two threads at once.'''


def find_graphs(card: ModelCard, input_size: tuple[int, int], precision: str) -> Path:
    """Find the manifest of a card's graphs: beside them, or in the cache, exported if needed.

    ValueError if those beside a card were made for another size, precision or card, or not all
    of them by one export; OSError if one is missing or the cache cannot be written.
    """
    if card.weights is not None and card.weights.suffix == '.onnx':
        manifest = card.weights.parent / MANIFEST
        content = read_manifest(manifest)
        _check_fit(card, input_size, precision, content)
        check_graphs(manifest.parent, content)
        return manifest
    if precision == 'int8':
        # A card's name is no model that tdnet_export would find, or even another: a variant.
        raise ValueError(f'precision int8 needs graphs of {card.name} made with images: '
                         'tdnet_export MODEL --precision int8 --images DIR --out OUT; '
                         'OUT/model.yaml is the model then')
    height, width = input_size
    key = hashlib.sha256(f'{card.architecture} {weights_digest(load_network(card))} '
                         f'{code_digest()}'.encode()).hexdigest()[:16]
    folder = cache_folder() / f'{card.name}-{height}x{width}-{precision}-{key}'
    with _one_export:
        if not _is_whole(folder):
            check_folder(folder)
            start = time.monotonic()
            export(card, folder, input_size, precision, progress=lambda text: print(
                f'exporting {card.name}: {text} ({time.monotonic() - start:.0f} s)',
                file=sys.stderr, flush=True))
    return folder / MANIFEST


def cache_folder() -> Path:
    """Where exported graphs and engines built from them are kept."""
    try:
        base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    except RuntimeError as error:  # an account without a home folder
        raise ValueError('graphs that are exported for onnxruntime have no folder: set HOME or '
                         'XDG_CACHE_HOME') from error
    return Path(base) / 'tdnet_ros'


def read_manifest(manifest: Path) -> dict[str, Any]:
    """Read what `tdnet_export` says of its graphs; OSError or ValueError if it is not that."""
    if not manifest.exists():
        raise FileNotFoundError(f'{manifest} is missing: {REMEDY}')
    try:
        content: dict[str, Any] = json.loads(manifest.read_text())
        missing = {'paths', 'precision', 'input_size', 'weights_sha256', 'code_sha256',
                   'steps'} - content.keys()
        for step in content.get('steps', ()):
            missing |= {'file', 'sha256', 'inputs', 'outputs'} - step.keys()
        if missing:
            raise ValueError(f'{", ".join(sorted(missing))} missing')
        if len(content['steps']) != content['paths']:
            raise ValueError(f'{len(content["steps"])} steps of {content["paths"]} paths')
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{manifest} is not the manifest of an exported model ({error})'
                         ) from error
    return content


def check_graphs(folder: Path, content: dict[str, Any]) -> None:
    """Raise OSError or ValueError unless the graphs in a folder are those of a manifest."""
    for step in content['steps']:
        graph = folder / step['file']
        if not graph.exists():
            raise FileNotFoundError(f'{graph} is missing: {REMEDY}')
        if file_digest(graph) != step['sha256']:
            raise ValueError(f'{graph} is damaged or of another export than {MANIFEST} beside it: '
                             f'{REMEDY}')


def _is_whole(folder: Path) -> bool:
    try:
        check_graphs(folder, read_manifest(folder / MANIFEST))
    except (OSError, ValueError):
        return False
    return True


def _check_fit(card: ModelCard, input_size: tuple[int, int], precision: str,
               exported: dict[str, Any]) -> None:
    """Raise ValueError unless graphs were made for what is asked of them."""
    paths, classes = exported['paths'], exported['steps'][0]['outputs']['logits']['shape'][1]
    for what, wanted, made in (('precision', precision, exported['precision']),
                               ('input size', list(input_size), exported['input_size'])):
        if wanted != made:
            raise ValueError(f'model {card.name} was exported for {what} {made}, not '
                             f'{wanted}: ask for that, or export it once more')
    if (card.architecture.paths, len(card.classes)) != (paths, classes):
        raise ValueError(f'the graphs beside {card.weights} are of {paths} paths and {classes} '
                         f'classes, but its card of {card.architecture.paths} and '
                         f'{len(card.classes)}: {REMEDY}')
