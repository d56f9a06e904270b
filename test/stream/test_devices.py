"""A device is one that computes: a GPU without kernels is none."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tdnet_ros.stream.devices import find_device, memory_of


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that this PyTorch finds and was not built for."""
    def ones(*_: Any, **__: Any) -> None:
        raise RuntimeError('CUDA error: no kernel image is available for execution on the device\n'
                           'CUDA kernel errors might be asynchronously reported')

    monkeypatch.setattr(torch, 'ones', ones)
    for name, value in {'is_available': True, 'device_count': 1,
                        'get_arch_list': ['sm_80', 'sm_90']}.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)


@pytest.mark.usefixtures('without_kernels')
@pytest.mark.parametrize('device', ['cuda', 'cuda:0'])
def test_a_gpu_without_kernels_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match='no kernel image is available') as raised:
        find_device(device)
    text = str(raised.value)
    assert text.startswith(f"device '{device}': CUDA error: no kernel image")
    assert text.endswith('is built for sm_80 sm_90)')
    assert '\n' not in text


@pytest.mark.usefixtures('without_kernels')
def test_auto_says_why_it_takes_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert find_device('auto') == torch.device('cpu')
    line, = capsys.readouterr().err.splitlines()
    assert 'no kernel image is available' in line
    assert line.endswith('; using the CPU')


@pytest.mark.usefixtures('without_kernels')
def test_one_gpu_too_many() -> None:
    with pytest.raises(ValueError, match="device 'cuda:1': there are 1 CUDA devices"):
        find_device('cuda:1')


@pytest.mark.parametrize('device', ['tpu', 'cuda:x', 'cuda:01', 'cuda:²', 'cuda:', 'cpu:0', ''])
def test_what_names_no_device(device: str) -> None:
    with pytest.raises(ValueError, match='expected auto, cpu, cuda or cuda:N'):
        find_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason='CUDA is available')
def test_cuda_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match='CUDA is not available'):
        find_device('cuda')
    assert find_device('auto') == find_device('cpu') == torch.device('cpu')
    assert capsys.readouterr().err == ''


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_a_gpu_that_computes() -> None:
    assert find_device('auto') == torch.device('cuda')
    last = f'cuda:{torch.cuda.device_count() - 1}'
    assert find_device(last) == torch.device(last)


def test_the_kernels_cache_is_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a GPU that shares the machine's, which counts it as taken."""
    monkeypatch.setattr(torch.cuda, 'get_device_properties',
                        lambda _: SimpleNamespace(is_integrated=integrated))
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda _: (1, 2))
    integrated = True
    free, total = memory_of(torch.device('cuda'))
    assert (1 << 20) < free < total == memory_of(torch.device('cpu'))[1]
    integrated = False
    assert memory_of(torch.device('cuda')) == (1, 2)
