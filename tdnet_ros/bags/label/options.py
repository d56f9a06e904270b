"""What to label of a bag, with what, and what to write."""
from __future__ import annotations

from dataclasses import dataclass

from tdnet_ros.nets import DEFAULT_MODEL
from tdnet_ros.stream.memory import MAX_GAP_S

CHUNK_FRAMES = 500
'''Frames in one file of the output: what is lost at most when labelling is interrupted.'''


@dataclass(frozen=True)
class LabelOptions:
    """How to label; the same options and input give the same output."""

    model: str = DEFAULT_MODEL
    weights: str = ''
    device: str = 'auto'
    engine: str = 'torch'
    precision: str = 'float32'
    input_size: tuple[int, int] | None = None  # height, width; None: the model's own
    topics: tuple[str, ...] = ()  # none: every camera
    start_s: float = 0.0  # after the start of the bag
    duration_s: float | None = None
    every: int = 1
    max_gap_s: float = MAX_GAP_S
    scene_cut: bool = True
    keep_classes: tuple[str, ...] = ()
    class_remap: tuple[str, ...] = ()
    raw: bool = False
    overlay: bool = False
    confidence: bool = False
    points: bool = False
    depth: tuple[str, ...] = ()  # one for each topic; none: the only one of the bag
    copy_input: bool = False
    chunk_frames: int = CHUNK_FRAMES
