"""What the platform is short of."""
from __future__ import annotations

import os
from pathlib import Path
import sys

import pytest
import torch

from ros.harness import resident_mib
from tdnet_ros.ros import device
from tdnet_ros.stream.engines.allocator import keep_freed_memory

CPU = torch.device('cpu')


def test_pressure_names_what_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, 'memory_of', lambda _: (30 << 20, 1000 << 20))
    monkeypatch.setattr(device, '_temperature', lambda: 99.0)
    memory, heat = device.pressure(CPU)
    assert '30 of 1000 MiB of memory are free' in memory
    assert '99 degrees' in heat


def test_no_pressure_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, 'memory_of', lambda _: (500 << 20, 1000 << 20))
    monkeypatch.setattr(device, '_temperature', lambda: None)
    assert device.pressure(CPU) == []


def test_the_hottest_sensor_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = {'CPU-therm': '61500', 'PMIC-Die': '100000', 'iwlwifi': '', 'AO-therm': '40000'}
    for index, (kind, text) in enumerate(zones.items()):
        zone = tmp_path / f'thermal_zone{index}'
        zone.mkdir()
        (zone / 'type').write_text(f'{kind}\n')
        (zone / 'temp').write_text(f'{text}\n')
    monkeypatch.setattr(device, 'THERMAL', tmp_path)
    assert device.device_values(CPU)['temperature (C)'] == 61.5
    assert not any('degrees' in text for text in device.pressure(CPU))


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='needs glibc')
def test_what_the_network_made_the_process_keep_is_released() -> None:
    keep_freed_memory()
    tensors = [torch.ones(1 << 20) for _ in range(50)]
    del tensors
    kept = resident_mib(os.getpid())
    device.release_memory()
    assert kept - resident_mib(os.getpid()) > 150


def test_workspaces_of_libraries_are_released(monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[bool] = []
    monkeypatch.setattr(torch._C, '_cuda_clearCublasWorkspaces', lambda: cleared.append(True),
                        raising=False)
    device.release_memory()
    assert cleared
