"""The networks: pure functions of an image and a memory, no ROS, no state."""

DEFAULT_MODEL = 'street-small'
"""Name of the shipped model that runs where none is asked for."""
