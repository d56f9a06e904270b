"""tdnet_convert: the authors' checkpoints to safetensors and a model card."""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import sys

import torch
import yaml

from tdnet_ros.nets.card import save_card, untrained_card
from tdnet_ros.nets.checkpoint import load_state, read_official, rename_official, save_weights
from tdnet_ros.nets.classes import CLASS_SETS, ClassSet
from tdnet_ros.nets.writing import naming, replacing
from tdnet_ros.nets.zoo import VARIANTS, build, variant

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
    if out.exists():
        raise ValueError(f'--out {out}: exists already')
    architecture, class_set = variant(model), read_classes(classes)
    network = build(architecture, len(class_set))
    state = rename_official(read_official(checkpoint), architecture.paths)
    load_state(network, state, str(checkpoint))
    with naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as part:
        save_weights(network, part, dtype)
    card = replace(untrained_card(model, class_set), name=out.stem, weights=out,
                   source=source or f'converted from {checkpoint.name}', licence=licence)
    path = out.with_suffix('.yaml')
    with replacing(path) as part:
        save_card(card, part)
    return path


def read_classes(text: str) -> ClassSet:
    """Look up a named class set, or read one from a YAML file."""
    if text in CLASS_SETS:
        return CLASS_SETS[text]
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"classes '{text}': expected {', '.join(CLASS_SETS)} or a YAML file")
    try:
        table = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'classes {path}: no YAML ({reason})') from error
    if not isinstance(table, dict) or not all(
            isinstance(color, list) and len(color) == 3 for color in table.values()):
        raise ValueError(f'classes {path}: expected a mapping from name to [red, green, blue]')
    palette = tuple((int(red), int(green), int(blue)) for red, green, blue in table.values())
    return ClassSet(path.stem, tuple(map(str, table)), palette)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'tdnet_convert', description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path, help='.pkl or .pth file of the authors')
    parser.add_argument('--model', required=True, help=f'one of {", ".join(VARIANTS)}')
    parser.add_argument('--classes', required=True,
                        help=f'{", ".join(CLASS_SETS)} or a YAML file of classes')
    parser.add_argument('--out', type=Path, required=True, help='.safetensors file to write')
    parser.add_argument('--half', action='store_true', help='store float16, half the size')
    parser.add_argument('--source', default='', help='where the weights come from, for the card')
    parser.add_argument('--licence', default='', help='licence of the weights, for the card')
    return parser


if __name__ == '__main__':
    sys.exit(main())
