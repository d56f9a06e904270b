"""Packages that are not installed, for programs that start without any."""
from __future__ import annotations

import sys

ROS_PACKAGES = ('rcl', 'rosidl', 'ament', 'builtin_interfaces', 'std_srvs')
'''Beginnings of packages that come with ROS, apart from messages.'''
PIP_PACKAGES = ('torch', 'safetensors')
'''What pip brings on a ROS machine and rosdep does not.'''
ROSDEP_PACKAGES = ('numpy', 'cv2', 'yaml')


def complain_of_missing(program: str, error: ModuleNotFoundError) -> int:
    """Say in one line what brings a package that is missing; return the exit status.

    Raises the error again where it is a module of tdnet_ros itself.
    """
    package = str(error.name)
    if package.startswith('tdnet_ros'):
        raise error
    first = package.partition('.')[0]
    if first.startswith(ROS_PACKAGES) or first.endswith('_msgs'):
        remedy = 'source a ROS 2 environment, or script/env in a clone'
    elif first in PIP_PACKAGES:
        remedy = f'pip install {" ".join(PIP_PACKAGES)}, or in a clone script/setup, brings it'
    elif first in ROSDEP_PACKAGES:
        remedy = 'on a ROS machine rosdep, in a clone of tdnet_ros script/setup brings it'
    else:
        remedy = ('script/setup in a clone of tdnet_ros brings it, into an environment of its own '
                  'that has ROS as well')
    print(f'{program}: the Python package {package} is missing: {remedy}', file=sys.stderr)
    return 1
