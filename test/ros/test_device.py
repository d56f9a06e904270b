"""What the platform is short of."""
from __future__ import annotations

import pytest
import torch

from tdnet_ros.ros import device

CPU = torch.device('cpu')


def test_pressure_names_what_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, '_memory', lambda _: (30 << 20, 1000 << 20))
    monkeypatch.setattr(device, '_temperature', lambda: 99.0)
    memory, heat = device.pressure(CPU)
    assert '30 of 1000 MiB of memory are free' in memory
    assert '99 degrees' in heat


def test_no_pressure_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, '_memory', lambda _: (500 << 20, 1000 << 20))
    monkeypatch.setattr(device, '_temperature', lambda: None)
    assert device.pressure(CPU) == []


def test_only_the_device_running_out_is_out_of_memory() -> None:
    assert device.is_out_of_memory(torch.cuda.OutOfMemoryError('no room'))
    assert not device.is_out_of_memory(RuntimeError('no room'))
