"""Frames in, labels out: the memory, its reset rules and the segmenter."""
from tdnet_ros.stream.frame import Frame, Segmentation
from tdnet_ros.stream.memory import FrameMemory
from tdnet_ros.stream.segmenter import VideoSegmenter

__all__ = ['Frame', 'FrameMemory', 'Segmentation', 'VideoSegmenter']
