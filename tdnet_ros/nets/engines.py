"""Names of the engines in stream/engines and of their precisions, for programs without PyTorch."""
from __future__ import annotations

_OF_TORCH = ('float32', 'bfloat16', 'float16')
ENGINES = {'torch': _OF_TORCH, 'eager': _OF_TORCH, 'reference': ('float32',),
           'onnxruntime': ('float32', 'float16', 'int8'), 'tensorrt': ('float32', 'float16')}
'''The engines, and the precisions that each computes in.'''
PRECISIONS = tuple(dict.fromkeys(name for names in ENGINES.values() for name in names))
RESIZABLE = ('torch', 'eager', 'reference')
'''Engines that take any input size.'''


def check_engine(name: str, precision: str) -> None:
    """Raise ValueError unless there is such an engine and it computes in this precision."""
    if name not in tuple(ENGINES):  # a list has no hash
        raise ValueError(f"engine '{name}', expected one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision '{precision}', expected one of {', '.join(PRECISIONS)}")
    if precision not in ENGINES[name]:
        raise ValueError(f'engine {name} computes in {" or ".join(ENGINES[name])}, '
                         f'not {precision}')
