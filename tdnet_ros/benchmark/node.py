"""The real node as a process of a benchmark: python -m tdnet_ros.benchmark.node [--free] ..."""
from __future__ import annotations

import sys

from tdnet_ros.benchmark.free import FreeSegmenter
from tdnet_ros.ros.segmentation_node import SegmentationNode
from tdnet_ros.ros.spinning import run
from tdnet_ros.stream import VideoSegmenter

FREE = '--free'


def main(arguments: list[str]) -> int:
    """Run the node; with --free its network costs nothing."""
    load = FreeSegmenter.load if FREE in arguments else VideoSegmenter.load
    return run(lambda: SegmentationNode(load), [word for word in arguments if word != FREE])


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
