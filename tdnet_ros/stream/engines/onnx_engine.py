"""Exported graphs under onnxruntime, on the CPU, CUDA or TensorRT."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tdnet_ros.nets.writing import naming
from tdnet_ros.stream.engines.allocator import keep_freed_memory
from tdnet_ros.stream.engines.announce import announced
from tdnet_ros.stream.engines.exported import cache_folder, read_manifest
from tdnet_ros.stream.engines.static import flatten, input_names, placeholder
from tdnet_ros.stream.engines.step import StepFeatures

try:
    import onnxruntime
    onnxruntime.InferenceSession  # noqa: B018  which the rest of a removed package lacks
except (ImportError, AttributeError) as error:
    onnxruntime, reason = None, str(error) or type(error).__name__
else:
    reason = ''

OLDEST = 1, 18
'''The first version of onnxruntime that reads version 10 of the format, which PyTorch writes.'''


class OnnxEngine:
    """One session per path; image, memory and outputs are bound, never copied to the host."""

    launches = False

    def __init__(self, manifest: Path, device: torch.device, tensorrt: bool = False) -> None:
        """Open the graphs that a manifest lists; `tensorrt` builds engines, minutes at first."""
        provider = find_provider(device, tensorrt)
        content = read_manifest(manifest)
        self.device = device
        self.paths: int = content['paths']
        self.input_size: tuple[int, int] = tuple(content['input_size'])
        self.steps: list[dict[str, Any]] = content['steps']
        providers = _providers(provider, device, content)
        self._sessions = [_session(manifest.parent / step['file'], providers)
                          for step in self.steps]
        if device.type == 'cpu':
            keep_freed_memory()

    def run(self, image: Tensor, path: int,
            memory: Sequence[StepFeatures]) -> tuple[Tensor, StepFeatures | None]:
        """See Engine; the image has the size that was exported."""
        if tuple(image.shape[2:]) != self.input_size or len(image) != 1:
            raise ValueError(f'input {tuple(image.shape)}, but the graphs were exported for one '
                             f'image of {self.input_size[0]}x{self.input_size[1]}')
        inputs = self.inputs(image, path, memory)
        outputs = {name: torch.empty(described['shape'], device=self.device,
                                     dtype=getattr(torch, described['dtype']))
                   for name, described in self.steps[path]['outputs'].items()}
        binding = self._sessions[path].io_binding()
        for name, tensor in zip(input_names(self.paths), inputs, strict=True):
            binding.bind_input(name, *_buffer(tensor))
        for name, tensor in outputs.items():
            binding.bind_output(name, *_buffer(tensor))
        if self.device.type == 'cuda':  # the session has a stream of its own
            torch.cuda.current_stream(self.device).synchronize()
        with _errors_as(RuntimeError, 'onnxruntime failed'):
            self._sessions[path].run_with_iobinding(binding)
            binding.synchronize_outputs()
        features = None if self.paths == 1 else StepFeatures(
            outputs['key'], outputs['value'], outputs.get('affinity'))
        return outputs['logits'], features

    def resample(self, features: StepFeatures, old: tuple[int, int],
                 new: tuple[int, int]) -> StepFeatures:
        """See Engine; graphs are bound to one size."""
        raise ValueError(f'graphs for an input of {old[0]}x{old[1]} take no {new[0]}x{new[1]}')

    def inputs(self, image: Tensor, path: int, memory: Sequence[StepFeatures]) -> list[Tensor]:
        """List what a graph takes: the image and, of N paths, `share` and N-1 frames.

        Zeros take the place of frames that are missing.
        """
        if self.paths == 1:
            return [image.contiguous()]
        described = self.steps[path]['outputs']
        key, value = (torch.empty(described[name]['shape'], device=self.device,
                                  dtype=getattr(torch, described[name]['dtype']))
                      for name in ('key', 'value'))
        missing = self.paths - 1 - len(memory)
        share = torch.full((1,), float(not missing), device=self.device, dtype=key.dtype)
        blank = placeholder(StepFeatures(key, value, None), self.paths)
        return [image.contiguous(), share, *(
            tensor.contiguous() for tensor in flatten([*[blank] * missing, *memory]))]


def tensorrt_folder(gpu: str, content: dict[str, Any]) -> Path:
    """Where TensorRT keeps engines and timings for a GPU and the graphs of a manifest.

    They are only good for one GPU, version, precision, shape, set of weights and code.
    """
    height, width = content['input_size']
    try:
        version = metadata.version('tensorrt')
    except metadata.PackageNotFoundError:  # the libraries alone are installed
        version = 'unknown'
    return cache_folder() / 'tensorrt' / '-'.join((
        gpu.replace(' ', '_'), f'trt{version}', f'ort{onnxruntime.__version__}',
        content['precision'], f'{height}x{width}', content['weights_sha256'][:16],
        content['code_sha256'][:16]))


def find_provider(device: torch.device, tensorrt: bool) -> str:
    """Name what of onnxruntime runs graphs on a device; ValueError says what is missing."""
    if tensorrt and device.type == 'cpu':
        raise ValueError('engine tensorrt needs a CUDA device')
    if onnxruntime is None:
        raise ValueError(f'the Python package onnxruntime is missing or does not load ({reason}): '
                         'pip install onnxruntime, or for CUDA onnxruntime-gpu and no other, '
                         "with 'numpy<2' from Humble to Kilted")
    major, minor, *_ = onnxruntime.__version__.split('.')
    if (int(major), int(minor)) < OLDEST:
        raise ValueError(f'onnxruntime {onnxruntime.__version__} does not read the graphs: '
                         f'expected {".".join(map(str, OLDEST))} or newer')
    if device.type == 'cpu':
        return 'CPUExecutionProvider'
    wanted = 'TensorrtExecutionProvider' if tensorrt else 'CUDAExecutionProvider'
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise ValueError(f'this onnxruntime has no {wanted} (it has {", ".join(available)}); '
                         'install onnxruntime-gpu')
    return wanted


def _providers(name: str, device: torch.device,
               content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """List a provider and what it leaves to another, with their settings."""
    if device.type == 'cpu':
        return [(name, {})]
    index = device.index or 0
    cuda = ('CUDAExecutionProvider', {'device_id': index})
    if name == cuda[0]:
        return [cuda]
    cache = str(tensorrt_folder(torch.cuda.get_device_name(device), content))
    return [(name, {
        'device_id': index, 'trt_fp16_enable': content['precision'] == 'float16',
        'trt_engine_cache_enable': True,
        'trt_timing_cache_enable': True, 'trt_timing_cache_path': cache}), cuda]


def _session(file: Path, providers: list[tuple[str, dict[str, Any]]]) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # Threads that wait by spinning hold up PyTorch's, which prepare the image and choose the
    # labels: a frame of the default model took 130 ms on two cores, without spinning 80.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    if not providers[0][0].startswith('Tensorrt'):
        return _start(file, options, providers)
    (name, settings), *others = providers
    cache = Path(settings['trt_timing_cache_path']) / file.stem  # the timings serve all paths
    with naming(cache):
        cache.mkdir(parents=True, exist_ok=True)
    providers = [(name, {**settings, 'trt_engine_cache_path': str(cache)}), *others]
    known = 'reading' if any(cache.glob('*.engine')) else 'building, minutes the first time,'
    with announced(f'TensorRT: {known} {file.name} (cache: {cache})'):
        return _start(file, options, providers)


def _start(file: Path, options: Any, providers: list[tuple[str, dict[str, Any]]]) -> Any:
    """Start a session; ValueError if onnxruntime falls back to another provider in silence."""
    with _errors_as(ValueError, f'onnxruntime cannot start {file.name}'):
        session = onnxruntime.InferenceSession(str(file), options, providers=providers)
    wanted, running = providers[0][0], session.get_providers()
    if wanted not in running:
        raise ValueError(f'onnxruntime cannot start {wanted}, it would run on '
                         f'{", ".join(running)}: the libraries of CUDA, cuDNN or TensorRT that it '
                         'was built for do not load')
    return session


@contextmanager
def _errors_as(kind: type[Exception], what: str) -> Iterator[None]:
    """Raise what PyTorch would: onnxruntime's errors derive from Exception alone."""
    try:
        yield
    except Exception as error:
        raise kind(f'{what}: {" ".join(str(error).split())}') from error


def _buffer(tensor: Tensor) -> tuple[str, int, Any, list[int], int]:
    """Describe a tensor to onnxruntime's binding."""
    dtype = np.dtype(str(tensor.dtype).partition('.')[2]).type
    return (tensor.device.type, tensor.device.index or 0, dtype, list(tensor.shape),
            tensor.data_ptr())
