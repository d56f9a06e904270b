"""CUDA graphs that break off while they are recorded; the CPU stands for the GPU."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tdnet_ros.stream.batch import measured
from tdnet_ros.stream.engines.allocator import is_out_of_memory
from tdnet_ros.stream.engines.graphs import WARM_UPS, CaptureError, CudaGraphs

NOT_PERMITTED = RuntimeError('CUDA error: operation not permitted when stream is capturing')
NO_ROOM = torch.cuda.OutOfMemoryError('CUDA out of memory')


class Capture:
    """In the place of `torch.cuda.graph`: a capture that cannot be ended once it broke off."""

    def __init__(self, graph: Any, **options: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None:
            raise RuntimeError('CUDA error: operation failed due to a previous error')


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Record a step on the CPU whose first run in a capture, after warm-up, may fail."""
    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', False)
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stub in {'Stream': lambda *_: stream, 'current_stream': lambda *_: stream,
                       'set_stream': lambda *_: None, 'synchronize': lambda *_: None,
                       'stream': nullcontext, 'device': nullcontext, 'graph': Capture,
                       'CUDAGraph': lambda: SimpleNamespace(pool=tuple, replay=tuple)}.items():
        monkeypatch.setattr(torch.cuda, name, stub)

    def record(error: Exception | None, recovers: bool) -> Any:
        runs = iter([None] * WARM_UPS + [error])

        def step(x: Tensor) -> tuple[Tensor]:
            if (failure := next(runs, None)) is not None:
                raise failure
            return (x + 1,)

        def empty_cache() -> None:
            if not recovers:
                raise RuntimeError('captures_underway.empty() INTERNAL ASSERT FAILED')

        monkeypatch.setattr(torch.cuda, 'empty_cache', empty_cache)
        return CudaGraphs(torch.device('cpu'))(step, [torch.zeros(3)])  # type: ignore[arg-type]

    return record


def test_graphs_use_no_workspace_that_others_free(capture: Callable[..., Any],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace of cuBLAS is made while a step is recorded, and not kept after that."""
    events: list[str] = []
    monkeypatch.setattr(torch._C, '_cuda_clearCublasWorkspaces', lambda: events.append('clear'),
                        raising=False)
    monkeypatch.setattr(Capture, '__enter__', lambda _: events.append('record'))
    capture(None, recovers=True)
    assert events == ['clear', 'record', 'clear']


def test_a_step_that_cannot_be_recorded_is_repeated(capture: Callable[..., Any]) -> None:
    with pytest.warns(UserWarning, match='no CUDA graph, so frames take longer'):
        replay, outputs = capture(NOT_PERMITTED, recovers=True)
    outputs[0].zero_()
    replay()
    assert outputs[0].tolist() == [1, 1, 1]


def test_no_room_for_a_graph_is_no_reason_to_go_without(capture: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError) as raised:
        capture(NO_ROOM, recovers=True)
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize('error', [NOT_PERMITTED, NO_ROOM])
def test_an_allocator_that_does_not_recover_is_not_put_up_with(
        capture: Callable[..., Any], error: Exception) -> None:
    def frame_ms(count: int) -> float:
        return 1.0 if count == 1 else capture(error, recovers=False)

    with pytest.raises(CaptureError, match=str(error)) as raised:
        measured(frame_ms, 2)
    assert not is_out_of_memory(raised.value)
