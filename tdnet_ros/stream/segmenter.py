"""One network, many cameras: a frame and a memory in, labels out."""
from __future__ import annotations

from pathlib import Path
import time

import torch

from tdnet_ros.nets.card import ModelCard, find_model
from tdnet_ros.nets.pyramid import upsample
from tdnet_ros.stream.classify import classify, confidence_of
from tdnet_ros.stream.engines import load_engine
from tdnet_ros.stream.frame import Frame, Segmentation
from tdnet_ros.stream.memory import FrameMemory
from tdnet_ros.stream.preprocess import Preprocessor


class VideoSegmenter:
    """Weights on a device. It keeps no frame: each camera has a memory of its own."""

    def __init__(self, card: ModelCard, device: torch.device,
                 input_size: tuple[int, int] | None = None, max_gap_s: float = 1.0,
                 scene_cut: bool = True, engine: str = 'torch',
                 precision: str = 'float32') -> None:
        self.card = card
        self.device = device
        self.input_size = _checked_size(input_size or card.input_size)
        self.max_gap_s = max_gap_s
        self.scene_cut = scene_cut
        self._engine = load_engine(engine, card, device, self.input_size, precision)
        self._preprocessor = Preprocessor(self.input_size, card.mean, card.std, device)

    @classmethod
    def load(cls, model: str | Path, device: str = 'auto',
             input_size: tuple[int, int] | None = None, weights: str | Path | None = None,
             max_gap_s: float = 1.0, scene_cut: bool = True, engine: str = 'torch',
             precision: str = 'float32') -> VideoSegmenter:
        """Load a model card, a safetensors file, a shipped model or a row of the table.

        device: 'cpu', 'cuda', 'cuda:1' or 'auto' (CUDA if there is one). input_size: (height,
        width) of the network's input, None for the card's. weights: a safetensors file for
        the model, in place of its own. max_gap_s and scene_cut: see FrameMemory. engine:
        'torch' or, to compare it with the network as written, 'reference'. precision:
        'float32', 'bfloat16' or, on CUDA, 'float16'. Raises FileNotFoundError or ValueError
        with one line that says what is wrong.
        """
        card = find_model(model, weights)
        return cls(card, find_device(device), input_size, max_gap_s, scene_cut, engine,
                   precision)

    @property
    def paths(self) -> int:
        """Number of sub-networks, N."""
        return self.card.architecture.paths

    @property
    def trained(self) -> bool:
        """Whether the network has weights; without, the labels are noise."""
        return self.card.trained

    def new_memory(self) -> FrameMemory:
        """Make the memory of one camera."""
        return FrameMemory(self.paths, self.max_gap_s, self.scene_cut)

    @torch.inference_mode()
    def step(self, frame: Frame, memory: FrameMemory, keep_logits: bool = False,
             confidence: bool = False) -> Segmentation:
        """Label one frame with the next path and put its features into the memory.

        If anything fails the memory is reset, since its order of paths would be broken.
        """
        reason = memory.prepare(frame)
        path, fill = memory.next_path, len(memory.entries) if memory.is_full else 0
        try:
            start = time.perf_counter()
            pixels = self._preprocessor.upload(frame.rgb)
            uploaded = self._time()
            logits, features = self._engine.run(
                self._preprocessor.normalise(pixels), path, memory.entries)
            labels = classify(logits, frame.size)
            scores = confidence_of(logits, frame.size) if confidence else None
            computed = self._time()
            result = labels.cpu().numpy(), None if scores is None else scores.cpu().numpy()
            downloaded = time.perf_counter()
        except Exception:
            memory.reset('the frame before failed')
            raise
        memory.push(features)
        return Segmentation(
            labels=result[0], confidence=result[1], path=path, memory_fill=fill,
            reset_reason=reason,
            stage_ms={'upload': (uploaded - start) * 1e3, 'network': (computed - uploaded) * 1e3,
                      'download': (downloaded - computed) * 1e3},
            logits=upsample(logits, self.input_size)[0].cpu().numpy() if keep_logits else None)

    def warm_up(self, size: tuple[int, int]) -> None:
        """Run every path on a black frame of a camera's (height, width) with a full memory."""
        memory = FrameMemory(self.paths, scene_cut=False)
        rgb = torch.zeros(*size, 3, dtype=torch.uint8).numpy()
        for number in range(2 * self.paths):
            self.step(Frame(rgb, number), memory)

    def _time(self) -> float:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


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


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    height, width = size
    if min(height, width) < 32:
        raise ValueError(f'input size {height}x{width}, expected at least 32x32 pixels')
    return int(height), int(width)
