"""The program tdnet_node."""
from __future__ import annotations

from contextlib import suppress
import os
import signal
import sys

from tdnet_ros.nets.missing import complain_of_missing

USAGE = '''usage: tdnet_node [--ros-args ...]

Labels camera images with a temporally distributed network.

  tdnet_node --ros-args -r image:=/camera/image_raw
  tdnet_node --ros-args -r image:=/camera/image_raw -p weights:=td4-psp18.safetensors
  tdnet_node --ros-args --params-file tdnet.yaml
  ros2 launch tdnet_ros tdnet.launch.py image_topic:=/camera/image_raw

Parameters (-p NAME:=VALUE):
'''


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM and end the process, with exit code 0.

    Returns an exit code if there is nothing to run.
    """
    # The imports take seconds, in which there is nothing yet to clean up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os._exit(0))
    arguments = sys.argv[1:] if args is None else args
    if '--help' in arguments or '-h' in arguments:
        from tdnet_ros.ros.parameters import describe
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it
        print(USAGE + describe())
        return 0
    try:
        complaint = _complaint(arguments)
        if complaint:
            print(f'tdnet_node: {complaint}', file=sys.stderr)
            return 2
        from tdnet_ros.ros.parameter_files import given_files
        from tdnet_ros.ros.segmentation_node import SegmentationNode
        from tdnet_ros.ros.spinning import run
    except ModuleNotFoundError as error:
        return complain_of_missing('tdnet_node', error)
    code = run(lambda: SegmentationNode(parameter_files=given_files(arguments)), args)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: a closed one
        with suppress(OSError):  # a full disk, or nobody reads it any more
            stream.flush()
    # Nothing is left but to take PyTorch apart: seconds on a busy machine, and launch waits five.
    os._exit(code)


def _complaint(arguments: list[str]) -> str:
    """Say what is wrong with the arguments: a parameter file that is not there, say."""
    from rclpy.utilities import remove_ros_args

    from tdnet_ros.ros.errors import one_line
    try:
        unexpected = ' '.join(remove_ros_args(['tdnet_node', *arguments])[1:])
    except Exception as error:
        return one_line(error)
    if unexpected:
        return (f"unexpected '{unexpected}': remappings (-r) and parameters (-p) go behind "
                '--ros-args, see tdnet_node --help')
    return ''


if __name__ == '__main__':
    sys.exit(main())
