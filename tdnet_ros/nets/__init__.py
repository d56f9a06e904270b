"""The networks: pure functions of an image and a memory, no ROS, no state."""
