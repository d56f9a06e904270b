"""A step as a graph takes it: tensors of fixed shape in and out, by name."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tdnet_ros.stream.engines.step import PathStep, PerFrameStep, StepFeatures


class StaticStep(nn.Module):
    """One path with a memory of N-1 entries always, zeros where there is none yet.

    Inputs: `input_names`; outputs: `output_names`.
    """

    def __init__(self, step: PathStep | PerFrameStep, paths: int,
                 dtype: torch.dtype = torch.float32) -> None:
        """Take a step that computes in `dtype`; image and logits are float32 in any case."""
        super().__init__()
        self.step = step
        self.paths = paths
        self.dtype = dtype

    def forward(self, image: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Take tensors in the order of `input_names`; return those of `output_names`."""
        image = image.to(self.dtype)
        if isinstance(self.step, PerFrameStep):
            return self.step(image, ())[:1]
        share, *memory = rest
        logits, features = self.step(image, unflatten(memory, self.paths), share)
        return logits, *(tensor for tensor in features if tensor is not None)


def input_names(paths: int) -> list[str]:
    """Name the inputs of a step; value3 is of the frame three before the current one."""
    if paths == 1:
        return ['image']
    ages = range(paths - 1, 0, -1)
    return ['image', 'share', 'key1', *(f'value{age}' for age in ages),
            *(f'affinity{age}' for age in ages[1:])]


def output_names(paths: int) -> list[str]:
    """Name the outputs of a step: logits, then what goes into the memory."""
    if paths == 1:
        return ['logits']
    return ['logits', 'key', 'value', *(['affinity'] if paths > 2 else [])]


def flatten(memory: Sequence[StepFeatures]) -> list[Tensor]:
    """List what a step reads of a full memory, oldest first, in the order of `input_names`.

    Keys of all but the newest frame are not read, nor the oldest frame's affinity.
    """
    affinities = [entry.affinity for entry in memory[1:] if entry.affinity is not None]
    return [memory[-1].key, *(entry.value for entry in memory), *affinities]


def unflatten(tensors: Sequence[Tensor], paths: int) -> list[StepFeatures]:
    """Undo `flatten`, as far as a step can tell."""
    key, values, affinities = tensors[0], tensors[1:paths], tensors[paths:]
    return [StepFeatures(key, value, affinity)
            for value, affinity in zip(values, (None, *affinities), strict=True)]


def placeholder(features: StepFeatures, paths: int) -> StepFeatures:
    """Zeros in the place of a frame that has not come yet: views of a single one.

    An affinity would be as large as many frames, and steps of two paths read none.
    """
    key, value, _ = features
    zero = key.new_zeros(())
    batch, rows, _ = key.shape
    return StepFeatures(zero.expand(key.shape), zero.expand(value.shape),
                        zero.expand(batch, rows, rows) if paths > 2 else None)


def empty_memory(blank: StepFeatures, paths: int) -> list[Tensor]:
    """What a step reads of N-1 placeholders like this one, as tensors of their own."""
    return [tensor.clone(memory_format=torch.contiguous_format)
            for tensor in flatten([blank] * (paths - 1))]
