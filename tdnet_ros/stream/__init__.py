"""Frames in, labels out: the memory, its reset rules and the segmenter.

The segmenter is loaded when it is asked for: with it comes PyTorch, seconds and 200 MB that a
program does without which only plays, counts or shows frames.
"""
from typing import TYPE_CHECKING, Any

from tdnet_ros.stream.frame import Frame, Segmentation
from tdnet_ros.stream.memory import FrameMemory

if TYPE_CHECKING:
    from tdnet_ros.stream.segmenter import VideoSegmenter

__all__ = ['Frame', 'FrameMemory', 'Segmentation', 'VideoSegmenter']


def __getattr__(name: str) -> Any:
    if name != 'VideoSegmenter':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from tdnet_ros.stream.segmenter import VideoSegmenter
    return VideoSegmenter
