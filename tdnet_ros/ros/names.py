"""Names of topics, and what they tell. Bags know it without ROS, too."""
from __future__ import annotations

import re

NODE_OUTPUTS = frozenset({'labels', 'confidence', 'overlay'})
'''Parts of the names of image topics that a node publishes.'''
COMPRESSED = '/compressed'
'''What image_transport adds to the name of a topic.'''
DIAGNOSTICS = '/diagnostics'
_CAMERA = re.compile('image|camera|color|rgb')
_OTHER = re.compile('depth|disparity|infra')


def debug_topic(prefix: str, stage: str) -> str:
    """Topic of the times in ms of one stage; a prefix such as '/tdnet/'."""
    return f'{prefix}debug/{stage}_ms'


def made_by_node(image: str) -> bool:
    """Whether the name of an image topic is one of a node's outputs."""
    return bool(NODE_OUTPUTS & {*image.split('/')})


def like_a_camera(image: str) -> bool:
    """Whether the name of an image topic sounds like colour images of a camera."""
    return bool(_CAMERA.search(image)) and not _OTHER.search(image)


def like_depth(image: str) -> bool:
    """Whether the name of an image topic sounds like depth."""
    return 'depth' in image
