"""Which device a network runs on."""
from __future__ import annotations

import torch


def find_device(device: str) -> torch.device:
    """Turn 'auto', 'cpu', 'cuda' or 'cuda:1' into a device that is there; else ValueError."""
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    kind, _, index = device.partition(':')
    if kind not in ('cpu', 'cuda') or (index and not (kind == 'cuda' and index.isdigit())):
        raise ValueError(f"device '{device}', expected auto, cpu, cuda or cuda:N")
    if kind == 'cuda' and not torch.cuda.is_available():
        built = torch.version.cuda
        why = 'no usable GPU or driver' if built else 'this PyTorch is built without CUDA'
        raise ValueError(f"device '{device}': CUDA is not available ({why}, torch "
                         f'{torch.__version__}); use auto or cpu, or install a CUDA build')
    if kind == 'cuda' and index and int(index) >= torch.cuda.device_count():
        raise ValueError(f"device '{device}': there are {torch.cuda.device_count()} CUDA devices")
    return torch.device(device)
