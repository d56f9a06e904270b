"""tdnet_convert: the authors' checkpoints to safetensors and a model card."""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import sys

import torch

from tdnet_ros.nets.card import save_card, untrained_card
from tdnet_ros.nets.checkpoint import load_state, read_official, rename_official, save_weights
from tdnet_ros.nets.classes import CLASS_SETS, ClassSet, read_classes
from tdnet_ros.nets.variants import FOR_USERS, variant
from tdnet_ros.nets.writing import naming, replacing
from tdnet_ros.nets.zoo import build

EXAMPLES = '''examples:
  tdnet_convert td4-psp18.pkl --model td4-psp18 --classes cityscapes --out td4-psp18.safetensors
  tdnet_convert best.pkl --model td2-psp50 --classes my_classes.yaml --out mine.safetensors

A file of classes holds a mapping from class name to [red, green, blue], in the order of the ids.
'''


def main(arguments: list[str] | None = None) -> int:
    """Run tdnet_convert; exit code 1 and one line on bad input."""
    options = _parser().parse_args(arguments)
    try:
        card = convert(options.checkpoint, options.model, options.classes, options.out,
                       torch.float16 if options.half else torch.float32,
                       options.source, options.licence)
    except (OSError, ValueError) as error:
        print(f'tdnet_convert: {error}', file=sys.stderr)
        return 1
    print(f'wrote {options.out} and {card}')
    return 0


def convert(checkpoint: Path, model: str, classes: str, out: Path,
            dtype: torch.dtype = torch.float32, source: str = '', licence: str = '') -> Path:
    """Convert one checkpoint; return the path of the card written beside `out`."""
    if out.suffix != '.safetensors':
        raise ValueError(f'--out {out}: expected a name that ends in .safetensors')
    path = out.with_suffix('.yaml')
    for file in (out, path):
        if file.exists():
            raise ValueError(f'--out {out}: {file} exists already')
    architecture, class_set = variant(model), find_classes(classes)
    card = replace(untrained_card(model, class_set), name=out.stem, weights=out,
                   source=source or f'converted from {checkpoint.name}', licence=licence)
    network = build(architecture, len(class_set))
    state = rename_official(read_official(checkpoint), architecture.paths)
    load_state(network, state, str(checkpoint))
    with naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as part:
        save_weights(network, part, dtype)
    with replacing(path) as part:
        save_card(card, part)
    return path


def find_classes(text: str) -> ClassSet:
    """Look up a named class set, or read one from a YAML file."""
    if text in CLASS_SETS:
        return CLASS_SETS[text]
    if not Path(text).is_file():
        raise ValueError(f"classes '{text}': expected {', '.join(CLASS_SETS)} or a YAML file")
    return read_classes(Path(text))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'tdnet_convert', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path, help='.pkl or .pth file of the authors')
    parser.add_argument('--model', required=True, help=f'one of {", ".join(FOR_USERS)}')
    parser.add_argument('--classes', required=True,
                        help=f'{", ".join(CLASS_SETS)} or a YAML file of classes')
    parser.add_argument('--out', type=Path, required=True, help='.safetensors file to write')
    parser.add_argument('--half', action='store_true', help='store float16, half the size')
    parser.add_argument('--source', default='', help='where the weights come from, for the card')
    parser.add_argument('--licence', default='', help='licence of the weights, for the card')
    return parser


if __name__ == '__main__':
    sys.exit(main())
