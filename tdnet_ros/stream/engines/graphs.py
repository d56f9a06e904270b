"""Steps on tensors at fixed addresses; on CUDA each is recorded once and replayed as one graph."""
from __future__ import annotations

from collections.abc import Callable, Sequence
import threading
from typing import Any
import warnings

import torch
from torch import Tensor

from tdnet_ros.nets.zoo import Network
from tdnet_ros.stream.engines.allocator import causes, clear_workspaces, is_out_of_memory
from tdnet_ros.stream.engines.static import StaticStep, empty_memory, flatten, placeholder
from tdnet_ros.stream.engines.step import StepFeatures
from tdnet_ros.stream.engines.torch_engine import TorchEngine

WARM_UPS = 3
'''Runs before a step is recorded: libraries choose their algorithms and make their caches.'''

Replay = Callable[[], object]
Record = Callable[[StaticStep, Sequence[Tensor]], tuple[Replay, Sequence[Tensor]]]
'''Takes a step and its inputs; returns what repeats it on them, and where its outputs are.'''


class CaptureError(Exception):
    """A CUDA graph broke off, and PyTorch's allocator believes that it is still being recorded.

    No RuntimeError, after many of which one can go on with less.
    """

    def __init__(self, error: RuntimeError) -> None:
        *_, root = causes(error)
        super().__init__(f'a CUDA graph broke off ({str(root).partition(chr(10))[0]}), which this '
                         'PyTorch cannot recover from; engine eager records none')


class GraphEngine:
    """TorchEngine, but a step costs one launch instead of hundreds.

    Graphs are recorded for the first input of a shape, at warm-up. Every path has inputs of its
    own for image and memory. What a frame leaves in the memory is copied out of the graph, into
    memory that the frame N-1 before has given back; so nothing is allocated after the first
    frames, any number of cameras can share the graphs, and a memory outlives the next replay.
    """

    launches = True

    def __init__(self, network: Network, device: torch.device, precision: str = 'float32',
                 record: Record | None = None) -> None:
        """`record` defaults to CUDA graphs; `repeat` does the same on any device, unrecorded."""
        self._eager = TorchEngine(network, device, precision)
        self._paths = network.architecture.paths
        self.resample = self._eager.resample
        self._record = record or CudaGraphs(device)
        self._fixed: dict[tuple[int, torch.Size], FixedStep] = {}
        self._lock = threading.Lock()  # one frame at a time is in the tensors of a step

    @torch.inference_mode()
    def run(self, image: Tensor, path: int,
            memory: Sequence[StepFeatures]) -> tuple[Tensor, StepFeatures | None]:
        """See Engine."""
        with self._lock:
            return self._run(image, path, memory)

    def forget(self) -> None:
        """Free all graphs and their memory; they are recorded again when they are needed."""
        with self._lock:
            self._fixed.clear()
            if isinstance(self._record, CudaGraphs):
                self._record.forget()

    def _run(self, image: Tensor, path: int,
             memory: Sequence[StepFeatures]) -> tuple[Tensor, StepFeatures | None]:
        key = path, image.shape
        if key not in self._fixed:
            self._fixed[key] = self._prepare(image, path)
        fixed = self._fixed[key]
        if self._paths == 1:
            return fixed.run([image])[0], None
        missing = self._paths - 1 - len(memory)
        share = fixed.nothing if missing else fixed.everything
        frames = [*[fixed.blank] * missing, *memory]
        logits, *features = fixed.run([image, share, *flatten(frames)])
        return logits, StepFeatures(*features, *[None] * (3 - len(features)))

    def _prepare(self, image: Tensor, path: int) -> FixedStep:
        """Make the fixed tensors for images like this one."""
        _, features = self._eager.run(image, path, [])
        step = StaticStep(self._eager.steps[path], self._paths, self._eager.dtype)
        return FixedStep(step, image, features, self._record)


class FixedStep:
    """One path for images of one shape."""

    def __init__(self, step: StaticStep, image: Tensor, features: StepFeatures | None,
                 record: Record) -> None:
        """Take an example of an image, and of what it leaves in the memory."""
        inputs = [torch.empty_like(image, dtype=step.dtype, memory_format=torch.channels_last)]
        inputs[0].copy_(image)
        if features is not None:
            self.blank = placeholder(features, step.paths)
            self.nothing = image.new_zeros(1, dtype=step.dtype)
            self.everything = torch.ones_like(self.nothing)
            inputs += [self.nothing.clone(), *empty_memory(self.blank, step.paths)]
        self._inputs = inputs
        self._replay, self._outputs = record(step, inputs)

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Copy inputs in, repeat the step and copy its outputs out."""
        image, *memory = inputs
        self._inputs[0].copy_(image)
        if memory:
            torch._foreach_copy_(self._inputs[1:], memory)
        self._replay()
        outputs = [torch.empty_like(output) for output in self._outputs]
        torch._foreach_copy_(outputs, list(self._outputs))
        return outputs


class CudaGraphs:
    """Records steps as CUDA graphs that share one pool of memory: they never run at once.

    Memory is shared only by what was recorded on the same stream.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._graphs: list[Any] = []
        self._pool: Any = None
        torch.backends.cudnn.benchmark = True  # shapes are fixed

    def forget(self) -> None:
        """Share no memory with the graphs so far."""
        self._pool = None
        self._graphs.clear()

    def __call__(self, step: StaticStep,
                 inputs: Sequence[Tensor]) -> tuple[Replay, Sequence[Tensor]]:
        """Record a step; one that cannot be is launched kernel by kernel, with a warning."""
        with torch.cuda.device(self._device):  # recording synchronises the current one
            self._warm_up(step, inputs)
            clear_workspaces()  # the step makes one in the graphs' own pool
            recorded = self._capture(step, inputs)
            clear_workspaces()
            return recorded

    def _warm_up(self, step: StaticStep, inputs: Sequence[Tensor]) -> None:
        stream, current = self._stream, torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                step(*inputs)
        current.wait_stream(stream)

    def _capture(self, step: StaticStep,
                 inputs: Sequence[Tensor]) -> tuple[Replay, Sequence[Tensor]]:
        current = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        self._graphs.append(graph)
        try:
            # Other threads, such as diagnostics, may go on using the device meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream,
                                  capture_error_mode='thread_local'):
                outputs = step(*inputs)
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # a capture that breaks off leaves its own
            self._recover(error)
            if is_out_of_memory(error):
                raise
            warnings.warn(f'no CUDA graph, so frames take longer: {error}', stacklevel=2)
            return repeat(step, inputs)
        self._pool = graph.pool()
        return graph.replay, outputs

    def _recover(self, error: RuntimeError) -> None:
        """Raise CaptureError if the allocator did not notice that a capture broke off.

        It would take back no memory that two streams had used.
        """
        torch.cuda.synchronize(self._device)
        try:
            torch.cuda.empty_cache()
        except RuntimeError:
            raise CaptureError(error) from None


def repeat(step: StaticStep, inputs: Sequence[Tensor]) -> tuple[Replay, Sequence[Tensor]]:
    """Do what a recorded graph does, by running the step again."""
    outputs = step(*inputs)

    def replay() -> None:
        torch._foreach_copy_(list(outputs), list(step(*inputs)))

    return replay, outputs
