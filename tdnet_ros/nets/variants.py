"""The table of variants: one generic network, a row of numbers each; read without PyTorch."""
from __future__ import annotations

from functools import partial

from tdnet_ros.nets.architecture import Architecture

_bise = partial(Architecture, context='bise', value_channels=256, head_reduction=2,
                norm_size=None, output_stride=4)
_fa = partial(Architecture, depth=18, context='fa', value_channels=256, head_reduction=1,
              memory_stride=3, norm_size=(96, 192))
_tiny = partial(Architecture, depth=18, groups=2, width=0.125, key_channels=8,
                norm_size=(13, 25))

VARIANTS: dict[str, Architecture] = {
    # As released by the authors.
    'td4-psp18': Architecture(paths=4, depth=18, groups=2),
    'td2-psp50': Architecture(paths=2, depth=50, groups=2, head_reduction=2),
    'psp18': Architecture(paths=1, depth=18, head_reduction=8),
    'psp34': Architecture(paths=1, depth=34, head_reduction=8),
    'psp50': Architecture(paths=1, depth=50, head_reduction=8),
    'psp101': Architecture(paths=1, depth=101, head_reduction=8),
    # Released by the authors for training alone, without weights (see fanet.py).
    'td2-fa18': _fa(paths=2),
    'fa18': _fa(paths=1),
    # Our BiSeNet-style variants (see bisenet.py).
    'td4-bise18': _bise(paths=4, depth=18),
    'td2-bise34': _bise(paths=2, depth=34),
    'bise18': _bise(paths=1, depth=18),
    'bise34': _bise(paths=1, depth=34),
    # Small: half the channels, early stages and head shared by the two paths.
    'td2-bise18-half': _bise(paths=2, depth=18, width=0.5, key_channels=32, shared_stages=3,
                             shared_head=True),
    'bise18-half': _bise(paths=1, depth=18, width=0.5),
    # For tests only, so in no list for users: the published wiring with a few channels.
    'td2-tiny': _tiny(paths=2),
    'td4-tiny': _tiny(paths=4),
}
FOR_USERS = [name for name in VARIANTS if not name.endswith('-tiny')]


def variant(name: str) -> Architecture:
    """Look up a row of the table; ValueError naming the rows if there is none."""
    if name not in VARIANTS:
        raise ValueError(f"model '{name}', expected one of {', '.join(FOR_USERS)}")
    return VARIANTS[name]
